package appliance

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire/memcache"
)

// A warm restart (-e): the store's memory is a file. SIGUSR1, `shutdown graceful`
// and an upgrade save what else there is beside it; the next process with the same
// file goes on with that. The other ways to end save nothing, as in memcached.

// ErrSave: the process ends, and the next one will begin empty.
var ErrSave = errors.New("[restart] failed to save metadata")

// saveProgressEvery is how often a save says how far it is: it takes a second for
// some gigabytes.
const saveProgressEvery = time.Second

// openStore makes the store, or takes over the one that the memory file holds.
func (n *Node) openStore(startedMS int64) error {
	c, from := &n.config, time.Now()
	config := slab.Config{
		LimitBytes: c.Memcache.Settings.MaxBytes,
		Loops:      c.Loops,
		Evict:      c.Memcache.Settings.Evictions,
		StartMS:    startedMS,
		Groups:     memcache.Groups(c.Memcache),
		Refused:    n.memoryRefused,
	}
	if c.MemoryFile != "" {
		config.File, config.Tier = c.MemoryFile, c.Flash.On()
		config.FileSettings = memcache.RestartSettings(c.Memcache)
		config.Verified = n.memoryVerified
	}
	var err error
	if n.store, err = slab.New(config); err != nil {
		if c.MemoryFile != "" {
			err = fmt.Errorf("[restart] %w", err)
		}
		return err
	}
	if c.MemoryFile != "" {
		n.logRestart(time.Since(from))
	}
	return nil
}

// logRestart says what the memory file held.
func (n *Node) logRestart(took time.Duration) {
	switch r := n.store.Restart(); {
	case r.Restored:
		n.log.Info("[restart] the cache goes on as it was saved", "file", n.config.MemoryFile, "items", r.Items,
			"down", r.Down.String(), "took", took.Round(time.Millisecond).String())
		if r.Damaged > 0 {
			n.log.Warn("[restart] parts of the index are damaged: their items are absent", "file", n.config.MemoryFile, "segments", r.Damaged)
		}
	case r.Field != "":
		n.log.Warn("[restart] restart incompatible due to setting for ["+r.Field+"], starting with a clean cache",
			"file", n.config.MemoryFile, "saved", r.Saved, "wanted", r.Wanted)
	default:
		n.log.Warn("[restart] "+r.Reason+", starting with a clean cache", "file", n.config.MemoryFile)
	}
}

// memoryVerified is told when all that was restored has been checked.
func (n *Node) memoryVerified(v slab.Verification) {
	took := v.Took.Round(time.Millisecond).String()
	if v.LostItems > 0 || v.DamagedRuns > 0 {
		n.log.Warn("[restart] parts of the memory file are damaged: their items are absent", "file", n.config.MemoryFile,
			"runs", v.Runs, "damaged", v.DamagedRuns, "items", v.LostItems, "took", took)
		return
	}
	n.log.Info("[restart] the memory file is as it was saved", "file", n.config.MemoryFile, "runs", v.Runs, "took", took)
}

// saveAtEnd has the node's end save what a warm restart needs, if there is a
// memory file.
func (n *Node) saveAtEnd() { n.saves = n.config.MemoryFile != "" }

// putBackAtEnd is saveAtEnd of a node that never served: what it took over is
// for the next one.
func (n *Node) putBackAtEnd() {
	if n.store != nil && n.store.Restart().Restored {
		n.saveAtEnd()
	}
}

// closeStore gives the memory back: then there is no store. No loop runs any more.
func (n *Node) closeStore() error {
	err := errors.Join(n.endTierLoops(), n.closeKeyspace(), n.closeTier()) // a snapshot may read the tier
	if n.store == nil {
		return err
	}
	if n.saves {
		err = errors.Join(err, n.save())
	}
	err = errors.Join(err, n.store.Close())
	n.store = nil
	return err
}

// setField puts a field into a state, in the place of one of its name.
func setField(state []slab.Field, f slab.Field) []slab.Field {
	for i := range state {
		if state[i].Name == f.Name {
			state[i] = f
			return state
		}
	}
	return append(state, f)
}

// fieldOf is the value of a state's field, or "".
func fieldOf(state []slab.Field, name string) string {
	for _, f := range state {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

func (n *Node) save() error {
	var state []slab.Field
	if n.memcache != nil {
		state = n.memcache.State()
	} else {
		state = n.store.Restart().State
	}
	state = slices.Clone(state)
	for _, f := range n.savedMark() {
		state = setField(state, f)
	}
	if n.tierMark != "" {
		state = setField(state, slab.Field{Name: tierField, Value: n.tierMark})
	}
	from := time.Now()
	said := from
	err := n.store.Save(from.UnixMilli(), state, func(done, of int64) {
		if time.Since(said) >= saveProgressEvery {
			said = time.Now()
			n.log.Info("[restart] saving", "file", n.config.MemoryFile, "bytes", done, "of", of)
		}
	})
	if err != nil {
		n.log.Error(ErrSave.Error()+": the next start begins with a clean cache", "file", n.config.MemoryFile, "error", err)
		return fmt.Errorf("%w: %w", ErrSave, err)
	}
	n.log.Info("[restart] saved", "file", n.config.MemoryFile, "took", time.Since(from).Round(time.Millisecond).String())
	return nil
}
