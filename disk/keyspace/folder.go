package keyspace

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/effectlog"
	"github.com/pandabeardb/panda/disk/snapshot"
)

// The folder has a file that says what it is, up to where sequences may have been used,
// to which segment the log goes at least, and, where no log shows that it is missing, which
// snapshot there is at least: lines of text, replaced as a whole at every start, and since.
const (
	lockName      = "LOCK"
	folderName    = "KEYSPACE"
	temporaryName = "KEYSPACE.tmp"
	folderText    = "panda keyspace\nversion %d\nsequences %d\nsegment %d\nsnapshot %d\n"
	folderVersion = 1
)

// manifest is what the file says.
type manifest struct {
	base    uint64 // of sequences
	segment uint64 // of the log, which a crash cannot take back; 0: there is none
	newest  uint64 // a snapshot's number; 0: a log says what there must be, or there is none yet
}

// text is the file's.
func (m manifest) text() string {
	return fmt.Sprintf(folderText, folderVersion, m.base, m.segment, m.newest)
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
	if n, _ := fmt.Sscanf(string(text), folderText, &version, &m.base, &m.segment, &m.newest); n >= 1 && version != folderVersion {
		return m, fmt.Errorf("%w: %d, and this program knows %d", ErrVersion, version, folderVersion)
	}
	if string(text) != m.text() {
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

// checkNewest says whether the snapshot is missing that the folder's file names.
func (k *Keyspace) checkNewest() error {
	_, header, _, err := snapshot.Newest(k.disk, ".")
	if err != nil || header.Serial >= k.newest {
		return nil // who reads it says so
	}
	err = fmt.Errorf("%w: number %d", ErrSnapshot, k.newest)
	if k.config.Salvage != nil {
		k.salvage(err)
		k.newest, err = 0, nil
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
// sync was behind. It also keeps up to which segment the log goes, and the newest snapshot.
func (k *Keyspace) raiseBase() {
	top, begun := slices.Max(k.store.Sequences()), k.figures.begun.Load()
	err := k.changeFolder(func(m *manifest) {
		m.segment = max(m.segment, begun)
		m.newest = max(m.newest, k.snapshots.published.Load())
		if top >= m.base+sequencesAhead/2 {
			m.base = top
		}
	})
	if err != nil && time.Since(k.folderSaidAt) >= sayFullEvery {
		k.folderSaidAt = time.Now()
		k.note("the folder's base of tokens, or the number of the log's last segment, or of the newest snapshot, could not be written", err)
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
	f, err := k.disk.Open(temporaryName, dio.Create)
	if err != nil {
		return err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(m.text()), 0)
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
