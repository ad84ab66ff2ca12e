package keyspace

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/effectlog"
)

// The folder has a file that says what it is, up to where sequences may have been used,
// and to which segment the log goes at least: lines of text, replaced as a whole at every
// start, and since.
const (
	lockName      = "LOCK"
	folderName    = "KEYSPACE"
	temporaryName = "KEYSPACE.tmp"
	folderText    = "panda keyspace\nversion %d\nsequences %d\nsegment %d\n"
	folderVersion = 1
)

// manifest is what the file says.
type manifest struct {
	base    uint64 // of sequences
	segment uint64 // of the log, which a crash cannot take back; 0: there is none
}

// openFolder is what the file of a folder of ours says, nothing in an empty one.
func (k *Keyspace) openFolder() (m manifest, err error) {
	f, err := k.disk.Open(folderName, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return m, err
	}
	text := make([]byte, min(size, 128)) // more than it ever has
	if _, err := f.ReadAt(text, 0); err != nil {
		return m, err
	}
	version := 0
	if n, _ := fmt.Sscanf(string(text), folderText, &version, &m.base, &m.segment); n >= 1 && version != folderVersion {
		return m, fmt.Errorf("%w: %d, and this program knows %d", ErrVersion, version, folderVersion)
	}
	if string(text) != fmt.Sprintf(folderText, version, m.base, m.segment) {
		return m, ErrFolder
	}
	return m, nil
}

// checkEnd says whether the log has come to its end before the segment that the folder's
// file names: the last ones are missing.
func (k *Keyspace) checkEnd(tail *effectlog.Tail) error {
	err := tail.Ends(".", k.segment)
	if err != nil && k.config.Salvage != nil {
		k.salvage(err)
		k.segment, err = 0, nil // the log goes on with that number
	}
	return err
}

// watchEvery is how often is looked at what the folder's file is to say: in a second a
// slot does not have sequencesAhead/2 effects, 8 million, by far.
const watchEvery = time.Second

// watch is the goroutine that keeps the folder's file, and looks how full the disk is. It
// waits for nothing else: a snapshot may wait for the disk for minutes.
func (k *Keyspace) watch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		k.watchSpace()
		k.raiseBase()
		select {
		case <-tick.C:
		case <-k.snapshots.stop:
			return
		}
	}
}

// raiseBase keeps the folder's base so high that sequencesAhead leads above all sequences
// that were given out: a crash may take back those since the last snapshot, or what no
// sync was behind. It also keeps up to which segment the log goes.
func (k *Keyspace) raiseBase() {
	top, begun := slices.Max(k.store.Sequences()), k.figures.begun.Load()
	err := k.changeFolder(func(m *manifest) {
		m.segment = max(m.segment, begun)
		if top >= m.base+sequencesAhead/2 {
			m.base = top
		}
	})
	if err != nil && time.Since(k.folderSaidAt) >= sayFullEvery {
		k.folderSaidAt = time.Now()
		k.note("the folder's base of tokens, or the number of the log's last segment, could not be written", err)
	}
}

// changeFolder has the folder's file say what change makes of it.
func (k *Keyspace) changeFolder(change func(*manifest)) error {
	k.folderMu.Lock()
	defer k.folderMu.Unlock()
	m := k.manifest
	change(&m)
	return k.writeFolder(m)
}

// writeFolder keeps what the next start needs to know, unless that is what the file says.
// Open calls it, and changeFolder.
func (k *Keyspace) writeFolder(m manifest) error {
	if m == k.manifest {
		return nil
	}
	text := fmt.Appendf(nil, folderText, folderVersion, m.base, m.segment)
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
	if err := k.disk.SyncFolder("."); err != nil {
		return err
	}
	k.manifest = m
	return nil
}
