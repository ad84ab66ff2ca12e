package tier

import (
	"github.com/pandabeardb/panda/disk/dio"
)

// A buffer is a stretch of a page that is not on the disk yet. Values are copied
// into it outside the lock: it is written when it is closed and nobody copies.
type buffer struct {
	memory  []byte // from the page's byte start on
	page    *page
	bucket  Bucket
	version uint32 // of the page when it was opened
	start   int
	size    int // of memory, what the page has room for
	used    int
	copying int // values that are being copied into it
	reading int // reads from it
	closed  bool
	written bool // or failed: of no use any more
	call    dio.Call
	vector  [1][]byte
	next    *buffer // of the page's, or of the spare ones
}

// Append takes a value for a bucket's page: pieces, one behind the other. It never
// waits. false: all buffers wait for the disk, no file takes values, or it is longer
// than Config.BufferSize.
func (t *Tier) Append(bucket Bucket, head, key []byte, pieces [][]byte) (Ref, bool) {
	valueLen := 0
	for _, p := range pieces {
		valueLen += len(p)
	}
	size := RecordSize(len(head), len(key), valueLen)
	if size > t.config.BufferSize || len(key) > keyLenMax || len(head) > keyLenMax || len(key) == 0 {
		return Ref{}, false
	}
	t.lock.Lock()
	b := t.bufferFor(bucket, size)
	if b == nil {
		t.counts.AppendsRefused++
		t.lock.Unlock()
		return Ref{}, false
	}
	at := b.place(size)
	clear(b.memory[b.used:at])
	b.used = at + size
	b.copying++
	b.page.bytes += int64(size)
	b.page.objects++
	b.page.taken++
	t.counts.BytesUsed += int64(size)
	t.counts.ObjectsUsed++
	t.counts.ObjectsWritten++
	t.counts.BytesWritten += int64(size)
	ref := Ref{b.page.id, b.version, uint32(b.start + at)}
	t.lock.Unlock()

	putRecord(b.memory[at:at+size], ref, head, key, pieces)

	t.lock.Lock()
	b.copying--
	t.writeIfReady(b)
	t.lock.Unlock()
	return ref, true
}

// gapPart: a record of so many bytes may leave one of them unused in front.
const gapPart = 16

// place is where a record goes: behind the others, or at the next block, if it then is in
// one block less, which a read of it saves, and the gap is small.
func (b *buffer) place(size int) int {
	next := blocks(b.used)
	gap := next - b.used
	saves := blocks(dio.BlockSize-gap+size) > blocks(size)
	if gap == 0 || !saves || gap*gapPart > size || next+size > b.size {
		return b.used
	}
	return next
}

// bufferFor is the bucket's open buffer, or a new one, with room for size bytes; nil:
// there is none.
func (t *Tier) bufferFor(bucket Bucket, size int) *buffer {
	if t.closed {
		return nil
	}
	if b := t.open[bucket]; b != nil {
		if b.used+size <= b.size {
			return b
		}
		t.closeBuffer(b)
	}
	p := t.current[bucket]
	if p != nil && t.config.PageSize-p.used < size {
		t.closePage(p)
		p = nil
	}
	if t.spare == nil && t.buffers == t.buffersMax() {
		return nil
	}
	if p == nil {
		if p = t.takePage(bucket); p == nil {
			return nil
		}
		t.current[bucket] = p
	}
	b := t.takeBuffer()
	b.page, b.bucket, b.version, b.start = p, bucket, p.version.Load(), p.used
	b.size = min(t.config.BufferSize, t.config.PageSize-p.used)
	b.used, b.closed, b.written = 0, false, false
	b.next, p.buffers = p.buffers, b
	t.open[bucket] = b
	return b
}

func (t *Tier) takeBuffer() *buffer {
	if b := t.spare; b != nil {
		t.spare, b.next = b.next, nil
		return b
	}
	t.buffers++
	b := &buffer{memory: dio.Aligned(t.config.BufferSize)}
	b.call.Done = func(*dio.Call) { t.wrote(b) }
	return b
}

// closeBuffer ends the filling of an open buffer.
func (t *Tier) closeBuffer(b *buffer) {
	t.open[b.bucket] = nil
	b.closed = true
	b.page.used = b.start + blocks(b.used)
	t.writeIfReady(b)
}

// blocks is n rounded up to whole blocks.
func blocks(n int) int { return (n + dio.BlockSize - 1) &^ (dio.BlockSize - 1) }

// writeIfReady hands a closed buffer, into which nobody copies, to the disk.
func (t *Tier) writeIfReady(b *buffer) {
	if !b.closed || b.copying > 0 {
		return
	}
	clear(b.memory[b.used:blocks(b.used)])
	b.vector[0] = b.memory[:blocks(b.used)]
	b.call.File, b.call.Kind, b.call.Buffers = b.page.file.handle, dio.CallWrite, b.vector[:]
	b.call.Offset = b.page.at + int64(b.start)
	if b.page.version.Load() == b.version {
		if t.writes.Submit(&b.call) == nil {
			return
		}
	}
	t.end(b) // nobody wants it
}

// wrote is called by a worker when a buffer is on the disk, or is not.
func (t *Tier) wrote(b *buffer) {
	t.lock.Lock()
	file, err, first := b.page.file, b.call.Err, false
	if err != nil {
		t.counts.WriteErrors++
		if b.page.version.Load() == b.version || !file.failed {
			first = t.fail(b.page)
		}
	}
	fresh := b.bucket != Compacted // else compaction would drive itself
	t.end(b)
	t.lock.Unlock()
	if first && t.config.Fault != nil {
		t.config.Fault(file.Name, err)
	}
	if fresh {
		t.nudge()
	}
}

// end takes a buffer that has been written from its page.
func (t *Tier) end(b *buffer) {
	p := b.page
	for at := &p.buffers; *at != nil; at = &(*at).next {
		if *at == b {
			*at = b.next
			break
		}
	}
	b.next, b.written = nil, true
	t.settle(p)
	t.recycle(b)
}

// recycle makes a buffer free that was written and that nobody reads.
func (t *Tier) recycle(b *buffer) {
	if b.written && b.reading == 0 {
		b.page = nil
		b.next, t.spare = t.spare, b
		t.recycled++
		t.room.Broadcast()
	}
}
