package appliance

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/keyspace"
	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire/memcache"
)

// ErrPersist: the data folder cannot be used.
var ErrPersist = errors.New("[persist] the data folder cannot be used")

// recoveryProgressEvery is how often recovery says how far it is.
const recoveryProgressEvery = time.Second

var persistModes = map[string]keyspace.Mode{"snapshot": keyspace.ModeSnapshot, "log": keyspace.ModeLog}

var persistFsyncs = map[string]keyspace.Fsync{
	"always": keyspace.FsyncAlways, "everysec": keyspace.FsyncEverySecond, "no": keyspace.FsyncNo,
}

// openKeyspace recovers what the data folder has, if there is to be one.
func (n *Node) openKeyspace() error {
	p := &n.config.Persist
	if !p.On() {
		return nil
	}
	disk, err := dio.Folder(p.Folder)
	if err != nil {
		return fmt.Errorf("%w: %w%s", ErrPersist, err, persistHint(err))
	}
	c := keyspace.Config{
		Disk: disk, Mode: persistModes[p.Mode], Fsync: persistFsyncs[p.Fsync], Loops: n.config.Loops,
		SnapshotBytes: p.SnapshotBytes, SnapshotEvery: p.SnapshotEvery,
		Passed:   n.passed,
		Progress: recoveryProgress(n.log),
		Note:     n.persistNote,
	}
	if p.Salvage {
		c.Salvage = func(damage error) { n.log.Error("[persist] damage: what is whole is used", "error", damage) }
	}
	c.Held = n.restoredMark()
	n.heldMark = c.Held
	if n.tier != nil {
		c.FetchTier = n.fetchTier
	}
	n.keyspace, err = keyspace.Open(c, n.store)
	if errors.Is(err, keyspace.ErrHeld) {
		n.log.Warn("[persist] the memory file is not what the data folder has, or is damaged: the keyspace is recovered from the folder", "file", n.config.MemoryFile, "folder", p.Folder)
		c.Held = ""
		if err = n.reopenStore(); err == nil {
			n.keyspace, err = keyspace.Open(c, n.store)
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w%s", ErrPersist, p.Folder, err, persistHint(err))
	}
	r := n.keyspace.Recovery()
	n.log.Info("[persist] the keyspace goes on as it was kept", "folder", p.Folder, "items", n.store.Stats().Items,
		"snapshot", r.Snapshot, "snapshot_records", r.SnapshotRecords, "log_records", r.LogRecords, "log_bytes", r.LogBytes,
		"took", r.Took.Round(time.Millisecond).String())
	if r.Torn != nil {
		n.log.Warn("[persist] the log ended in an interrupted write, which nobody was told of as done", "at", r.Torn)
	}
	if r.Evicted > 0 {
		n.log.Warn("[persist] the memory limit is too small for what was kept: items were evicted", "items", r.Evicted)
	}
	return nil
}

// markField is the saved state's field that has the keyspace's mark.
const markField = "keyspace"

// Marks that never fit.
const (
	withoutFolder = "saved without the folder"
	withoutFlash  = "saved with other files of flash"
	notWhole      = "saved, and damaged since"
)

// restoredMark is what keyspace.Config.Held is to be.
func (n *Node) restoredMark() string {
	r := n.store.Restart()
	if !r.Restored {
		return ""
	}
	if n.tier != nil && fieldOf(r.State, tierField) != "" && len(n.tier.NotKept()) > 0 {
		return withoutFlash // values that are gone are in the folder
	}
	for _, f := range r.State {
		if f.Name != markField {
			continue
		}
		if v := n.store.CheckRestored(); v.DamagedRuns > 0 || r.Damaged > 0 {
			return notWhole // the folder has all
		}
		return f.Value
	}
	return withoutFolder
}

// savedMark is the field for the next process. A start that was refused says of the memory
// what it has found: how it is saved again does not show what is not in it any more.
func (n *Node) savedMark() []slab.Field {
	mark := n.heldMark
	if n.keyspace != nil {
		mark = n.keyspace.Mark()
	}
	if mark == "" {
		return nil
	}
	return []slab.Field{{Name: markField, Value: mark}}
}

// reopenStore makes the store anew, empty: what the memory file had is not wanted. On an
// error there is none. A tier, whose owner it is, begins empty, too.
func (n *Node) reopenStore() error {
	err := errors.Join(n.closeTier(), n.store.Close())
	n.store = nil
	if err != nil {
		return err
	}
	if err := n.openStore(time.Now().UnixMilli()); err != nil {
		return err
	}
	return n.openTier()
}

// recoveryProgress logs how far recovery is.
func recoveryProgress(log *slog.Logger) func(done, total int64) {
	said := time.Now()
	return func(done, total int64) {
		if time.Since(said) >= recoveryProgressEvery {
			said = time.Now()
			log.Info("[persist] recovering", "bytes", done, "of", total, "percent", 100*done/max(total, 1))
		}
	}
}

// persistNote logs what the keyspace says.
func (n *Node) persistNote(note keyspace.Note) {
	switch {
	case errors.Is(note.Err, keyspace.ErrSpace):
		n.log.Warn("[persist] the disk is nearly full: "+note.Text, "folder", n.config.Persist.Folder)
	case note.Err != nil:
		n.log.Error("[persist] "+note.Text, "folder", n.config.Persist.Folder, "error", note.Err)
	default:
		n.log.Warn("[persist] "+note.Text, "folder", n.config.Persist.Folder) // seen where its beginning was
	}
}

// passed is called by the log's writer, also before there are loops.
func (n *Node) passed() {
	if server := n.passing.Load(); server != nil {
		(*server).Passed()
	}
}

// passer is a netio.Server.
type passer interface{ Passed() }

// barrier is what replies wait for, nil without a log.
func (n *Node) barrier() *atomic.Uint64 {
	if n.keyspace == nil || !n.keyspace.Logs() {
		return nil
	}
	return n.keyspace.Released()
}

// beganToWait is called by a loop behind a batch of events whose replies wait.
func (n *Node) beganToWait(loop int) { n.keyspace.Loop(loop).EndBatch() }

// durability is what sessions know of the keyspace.
func (n *Node) durability() *memcache.Durability {
	k := n.keyspace
	if k == nil {
		return nil
	}
	d := &memcache.Durability{
		Loop:     func(int) memcache.Log { return nil },
		SetState: func(state []byte) { k.SetState(memcacheState, state) },
		FlushAll: func(state []byte) { k.FlushAll(memcacheState, state) },
	}
	if k.Logs() {
		d.Loop = func(loop int) memcache.Log { return k.Loop(loop) }
		d.Observes = n.config.Persist.Fsync == "always"
	}
	return d
}

// memcacheState is the name under which the protocol's state is kept.
const memcacheState = "memcache"

// keptState is what sessions want back after a restart, of either kind.
func (n *Node) keptState() []slab.Field {
	if n.keyspace != nil && !n.store.Restart().Restored {
		return memcache.KeptState(n.keyspace.State(memcacheState))
	}
	return n.store.Restart().State
}

// persistFailed is closed when the keyspace cannot be kept any more; nil: never.
func (n *Node) persistFailed() <-chan struct{} {
	if n.keyspace == nil {
		return nil
	}
	return n.keyspace.Failed()
}

// closeKeyspace makes all durable. No loop runs any more.
func (n *Node) closeKeyspace() error {
	if n.keyspace == nil {
		return nil
	}
	if err := n.keyspace.Close(); err != nil {
		n.log.Error("[persist] the keyspace was not closed in order", "error", err)
		return fmt.Errorf("%w: %w", ErrPersist, err)
	}
	return nil
}

// exclusive reports whether the node has something that only one process can have.
func exclusive(c *config.Config) bool { return c.MemoryFile != "" || c.Persist.On() || c.Flash.On() }
