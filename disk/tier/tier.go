package tier

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/pandabeardb/panda/disk/dio"
)

// A Bucket is a kind of values that get pages of their own, because they end
// together, or stay.
type Bucket uint8

const (
	Default Bucket = iota
	Compacted
	Chunked // large values
	LowTTL  // values that end soon: their pages empty by themselves
	BucketCount
)

const (
	pagesMax = 1 << 20 // 64 TB in pages of 64 MB; 40 bytes of memory each
	// buffersSpare is how many write buffers there are beside one for each bucket:
	// two are written while two fill, at 1.3 GB/s 6 ms for 2 of 4 MB.
	buffersSpare = 4
	// reserveFrom: a tier of at least so many pages keeps the last free one for what
	// compaction moves, so that to make room it need not drop anything.
	reserveFrom = 4
	writers     = 1 // workers that write: buffers are large, one keeps a disk busy
)

// Config of a Tier.
type Config struct {
	Files      []File
	PageSize   int // bytes
	BufferSize int // bytes of a write buffer, and the longest record
	Readers    int // workers that read
	Loops      int // that may Read without workers, see Tier.Loop
	Policy     Policy
	Owner      Owner // of the values; nil: pages are not compacted

	// Keeps has the files have room for what CloseKeeping writes. Kept is what it returned
	// for these files. Of a file that is not as it was then, the values are gone; without
	// Kept, of all.
	Keeps bool
	Kept  string

	// Fault is told once for each file that it takes no more values, and why. It is
	// called on a worker. May be nil.
	Fault func(file string, err error)
	// Lost is told how many values of a page cannot be read, and are given up: they stay
	// until the page's room is needed, and their reads fail. It is called by the
	// compaction's goroutine. May be nil.
	Lost func(file string, values int64, err error)
}

// A File is one place for pages.
type File struct {
	FS     dio.FS
	Name   string
	Size   int64  // bytes; what is no whole page is not used
	Bucket Bucket // whose pages go here first
}

// Policy says when pages are compacted, and may be changed at any time.
type Policy struct {
	CompactUnder int     // compact while no more pages are free
	DropUnder    int     // drop unread values while no more pages are free
	MaxFrag      float64 // a page is compacted when less than this part of it is alive, in a full tier
	DropUnread   bool    // what was not read is not moved
}

// An Owner knows which values are alive. It is called by the compaction's goroutine,
// which holds no lock.
type Owner interface {
	// Holds reports whether the value of key is the one at ref, and whether it was
	// read lately.
	Holds(head, key []byte, ref Ref) (holds, read bool)
	// Moved tells that the value at source is at target now; false: nobody wants it any more.
	Moved(head, key []byte, source, target Ref) bool
}

// Tier holds values on disks.
type Tier struct {
	config Config
	pages  []page // fixed after Open; what they hold is guarded by lock, but for version
	policy atomic.Pointer[Policy]
	files  []*file
	reads  *dio.Pool
	loops  []*dio.Queue // by loop; each is that loop's
	writes *dio.Pool
	wake   chan struct{} // there may be a page to compact
	ended  sync.WaitGroup

	lock     sync.Mutex
	room     sync.Cond // a write buffer is free again, the last read is done, or the tier closes
	closed   bool
	version  uint32 // of the last page that was opened
	open     [BucketCount]*buffer
	current  [BucketCount]*page
	free     int     // pages
	spare    *buffer // free ones
	buffers  int     // that were made
	recycled uint64  // how often one became free again
	ticks    uint64  // how often Tick was called
	reader   readers
	counts   Stats
}

// A file is an open File.
type file struct {
	File
	handle dio.File
	held   io.Closer
	first  int  // page
	count  int  // of pages
	kept   bool // it had what Config.Kept names
	failed bool // takes no more values
	free   []*page
}

// Stats are what happened since Open, and what is there.
type Stats struct {
	PageAllocs, PageEvictions, PageReclaims           int64
	ObjectsWritten, ObjectsRead, ObjectsEvicted       int64
	BytesWritten, BytesRead, BytesEvicted             int64
	CompactRescues, CompactSkipped, CompactLost       int64
	ReadErrors, WriteErrors, Damaged, AppendsRefused  int64
	Pages, PagesFree, PagesUsed, ObjectsUsed          int64
	BytesUsed, BytesLimit, BytesFragmented, ReadQueue int64
	FilesFailed                                       int64
}

// Open makes the files, whatever was in them but for what Config.Kept names, and starts
// the workers.
func Open(c Config) (*Tier, error) {
	if c.BufferSize <= 0 || c.PageSize < c.BufferSize || (c.PageSize|c.BufferSize)&(dio.BlockSize-1) != 0 || c.PageSize > 1<<31 {
		return nil, ErrSizes
	}
	t := &Tier{config: c, wake: make(chan struct{}, 1)}
	t.room.L = &t.lock
	t.SetPolicy(c.Policy)
	for i := range c.Files {
		if err := t.openFile(&c.Files[i]); err != nil {
			return nil, errors.Join(err, t.closeFiles())
		}
	}
	if len(t.pages) == 0 || len(t.pages) > pagesMax {
		err := ErrNoPage
		if len(t.pages) > 0 {
			err = ErrTooManyPages
		}
		return nil, errors.Join(err, t.closeFiles())
	}
	if err := t.restore(); err != nil {
		return nil, errors.Join(err, t.closeFiles())
	}
	t.openPages()
	t.reads, t.writes = dio.NewPool(max(c.Readers, 1)), dio.NewPool(writers)
	for range c.Loops {
		t.loops = append(t.loops, dio.NewQueue(t.reads, readsMax))
	}
	t.reader.sources = make([]source, 1+c.Loops)
	if c.Owner != nil {
		t.ended.Go(t.compactor)
	}
	return t, nil
}

// openFile takes a file for itself, and makes it as large as its pages.
func (t *Tier) openFile(c *File) (err error) {
	n := c.Size / int64(t.config.PageSize)
	if n == 0 {
		return ErrNoPage
	}
	f := &file{File: *c}
	if f.held, err = c.FS.Lock(c.Name); err != nil {
		return err
	}
	t.files = append(t.files, f)
	if f.handle, err = c.FS.Open(c.Name, dio.Create|dio.Direct); err != nil {
		return err
	}
	f.first, f.count = len(t.pages), int(min(n, pagesMax))
	size := n * int64(t.config.PageSize)
	if t.config.Keeps {
		size += int64(keptSize(f.count))
	}
	if err = f.handle.Allocate(0, size); err != nil {
		return err
	}
	for i := range min(n, pagesMax) {
		t.pages = append(t.pages, page{file: f, at: i * int64(t.config.PageSize)})
	}
	return nil
}

// Loop is the queue of a loop's reads: the loop calls its Take when its FD tells of an edge,
// and Tier.Flush before it waits for anything.
func (t *Tier) Loop(loop int) *dio.Queue { return t.loops[loop] }

// Close ends the workers. Reads and writes that are on their way are done first; no
// other call may come any more, nor after it; no loop runs.
func (t *Tier) Close() error {
	err := t.shut()
	t.reads.Close()
	t.writes.Close()
	return errors.Join(err, t.closeFiles())
}

// EndLoop takes what a loop has asked for and left behind: until then it holds up others who
// read. The loop does not run any more, or is who calls; it may be called again.
func (t *Tier) EndLoop(loop int) error {
	t.endSource(loop + 1)
	return t.loops[loop].Close()
}

// EndLoops is EndLoop of all.
func (t *Tier) EndLoops() (err error) {
	for i := range t.loops {
		err = errors.Join(err, t.EndLoop(i))
	}
	return err
}

// shut has the tier take nothing more, waits for reads, and ends compaction.
func (t *Tier) shut() (err error) {
	err = t.EndLoops()
	t.lock.Lock()
	t.closed = true
	t.room.Broadcast()
	for t.reader.inFlight > 0 {
		t.room.Wait()
	}
	t.lock.Unlock()
	t.nudge()
	t.ended.Wait()
	return err
}

func (t *Tier) closeFiles() (err error) {
	for _, f := range t.files {
		if f.handle != nil {
			err = errors.Join(err, f.handle.Close())
		}
		err = errors.Join(err, f.held.Close())
	}
	t.files = nil
	return err
}

// SetPolicy changes when pages are compacted.
func (t *Tier) SetPolicy(p Policy) {
	t.policy.Store(&p)
	t.nudge()
}

// Tick has the compactor do a page, if one is worth it. It is the tier's clock: call it
// ten times a second.
func (t *Tier) Tick() {
	t.lock.Lock()
	t.ticks++
	t.lock.Unlock()
	t.nudge()
}

// nudge has the compactor look whether there is something to do.
func (t *Tier) nudge() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *Tier) buffersMax() int { return int(BucketCount) + buffersSpare }

// Stats counts.
func (t *Tier) Stats() Stats {
	t.lock.Lock()
	defer t.lock.Unlock()
	s := t.counts
	s.Pages, s.PagesFree = int64(len(t.pages)), int64(t.free)
	s.PagesUsed = s.Pages - s.PagesFree
	s.ReadQueue = t.reader.waiting.Load() + int64(t.reader.inFlight)
	s.BytesLimit = s.Pages * int64(t.config.PageSize)
	s.BytesFragmented = s.PagesUsed*int64(t.config.PageSize) - s.BytesUsed
	for _, f := range t.files {
		if f.failed {
			s.FilesFailed++
		}
	}
	return s
}

// A PageStat is how one page stands. Version 0: it is free.
type PageStat struct {
	Version uint32
	Bytes   int64
	Bucket  Bucket // of its values
	Free    Bucket // of its file
}

// PageStats appends all pages.
func (t *Tier) PageStats(dst []PageStat) []PageStat {
	t.lock.Lock()
	defer t.lock.Unlock()
	for i := range t.pages {
		p := &t.pages[i]
		dst = append(dst, PageStat{p.version.Load(), p.bytes, p.bucket, p.file.Bucket})
	}
	return dst
}
