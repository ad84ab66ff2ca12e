package keyspace

import (
	"encoding/binary"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pandabeardb/panda/disk/effectlog"
)

// The other way to collect effects: one ring for all loops, in which an atomic
// counter gives out room. docs/decisions/20261130-effect-buffers.md has the figures.

const ringBytes = 64 << 20

// ring is it. A record's place begins with a word that is its size once it is whole.
type ring struct {
	_     [64]byte
	tail  atomic.Uint64 // given out
	_     [64]byte
	head  atomic.Uint64 // taken
	_     [64]byte
	words []atomic.Uint64
	bytes []byte
}

func newRing() *ring {
	return &ring{words: make([]atomic.Uint64, ringBytes/64), bytes: make([]byte, ringBytes)}
}

// append adds a record; places are multiples of 64 bytes, so that each has a word.
func (r *ring) append(scratch []byte, record *effectlog.Record) []byte {
	scratch = effectlog.AppendRecord(scratch[:0], record)
	size := uint64(len(scratch)+63) &^ 63
	at := r.tail.Add(size) - size
	for at+size-r.head.Load() > ringBytes {
		runtime.Gosched()
	}
	from := at % ringBytes
	n := copy(r.bytes[from:min(from+size, ringBytes)], scratch)
	copy(r.bytes, scratch[n:])
	r.words[from/64].Store(uint64(len(scratch)))
	return scratch
}

// take copies what is whole to a stage, and gives the room back.
func (r *ring) take(stage []byte) (n int) {
	head := r.head.Load()
	begin := head
	for {
		word := &r.words[head%ringBytes/64]
		size := word.Load()
		if size == 0 || n+int(size) > len(stage) {
			break
		}
		from := head % ringBytes
		c := copy(stage[n:n+int(size)], r.bytes[from:])
		copy(stage[n+c:n+int(size)], r.bytes)
		n += int(size)
		word.Store(0)
		head += (size + 63) &^ 63
	}
	if head != begin {
		r.head.Store(head)
	}
	return n
}

func benchRecord(i int, key, value []byte) effectlog.Record {
	binary.LittleEndian.PutUint64(key, uint64(i))
	return effectlog.Record{Kind: effectlog.KindSet, Stamp: uint64(i) << slotBits, Bits: 1, Key: key, Value: value}
}

// takenTogether is what the writer takes at once, at least.
const takenTogether = 256 << 10

// benchmarkAppend has loops append, and a writer take every so often.
func benchmarkAppend(b *testing.B, loops int, add func(loop int, r *effectlog.Record), waits func() int64, take func()) {
	stop, done := make(chan struct{}), make(chan struct{})
	rest := time.NewTicker(50 * time.Microsecond) // as a write to a disk takes
	defer rest.Stop()
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				if waits() >= takenTogether {
					take()
				}
				<-rest.C
			}
		}
	}()
	b.ReportAllocs()
	b.ResetTimer()
	var all sync.WaitGroup
	for loop := range loops {
		all.Go(func() {
			key, value, r := make([]byte, 16), make([]byte, 64), new(effectlog.Record)
			for i := range b.N {
				*r = benchRecord(i, key, value)
				add(loop, r)
			}
		})
	}
	all.Wait()
	b.StopTimer()
	close(stop)
	<-done
}

func BenchmarkAppendRing(b *testing.B) {
	for _, loops := range []int{1, 2} {
		b.Run(string(rune('0'+loops)), func(b *testing.B) {
			r, stage := newRing(), make([]byte, 4<<20)
			scratch := make([][]byte, loops)
			benchmarkAppend(b, loops, func(loop int, record *effectlog.Record) {
				scratch[loop] = r.append(scratch[loop], record)
			}, func() int64 { return int64(r.tail.Load() - r.head.Load()) }, func() { r.take(stage) })
		})
	}
}

func BenchmarkAppendBuffers(b *testing.B) {
	for _, loops := range []int{1, 2} {
		b.Run(string(rune('0'+loops)), func(b *testing.B) {
			k := &Keyspace{}
			k.makeBuffers(loops)
			k.epoch.Store(1)
			stage := make([]byte, 4<<20)
			benchmarkAppend(b, loops, func(loop int, record *effectlog.Record) {
				l := &k.buffers[loop]
				for l.appended-l.written.Load() > loopBytesDefault {
					runtime.Gosched()
				}
				l.mu.Lock()
				l.appended += int64(l.halves[k.epoch.Load()&1].appendPlain(&k.blocks, record))
				l.mu.Unlock()
			}, func() (n int64) {
				for i := range k.buffers {
					n += k.buffers[i].pending()
				}
				return n
			}, func() {
				epoch := effectlog.Epoch(k.epoch.Add(1) - 1)
				for i := range k.buffers {
					h := k.buffers[i].take(epoch)
					for _, b := range h.blocks {
						copy(stage, b.bytes)
					}
					k.buffers[i].written.Add(h.bytes())
					h.clear(&k.blocks, nil)
				}
			})
		})
	}
}
