package appliance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/pandabeardb/panda/appliance/admin"
	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/keyspace"
	"github.com/pandabeardb/panda/disk/tier"
	"github.com/pandabeardb/panda/netio"
	"github.com/pandabeardb/panda/wire/memcache"
)

// ErrFlash: the files of ext_path cannot be used.
var ErrFlash = errors.New("[flash] the files of ext_path cannot be used")

const (
	// flashReaders is how many workers read what the kernel does not, at least: each is a
	// thread of the system that waits. Flash answers 8 together about as soon as one.
	flashReaders    = 8
	flashReadersMax = 64
)

var tierBuckets = map[string]tier.Bucket{
	"": tier.Default, "default": tier.Default, "compact": tier.Compacted, "chunked": tier.Chunked, "low_ttl": tier.LowTTL,
}

// tierField is the saved state's field that says what the files of flash keep.
const tierField = "flash"

// openTier makes the second tier, if there is to be one. It begins empty, or goes on with
// what it had when the store was saved.
func (n *Node) openTier() (err error) {
	f := &n.config.Flash
	if !f.On() {
		return nil
	}
	restored := n.store.Restart().Restored
	c := tier.Config{
		Keeps:    n.config.MemoryFile != "",
		PageSize: f.PageBytes, BufferSize: f.WriteBytes,
		Readers: readersOf(f),
		Loops:   n.config.Loops,
		Policy:  memcache.TierPolicy(&n.config.Memcache.Settings),
		Owner:   memcache.TierOwner(n.store),
		Fault: func(file string, err error) {
			n.log.Error("[flash] a file takes no more values: memory only, what else it has can be read", "file", file, "error", err)
		},
		Lost: func(file string, values int64, err error) {
			n.log.Error("[flash] values cannot be read, and are given up", "file", file, "values", values, "error", err)
		},
	}
	if restored {
		c.Kept = fieldOf(n.store.Restart().State, tierField)
	}
	for _, file := range f.Files {
		folder, name := filepath.Split(file.Path)
		if folder == "" {
			folder = "."
		}
		if _, err := os.Stat(folder); err != nil { // a folder that is not mounted must not be made
			return fmt.Errorf("%w: failed to open file: %w", ErrFlash, err)
		}
		disk, err := dio.Folder(folder)
		if err != nil {
			return fmt.Errorf("%w: failed to open file: %w", ErrFlash, err)
		}
		c.Files = append(c.Files, tier.File{FS: disk, Name: name, Size: file.Bytes, Bucket: tierBuckets[file.Bucket]})
	}
	if n.tier, err = tier.Open(c); err != nil {
		return fmt.Errorf("%w: %w", ErrFlash, err)
	}
	memcache.UseTier(n.store, n.tier, &n.config.Memcache.Settings, true) // until sessions do
	s := n.tier.Stats()
	if names := n.tier.NotKept(); c.Kept != "" && len(names) > 0 {
		n.log.Warn("[flash] files are not as they were when the memory was saved: the values in them are given up", "files", names)
	}
	n.log.Info("[flash] values that memory has no room for go to flash", "files", len(c.Files), "pages", s.Pages, "bytes", s.BytesLimit, "values", s.ObjectsUsed)
	return nil
}

// watchTier has the loops take what they have read from flash.
func (n *Node) watchTier() error {
	if n.tier == nil {
		return nil
	}
	t := n.tier // its loops' as long as they run
	for i := range n.config.Loops {
		q := t.Loop(i)
		if q.FD() < 0 {
			n.log.Info("[flash] threads read for a loop, since the kernel has no queue for it", "loop", i, "threads", readersOf(&n.config.Flash))
			continue
		}
		ended := func() {
			if err := t.EndLoop(i); err != nil {
				n.log.Error("[flash] a loop's reads", "loop", i, "error", err)
			}
		}
		if err := n.net.Watch(i, netio.Watched{FD: q.FD(), Ready: q.Take, Behind: func() { t.Flush(i) }, Ended: ended}); err != nil {
			return err
		}
	}
	return nil
}

// addFlash has the operator's port tell what compaction owes.
func (n *Node) addFlash(s *admin.Source) {
	if n.tier == nil {
		return
	}
	s.Flash = func() admin.Flash {
		d := n.tier.Debt()
		return admin.Flash{DebtBytes: d.Garbage, DebtPages: d.Pages}
	}
}

// fetchTier reads values for a snapshot, and waits for them.
func (n *Node) fetchTier(list []keyspace.TierFetch) {
	reads := make([]tier.Read, len(list))
	var all sync.WaitGroup
	for i := range list {
		f, r := &list[i], &reads[i]
		r.Ref, r.Size = tier.Ref(f.Ref), tier.RecordSize(f.HeadLen, f.KeyLen, f.ValueLen)
		r.Done = func(*tier.Read) { all.Done() }
		all.Add(1)
		if n.tier.Read(r) {
			all.Done()
		}
	}
	all.Wait()
	for i := range list {
		r := &reads[i]
		list[i].Value, list[i].Err, list[i].Release = r.Value, r.Err, r.Release
		list[i].Gone = errors.Is(r.Err, tier.ErrGone)
	}
}

// readersOf is how many workers read.
func readersOf(f *config.Flash) int {
	return min(max(f.Threads*max(f.Depth, 1), flashReaders), flashReadersMax)
}

// waking guards the loops from being woken when they are gone: a read may end
// behind the connection that asked for it, and behind its loop.
type waking struct {
	lock  sync.RWMutex
	ended bool
}

// wake has a loop resume its parked sessions. Any goroutine may call it.
func (n *Node) wake(loop int) {
	n.waking.lock.RLock()
	if !n.waking.ended {
		n.net.Wake(loop)
	}
	n.waking.lock.RUnlock()
}

// stopWaking comes before the loops' end, if others than loops may wake them. From
// then on ticks resume who waits.
func (n *Node) stopWaking() {
	if n.tier != nil {
		n.waking.lock.Lock()
		n.waking.ended = true
		n.waking.lock.Unlock()
	}
}

// endTierLoops has nobody wait for what the loops have asked for and left behind.
func (n *Node) endTierLoops() error {
	if n.tier == nil {
		return nil
	}
	return n.tier.EndLoops()
}

// closeTier ends it. No loop runs any more, and the store still is.
func (n *Node) closeTier() (err error) {
	t := n.tier
	n.tier = nil
	switch {
	case t == nil:
		return nil
	case !n.saves:
		return t.Close()
	}
	if n.tierMark, err = t.CloseKeeping(); err != nil {
		n.log.Error("[flash] what is in the files is not kept: the next start gives values up", "error", err)
	}
	return err
}
