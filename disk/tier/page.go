package tier

import "sync/atomic"

// A page is a part of a file, with values that are dropped together.
type page struct {
	version atomic.Uint32 // 0: nothing in it is alive
	id      uint32
	file    *file
	at      int64 // in the file, in bytes
	bucket  Bucket
	state   pageState
	used    int   // bytes that buffers have taken
	taken   int64 // objects that were appended
	bytes   int64
	objects int64
	buffers *buffer // that have not been written
	busy    bool    // the compactor reads it
	damaged bool    // the compactor could not read all of it, and leaves it alone

	failures uint8  // see failed
	failedAt uint64 // tick of the last of them
	tries    uint8  // of the compactor, that the disk failed
	retryAt  uint64 // tick before which it does not try again
}

const (
	// failuresMax is how often reads of a page may fail before a value of it that cannot be
	// read is given up: a path to a disk comes back within seconds, a bad block never does,
	// and each read of one may take a disk seconds.
	failuresMax = 8
	// failureTicks: failures so close to each other are one, since a disk that fails does
	// so for all that it was asked. A second.
	failureTicks = 10
)

// failed notes that the disk failed to read from the page, and reports whether that may
// pass.
func (p *page) failed(tick uint64) (passing bool) {
	if p.failures == 0 || tick-p.failedAt >= failureTicks {
		p.failures = min(p.failures+1, failuresMax+1)
		p.failedAt = tick
	}
	return p.failures <= failuresMax
}

type pageState uint8

const (
	pageFree pageState = iota
	pageOpen
	pageClosed
	pageDropped // nothing is alive, but a buffer of it is being written
	pageLost    // in a file that failed, for good
)

func (t *Tier) openPages() {
	for i := len(t.pages) - 1; i >= 0; i-- { // the first page is taken first
		p := &t.pages[i]
		p.id = uint32(i)
		if p.state == pageFree {
			p.file.free = append(p.file.free, p)
			t.free++
		}
	}
}

// Live reports whether what ref names may still be read. It takes no lock.
func (t *Tier) Live(ref Ref) bool {
	return ref.Version != 0 && int(ref.Page) < len(t.pages) && t.pages[ref.Page].version.Load() == ref.Version
}

// Delete says that nobody wants a value of RecordSize size any more.
func (t *Tier) Delete(ref Ref, size int) {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.forget(ref, size)
}

func (t *Tier) forget(ref Ref, size int) {
	if !t.Live(ref) {
		return
	}
	p := &t.pages[ref.Page]
	p.bytes -= int64(size)
	p.objects--
	t.counts.BytesUsed -= int64(size)
	t.counts.ObjectsUsed--
	if p.objects == 0 && p.state == pageClosed && !p.busy {
		t.counts.PageReclaims++
		t.drop(p)
	}
}

// takePage opens a page for a bucket, if need be after dropping the oldest one; nil: no
// file takes values, or the pages that could be dropped are being written, or none is
// free for what compaction moves.
func (t *Tier) takePage(bucket Bucket) *page {
	reserved := 0
	if bucket != Compacted && len(t.pages) >= reserveFrom && t.config.Owner != nil {
		reserved = 1
	}
	for t.usable() <= reserved {
		if bucket == Compacted || !t.dropOldest() { // what is moved drives out nothing
			break
		}
	}
	f := t.chooseFile(bucket)
	if f == nil {
		return nil
	}
	p := f.free[len(f.free)-1]
	f.free = f.free[:len(f.free)-1]
	t.free--
	t.version++
	if t.version == 0 {
		t.version++
	}
	p.bucket, p.state, p.used, p.taken, p.bytes, p.objects = bucket, pageOpen, 0, 0, 0, 0
	p.damaged, p.failures, p.tries, p.retryAt = false, 0, 0, 0
	p.version.Store(t.version)
	t.counts.PageAllocs++
	t.nudge()
	return p
}

// usable is how many pages are free in files that take values.
func (t *Tier) usable() (n int) {
	for _, f := range t.files {
		if !f.failed {
			n += len(f.free)
		}
	}
	return n
}

// chooseFile is the file of the bucket's own, or else of no bucket's, or else any,
// that has most free pages: so files fill alike.
func (t *Tier) chooseFile(bucket Bucket) (best *file) {
	for _, want := range [...]func(*file) bool{
		func(f *file) bool { return f.Bucket == bucket },
		func(f *file) bool { return f.Bucket == Default },
		func(*file) bool { return true },
	} {
		for _, f := range t.files {
			if !f.failed && len(f.free) > 0 && want(f) && (best == nil || len(f.free) > len(best.free)) {
				best = f
			}
		}
		if best != nil {
			return best
		}
	}
	return nil
}

// dropOldest drops the closed page that was opened first.
func (t *Tier) dropOldest() bool {
	var oldest *page
	for i := range t.pages {
		p := &t.pages[i]
		if p.state == pageClosed && !p.busy && p.buffers == nil && !p.file.failed &&
			(oldest == nil || int32(p.version.Load()-oldest.version.Load()) < 0) {
			oldest = p
		}
	}
	if oldest == nil {
		return false
	}
	t.counts.PageEvictions++
	t.counts.ObjectsEvicted += oldest.objects
	t.counts.BytesEvicted += oldest.bytes
	t.drop(oldest)
	return true
}

// closePage ends the writing to a page. One with nothing alive is free at once.
func (t *Tier) closePage(p *page) {
	t.current[p.bucket] = nil
	p.state = pageClosed
	if p.objects == 0 {
		t.counts.PageReclaims++
		t.drop(p)
	}
}

// drop makes all of a closed page's values misses, and the page free as soon as nothing
// of it is being written.
func (t *Tier) drop(p *page) {
	t.counts.BytesUsed -= p.bytes
	t.counts.ObjectsUsed -= p.objects
	p.bytes, p.objects = 0, 0
	p.version.Store(0)
	p.state = pageDropped
	t.settle(p)
}

// settle makes a dropped page free if nothing of it is being written.
func (t *Tier) settle(p *page) {
	switch {
	case p.state != pageDropped || p.buffers != nil || p.busy:
	case p.file.failed:
		p.state = pageLost
	default:
		p.state = pageFree
		p.file.free = append(p.file.free, p)
		t.free++
	}
}

// fail stops the use of a file for what is new. Of bad a part could not be written: reads
// find it damaged. It reports whether that is news.
func (t *Tier) fail(bad *page) (first bool) {
	f := bad.file
	first, f.failed = !f.failed, true
	t.free -= len(f.free)
	for _, p := range f.free {
		p.state = pageLost
	}
	f.free = nil
	for bucket, p := range t.current {
		if p == nil || p.file != f {
			continue
		}
		t.current[bucket] = nil
		p.state = pageClosed
		if b := t.open[bucket]; b != nil && b.page == p {
			t.closeBuffer(b)
		}
	}
	if bad.state == pageClosed && bad.objects == 0 {
		t.drop(bad)
	}
	return first
}
