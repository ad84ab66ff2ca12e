package tier

import "github.com/pandabeardb/panda/disk/dio"

const (
	// scanBytes is how much of a page is read at once, beside its longest record.
	scanBytes = 1 << 20
	// compactTries is how often a page is compacted that the disk fails to read, once in
	// retryTicks, a minute: longer than a disk that was pulled needs to come back.
	compactTries = 4
	retryTicks   = 600
)

// compactor compacts pages as the policy says, until Close: one each time it is woken,
// by what is written and by Tick, so that it takes a part of the disk and not all.
func (t *Tier) compactor() {
	c := &compaction{t: t}
	for range t.wake {
		if !c.next() {
			return
		}
	}
}

// next compacts the page that is most worth it, if there is one. false: the tier closes.
func (c *compaction) next() bool {
	p, dropUnread, ended := c.t.choose()
	if p != nil {
		c.page(p, dropUnread)
	}
	return !ended
}

// choose is the page that is most worth compacting, which then is busy; nil: none. A
// tier that fills up takes less and less of a page's garbage: what is half dead is
// worth the work only when pages are few.
func (t *Tier) choose() (best *page, dropUnread, ended bool) {
	policy := t.policy.Load()
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.closed {
		return nil, false, true
	}
	if t.usable() == 0 && t.current[Compacted] == nil { // there is no place to move to
		return nil, false, false
	}
	limit := t.aliveUnder(policy)
	if limit == 0 {
		return nil, false, false
	}
	var oldest *page
	for i := range t.pages {
		p := &t.pages[i]
		if p.state != pageClosed || p.bucket == LowTTL || p.buffers != nil || p.busy || p.damaged || p.retryAt > t.ticks {
			continue
		}
		if p.bytes < limit && (best == nil || p.bytes < best.bytes) {
			best = p
		}
		if oldest == nil || int32(p.version.Load()-oldest.version.Load()) < 0 {
			oldest = p
		}
	}
	if best == nil && policy.DropUnread && t.free <= policy.DropUnder {
		best, dropUnread = oldest, true
	}
	if best != nil {
		best.busy = true
	}
	return best, dropUnread, false
}

// aliveUnder is how many bytes a page may have alive to be compacted: fewer. 0: none is.
func (t *Tier) aliveUnder(policy *Policy) int64 {
	if t.free > policy.CompactUnder {
		return 0
	}
	return max(1, int64((1-float64(t.free)/float64(len(t.pages)))*policy.MaxFrag*float64(t.config.PageSize)))
}

// debtStride is how many pages are counted under the lock at a time: 20 µs.
const debtStride = 4096

// Debt is what compaction has not given back.
type Debt struct {
	Garbage int64 // bytes of full pages that nobody wants any more, padding and gaps as well
	Pages   int64 // that the policy wants compacted now
}

// Debt counts. Meanwhile pages change: it is exact in a tier that rests.
func (t *Tier) Debt() (d Debt) {
	for from := 0; from < len(t.pages); from += debtStride {
		t.addDebt(&d, t.pages[from:min(from+debtStride, len(t.pages))])
	}
	return d
}

func (t *Tier) addDebt(d *Debt, pages []page) {
	policy := t.policy.Load()
	t.lock.Lock()
	defer t.lock.Unlock()
	limit := t.aliveUnder(policy)
	for i := range pages {
		p := &pages[i]
		if p.state != pageClosed {
			continue
		}
		d.Garbage += int64(p.used) - p.bytes
		if p.bucket != LowTTL && !p.damaged && p.bytes < limit {
			d.Pages++
		}
	}
}

// A compaction moves what is alive in one page to others.
type compaction struct {
	t                      *Tier
	memory                 []byte
	pieces                 [1][]byte
	rescued, skipped, lost int64
	found                  int64 // records
	refused                bool  // a value was not taken, so the page stays
	err                    error // of the disk; then not all was looked at
}

// page moves what is alive in p, and drops it, unless there is no more room, or something in
// it could not be read. At the last try what the disk cannot read is passed over, up to the
// next record that begins where a block does.
func (c *compaction) page(p *page, dropUnread bool) {
	t := c.t
	if c.memory == nil {
		c.memory = dio.Aligned(blocks(scanBytes) + t.config.BufferSize + dio.BlockSize)
	}
	c.rescued, c.skipped, c.lost, c.found, c.refused, c.err = 0, 0, 0, 0, false, nil
	version := p.version.Load()
	w := walker{page: p.id, version: version, used: p.used}
	for !w.done() {
		from := w.offset &^ (dio.BlockSize - 1)
		n := min(len(c.memory), p.used-from)
		if _, err := p.file.handle.ReadAt(c.memory[:n], p.at+int64(from)); err != nil {
			t.lock.Lock()
			t.counts.ReadErrors++
			t.lock.Unlock()
			if c.err = err; p.tries+1 < compactTries {
				break
			}
			w.offset = from + n
			continue
		}
		if !w.walk(c.memory[:n], from, func(r *Record, ref Ref) bool { return c.record(r, ref, dropUnread) }) {
			break
		}
	}
	c.end(p)
}

// end drops the page, if nothing in it is wanted any more. One that the disk failed to read
// comes again later, a few times. One with values that were not found stays until its room
// is needed: a drop would make them as those that were evicted, where they are lost, and
// their reads are to say so.
func (c *compaction) end(p *page) {
	t := c.t
	t.lock.Lock()
	t.counts.CompactRescues += c.rescued
	t.counts.CompactLost += c.lost
	p.busy = false
	unread := c.err != nil || !c.refused && c.found < p.taken
	given := int64(0)
	switch {
	case p.state != pageClosed:
		t.settle(p)
	case c.err != nil && p.objects > c.skipped && p.tries+1 < compactTries:
		p.tries++
		p.retryAt = t.ticks + retryTicks
	case unread && p.objects > c.skipped:
		p.damaged, given = true, p.objects-c.skipped
	case c.refused && p.objects > 0: // the rest stays until its room is needed
	default:
		t.counts.PageReclaims++
		t.counts.CompactSkipped += c.skipped
		t.drop(p)
	}
	t.lock.Unlock()
	if given > 0 && t.config.Lost != nil {
		err := c.err
		if err == nil {
			err = ErrDamaged
		}
		t.config.Lost(p.file.Name, given, err)
	}
}

// record moves one value, if it is alive. false: the tier closes, or takes none.
func (c *compaction) record(r *Record, ref Ref, dropUnread bool) bool {
	t := c.t
	c.found++
	holds, read := t.config.Owner.Holds(r.Head, r.Key, ref)
	switch {
	case !holds:
		return true
	case dropUnread && !read:
		c.skipped++
		return true
	}
	c.pieces[0] = r.Value
	target, ok := t.AppendWait(Compacted, r.Head, r.Key, c.pieces[:])
	if !ok {
		c.refused = true
		return false
	}
	if t.config.Owner.Moved(r.Head, r.Key, ref, target) {
		c.rescued++
		t.Delete(ref, r.Size)
	} else {
		c.lost++
		t.Delete(target, r.Size)
	}
	return true
}

// AppendWait is Append for who may wait for a buffer.
func (t *Tier) AppendWait(bucket Bucket, head, key []byte, pieces [][]byte) (Ref, bool) {
	for {
		t.lock.Lock()
		before := t.recycled
		t.lock.Unlock()
		if ref, ok := t.Append(bucket, head, key, pieces); ok {
			return ref, true
		}
		t.lock.Lock()
		for before == t.recycled && !t.closed && t.writing() > 0 {
			t.room.Wait()
		}
		again := before != t.recycled && !t.closed
		t.lock.Unlock()
		if !again {
			return Ref{}, false // it is not for want of buffers
		}
	}
}

// writing is how many buffers are on their way to a disk, or wait for who fills or
// reads them.
func (t *Tier) writing() int {
	n := t.buffers
	for _, b := range t.open {
		if b != nil {
			n--
		}
	}
	for b := t.spare; b != nil; b = b.next {
		n--
	}
	return n
}

// A walker finds the records of a page, from the first on.
type walker struct {
	page, version uint32
	used          int // bytes of the page that were written
	offset        int // of what comes next
}

func (w *walker) done() bool { return w.offset >= w.used }

// walk visits the records that lie wholly in b, which begins at the page's byte from,
// and reports whether the visitor wants more. What is no record is passed over, to the
// end of its block: buffers begin where one does.
func (w *walker) walk(b []byte, from int, visit func(*Record, Ref) bool) bool {
	first := w.offset
	for w.offset < w.used && w.offset-from < len(b) {
		at := w.offset - from
		ref := Ref{w.page, w.version, uint32(w.offset)}
		record, err := ParseRecord(b[at:], ref)
		if err == nil {
			w.offset += record.Size
			if !visit(&record, ref) {
				return false
			}
			continue
		}
		n := (recordLen(b[at:]) + recordStep - 1) &^ (recordStep - 1)
		if from+len(b) < w.used && w.offset > first && (len(b)-at < recordHead || n > len(b)-at) {
			return true // it may go on behind b
		}
		if n > 0 && n < len(b)-at {
			next := Ref{w.page, w.version, uint32(w.offset + n)}
			if _, err := ParseRecord(b[at+n:], next); err == nil {
				w.offset += n // only this one is damaged
				continue
			}
		}
		w.offset = (w.offset + dio.BlockSize) &^ (dio.BlockSize - 1)
	}
	return true
}
