package slab

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A store whose arena lies in a file (Config.File) survives its process: Save
// writes what is not in the arena to the file's metadata, and New with the same
// file takes both. No item is walked over then. The index's segments stay as they
// are, since references are offsets; the lists of runs are made of the table of
// runs, which the metadata has.
//
// Nothing that the file says is believed without its checksum. The metadata have
// one, and those of the segments and the runs. A damaged segment begins empty
// (restart_load.go). A run is checked when it is first looked at, or by a
// goroutine that goes over all of them at a gentle pace (restart_check.go); what
// was in a damaged one is absent, and cleared away behind that (restart_scrub.go).
//
// The metadata are removed before anything of the arena changes: a process that
// ends without Save leaves a file that the next one empties. A New that fails
// before that, because the limit does not fit the file system, say, changes nothing.

// Field is a line of the metadata that the store's user adds.
type Field struct{ Name, Value string }

// Restart says what became of the content of the file at New.
type Restart struct {
	Restored bool
	Items    int64         // restored, those included that are found to be damaged later
	State    []Field       // as Save was given it
	Down     time.Duration // between Save and New, on the clock of StartMS
	Damaged  int           // index segments that begin empty

	// Why the store began empty, and which field did not fit, if that was it.
	Reason               string
	Field, Saved, Wanted string
}

// Restart says what New found in the file.
func (s *Store) Restart() Restart { return s.restart }

// Verification is what became of the restored runs.
type Verification struct {
	Runs, DamagedRuns int
	LostItems         int64 // of damaged runs and segments
	Took              time.Duration
}

const (
	metadataSuffix = ".meta"
	temporaryName  = ".meta.tmp"

	// clockBackMS is how far the clock may have gone back since the save: what an
	// access may be in the future, see idleSeconds.
	clockBackMS = 3600 * 1000
	// downMaxMS: the access clock goes round in three days, of which items may have
	// been idle for two. A longer stop counts as that long for idle times.
	downMaxMS = 20 * 3600 * 1000
)

// Reasons why a store begins empty.
const (
	reasonNone    = "no metadata save file"
	reasonDamaged = "the metadata file is damaged"
	reasonField   = "a setting does not fit"
)

// castagnoli is the polynomial of CRC32C, for which processors have an instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openFile opens the arena's file and takes its metadata, if they fit: c becomes
// what they say of shards, seed and clock.
func (s *Store) openFile(c *Config) error {
	f, err := openArenaFile(c.File)
	if err != nil {
		return err
	}
	s.file = f
	_ = os.Remove(f.name + temporaryName) // of a save that was cut off
	text, err := os.ReadFile(f.name + metadataSuffix)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.restart.Reason = reasonNone
		return nil
	case err != nil:
		return err
	}
	m, err := parseMetadata(text)
	if errors.Is(err, ErrMetadata) {
		return fmt.Errorf("%s: %w", f.name+metadataSuffix, err) // somebody else's file is left alone
	}
	if err != nil {
		s.restart.Reason = reasonDamaged
		return nil
	}
	if field, wanted := m.misfit(c, s); field.Name != "" {
		s.restart.Reason, s.restart.Field, s.restart.Saved, s.restart.Wanted = reasonField, field.Name, field.Value, wanted
		return nil
	}
	if !m.valid(s.classes, len(s.groups.bounds)) {
		s.restart.Reason = reasonDamaged
		return nil
	}
	down := c.StartMS - m.stopMS
	s.restart = Restart{Restored: true, State: m.state, Down: time.Duration(down) * time.Millisecond}
	c.Shards, c.Seed, c.StartMS = len(m.shards), m.seed, m.startMS+max(0, down-downMaxMS)
	s.saved = m
	return nil
}

// refuseSaved makes the store begin empty after all, because of what was found.
func (s *Store) refuseSaved(reason string) {
	s.saved = nil
	s.restart = Restart{Reason: reason}
}

// consume removes the metadata, if there are any, for good: not even a crash
// brings them back.
func (f *arenaFile) consume() error {
	err := os.Remove(f.name + metadataSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.syncDirectory()
}

func (f *arenaFile) syncDirectory() error {
	d, err := os.Open(filepath.Dir(f.name))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// writeMetadata writes the metadata so that they are there whole or not at all.
func (f *arenaFile) writeMetadata(text []byte) error {
	temporary := f.name + temporaryName
	t, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = t.Write(text)
	if err == nil {
		err = t.Sync()
	}
	if closed := t.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(temporary, f.name+metadataSuffix)
	}
	if err != nil {
		_ = os.Remove(temporary)
		return err
	}
	return f.syncDirectory()
}

// checkFields refuses what cannot be a line of the metadata.
func checkFields(fields []Field) error {
	for _, f := range fields {
		if f.Name == "" || strings.ContainsAny(f.Name, " \n") || strings.Contains(f.Value, "\n") {
			return fmt.Errorf("BUG: slab: %q cannot be a field of the metadata", f)
		}
	}
	return nil
}
