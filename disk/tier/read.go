package tier

import (
	"math/bits"
	"sync/atomic"

	"github.com/pandabeardb/panda/disk/dio"
)

const (
	// readsMax reads, of readBytesMax bytes, are on their way at a time; others wait
	// without memory: more in flight makes no disk faster.
	readsMax     = 256
	readBytesMax = 32 << 20
	// keptBytesMax is what stays of memory for reads when nothing is read.
	keptBytesMax = 8 << 20

	leastBits  = 13 // read buffers are 8 KiB, and powers of two above it
	bufferBits = 32 - leastBits
)

// A Read fetches one value. It belongs to the Tier from Tier.Read on until that has
// returned true or Done was called, and may be used again after Release.
type Read struct {
	Ref  Ref
	Size int         // RecordSize of what is there
	Loop int         // 1 + the loop that calls Read; 0, or beyond Config.Loops: workers read
	Done func(*Read) // on a worker, or the loop: short, usually a post to a loop

	Value   []byte // good until Release
	Err     error  // ErrGone, ErrDamaged or ErrClosed, or the disk's; all mean a miss
	Passing bool   // Err is the disk's and may pass: another read of the value is worth it

	tier   *Tier
	source int // see readers.sources
	memory *memory
	lead   int // bytes before the record in the first block
	call   dio.Call
	vector [1][]byte
	next   *Read
}

// memory is a buffer to read into. What was read may stay in it for as long as somebody
// writes it to a socket.
type memory struct {
	bytes []byte
	class int
	id    int
	next  *memory
}

// readers is what the Tier knows of reads, under its lock.
type readers struct {
	all       []*memory           // by id; nil: not made
	ids       []int               // free ones
	kept      [bufferBits]*memory // free ones, by class
	keptBytes int                 // of those
	sources   []source            // of reads that loops begin, by Read.Loop; of all others the first
	waiting   atomic.Int64        // reads, of all sources
	inFlight  int                 // reads
	bytes     int                 // of them
}

// source is where reads come from that are begun together, and wait for that.
type source struct {
	head, tail *Read
	inFlight   int
}

func (s *source) add(r *Read) {
	r.next = nil
	if s.head == nil {
		s.head = r
	} else {
		s.tail.next = r
	}
	s.tail = r
}

func (s *source) take() (r *Read) {
	r = s.head
	s.head, r.next = r.next, nil
	return r
}

// Read fetches r.Ref. true: it is done, and Done is not called: the value had not
// been written yet, or there is none.
func (t *Tier) Read(r *Read) (done bool) {
	r.tier, r.Value, r.Err, r.Passing, r.memory = t, nil, nil, false, nil
	t.lock.Lock()
	switch {
	case t.closed:
		r.Err = ErrClosed
	case !t.Live(r.Ref) || r.Size <= recordHead || int(r.Ref.Offset)+r.Size > t.config.PageSize:
		r.Err = ErrGone
	}
	if r.Err != nil {
		t.lock.Unlock()
		return true
	}
	t.counts.ObjectsRead++
	t.counts.BytesRead += int64(r.Size)
	if b := t.pages[r.Ref.Page].holding(int(r.Ref.Offset)); b != nil {
		t.readMemory(r, b)
		return true
	}
	r.source = t.sourceOf(r)
	from := &t.reader.sources[r.source]
	begins := from.head == nil && t.reader.hasRoom(r.span())
	if begins {
		t.begin(r)
	} else {
		from.add(r)
		t.reader.waiting.Add(1)
	}
	t.lock.Unlock()
	if begins {
		t.submit(r)
	}
	return false
}

// holding is the buffer that has the byte at offset, if it is not on the disk.
func (p *page) holding(offset int) *buffer {
	for b := p.buffers; b != nil; b = b.next {
		if offset >= b.start && offset < b.start+b.used {
			return b
		}
	}
	return nil
}

// readMemory takes the value from a write buffer, and unlocks.
func (t *Tier) readMemory(r *Read, b *buffer) {
	b.reading++
	at := int(r.Ref.Offset) - b.start
	r.lead, r.memory = 0, t.takeMemory(r.Size)
	t.lock.Unlock()
	if at+r.Size <= b.size {
		copy(r.memory.bytes, b.memory[at:at+r.Size])
	}
	r.parse()
	t.lock.Lock()
	b.reading--
	t.recycle(b)
	if r.Err != nil {
		t.failRead(r)
	}
	t.lock.Unlock()
}

// span is how many bytes of the file a read wants: whole blocks.
func (r *Read) span() int {
	lead := int(r.Ref.Offset) & (dio.BlockSize - 1)
	return blocks(lead + r.Size)
}

func (s *readers) hasRoom(n int) bool {
	return s.inFlight == 0 || s.inFlight < readsMax && s.bytes+n <= readBytesMax
}

// sourceOf is a loop's own, if the kernel reads for it: then it begins what waits.
func (t *Tier) sourceOf(r *Read) int {
	if loop := r.Loop - 1; uint(loop) < uint(len(t.loops)) && t.loops[loop].FD() >= 0 {
		return r.Loop
	}
	return 0
}

// Flush begins what a loop has asked for, also before, if there is room for it now. The
// loop calls it before it waits for anything.
func (t *Tier) Flush(loop int) {
	if t.reader.waiting.Load() > 0 {
		for r := t.beginOf(loop + 1); r != nil; {
			next := r.next // it is the queue's, or a worker's, then
			t.submit(r)
			r = next
		}
	}
	t.loops[loop].Flush()
}

// beginOf makes room for the reads of a source that wait, as long as there is some, and
// returns them, one behind the other.
func (t *Tier) beginOf(number int) *Read {
	t.lock.Lock()
	defer t.lock.Unlock()
	s := &t.reader
	from, begun := &s.sources[number], source{}
	for from.head != nil && s.hasRoom(from.head.span()) {
		r := from.take()
		s.waiting.Add(-1)
		t.begin(r)
		begun.add(r)
	}
	return begun.head
}

// beginWaiting has workers do what is nobody's to begin: reads that are no loop's, and one of
// each loop that has none on its way, which would have it call Flush. The lock is held.
func (t *Tier) beginWaiting() {
	s := &t.reader
	if s.waiting.Load() == 0 {
		return
	}
	for number := len(s.sources) - 1; number >= 0; number-- {
		from := &s.sources[number]
		for from.head != nil && s.hasRoom(from.head.span()) && (number == 0 || from.inFlight == 0) {
			r := from.take()
			s.waiting.Add(-1)
			t.begin(r)
			r.Loop = 0 // which may be another one
			t.submit(r)
		}
	}
}

// endSource has workers do what a loop has not begun.
func (t *Tier) endSource(number int) {
	t.lock.Lock()
	for from := &t.reader.sources[number]; from.head != nil; {
		r := from.take()
		r.source = 0
		t.reader.sources[0].add(r)
	}
	t.beginWaiting()
	t.lock.Unlock()
}

// begin makes room for a read, which submit is to follow. The lock is held.
func (t *Tier) begin(r *Read) {
	p, n := &t.pages[r.Ref.Page], r.span()
	r.lead = int(r.Ref.Offset) & (dio.BlockSize - 1)
	r.memory = t.takeMemory(n)
	t.reader.inFlight++
	t.reader.sources[r.source].inFlight++
	t.reader.bytes += n
	r.vector[0] = r.memory.bytes[:n]
	r.call.File, r.call.Kind, r.call.Buffers = p.file.handle, dio.CallRead, r.vector[:]
	r.call.Offset = p.at + int64(r.Ref.Offset) - int64(r.lead)
	if r.call.Done == nil {
		r.call.Done = func(*dio.Call) { r.tier.finish(r) }
	}
}

// submit hands a read to its loop's queue, or to the workers.
func (t *Tier) submit(r *Read) {
	var err error
	if loop := r.Loop - 1; uint(loop) < uint(len(t.loops)) {
		err = t.loops[loop].Submit(&r.call)
	} else {
		err = t.reads.Submit(&r.call)
	}
	if err != nil {
		panic("BUG: tier: the pool took no read: " + err.Error()) // readsMax is below its limit, and Close comes last
	}
}

// finish is called by a worker or a loop when a read has come, or has not.
func (t *Tier) finish(r *Read) {
	if r.Err = r.call.Err; r.Err == nil {
		r.parse()
	}
	t.lock.Lock()
	s := &t.reader
	s.inFlight--
	s.sources[r.source].inFlight--
	s.bytes -= r.span()
	if r.Err != nil {
		t.failRead(r)
	}
	t.beginWaiting()
	if t.closed && s.inFlight == 0 {
		t.room.Broadcast()
	}
	t.lock.Unlock()
	r.Done(r)
}

// failRead says why there is no value. The lock is held.
func (t *Tier) failRead(r *Read) {
	switch {
	case !t.Live(r.Ref):
		r.Err = ErrGone // the page was used again meanwhile
	case r.Err == ErrDamaged:
		t.counts.Damaged++
	default:
		t.counts.ReadErrors++
		r.Passing = t.pages[r.Ref.Page].failed(t.ticks)
	}
	t.giveMemory(r.memory)
	r.memory, r.Value = nil, nil
}

// parse finds the value in what was read.
func (r *Read) parse() {
	record, err := ParseRecord(r.memory.bytes[r.lead:r.lead+r.Size], r.Ref)
	if err != nil || record.Size != r.Size {
		r.Err = ErrDamaged
		return
	}
	r.Value = record.Value
}

// Release gives the value's memory back.
func (r *Read) Release() {
	if r.memory != nil {
		t := r.tier
		t.lock.Lock()
		t.giveMemory(r.memory)
		t.lock.Unlock()
		r.memory, r.Value = nil, nil
	}
}

// Keep lets the value's memory outlive the Read, until Tier.Release is called with the
// token.
func (r *Read) Keep() (token uint64) {
	token = uint64(r.memory.id)
	r.memory, r.Value = nil, nil
	return token
}

// Release gives back what Read.Keep kept. Any goroutine may call it.
func (t *Tier) Release(token uint64) {
	t.lock.Lock()
	t.giveMemory(t.reader.all[token])
	t.lock.Unlock()
}

// takeMemory is a read buffer of at least n bytes.
func (t *Tier) takeMemory(n int) *memory {
	s := &t.reader
	class := max(0, bits.Len(uint(n-1))-leastBits)
	if m := s.kept[class]; m != nil {
		s.kept[class], m.next = m.next, nil
		s.keptBytes -= len(m.bytes)
		return m
	}
	m := &memory{bytes: dio.Aligned(1 << (class + leastBits)), class: class}
	if last := len(s.ids) - 1; last >= 0 {
		m.id, s.ids = s.ids[last], s.ids[:last]
		s.all[m.id] = m
	} else {
		m.id = len(s.all)
		s.all = append(s.all, m)
	}
	return m
}

// giveMemory keeps a read buffer for the next one, or leaves it to the collector.
func (t *Tier) giveMemory(m *memory) {
	s := &t.reader
	if s.keptBytes+len(m.bytes) > keptBytesMax {
		s.all[m.id] = nil
		s.ids = append(s.ids, m.id)
		return
	}
	m.next, s.kept[m.class] = s.kept[m.class], m
	s.keptBytes += len(m.bytes)
}
