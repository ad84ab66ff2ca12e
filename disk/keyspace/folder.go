package keyspace

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/pandabeardb/panda/disk/dio"
)

// The folder has a file that says what it is, and up to where sequences may have
// been used: three lines of text, replaced as a whole at every start.
const (
	lockName      = "LOCK"
	folderName    = "KEYSPACE"
	temporaryName = "KEYSPACE.tmp"
	folderText    = "panda keyspace\nversion %d\nsequences %d\n"
	folderVersion = 1
)

// openFolder is the base of sequences of a folder of ours, 0 of an empty one.
func (k *Keyspace) openFolder() (base uint64, err error) {
	f, err := k.disk.Open(folderName, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	text := make([]byte, min(size, 128)) // more than it ever has
	if _, err := f.ReadAt(text, 0); err != nil {
		return 0, err
	}
	version := 0
	if n, _ := fmt.Sscanf(string(text), folderText, &version, &base); n >= 1 && version != folderVersion {
		return 0, fmt.Errorf("%w: %d, and this program knows %d", ErrVersion, version, folderVersion)
	}
	if string(text) != fmt.Sprintf(folderText, version, base) {
		return 0, ErrFolder
	}
	return base, nil
}

// raiseBase keeps the folder's base so high that sequencesAhead leads above all sequences
// that were given out: a crash may take back those since the last snapshot, or what no
// sync was behind. It is called every watchEvery, in which a slot has no such number.
func (k *Keyspace) raiseBase() {
	top := slices.Max(k.store.Sequences())
	if top < k.base+sequencesAhead/2 {
		return
	}
	if err := k.writeFolder(top); err == nil {
		k.base = top
	} else if s := &k.snapshots; time.Since(s.baseSaidAt) >= sayFullEvery {
		s.baseSaidAt = time.Now()
		k.note("the folder's base of tokens could not be written", err)
	}
}

// writeFolder keeps the base for the next start.
func (k *Keyspace) writeFolder(base uint64) error {
	text := fmt.Appendf(nil, folderText, folderVersion, base)
	f, err := k.disk.Open(temporaryName, dio.Create)
	if err != nil {
		return err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt(text, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := k.disk.Rename(temporaryName, folderName); err != nil {
		return err
	}
	return k.disk.SyncFolder(".")
}
