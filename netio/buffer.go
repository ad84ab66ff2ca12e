package netio

import (
	"math/bits"

	"github.com/pandabeardb/panda/wire"
)

// Buffers of connections come in powers of two from 512 bytes (a connection in
// the middle of a command line keeps one for as long) to twice restMax.
const (
	bufferShiftMin = 9
	bufferShiftMax = 21
	bufferClasses  = bufferShiftMax - bufferShiftMin + 1
	poolBytesMax   = 2 << 20  // what a loop keeps for the next: a hundred connections that yield in one batch
	outsKeepMax    = 1 << 10  // Outs of poolBytesMax in all
	outKeepBufMax  = 64 << 10 // a larger Buf is not kept
	poolTrimShift  = 6        // a tick frees a 64th of what is kept, so that a rush is forgotten in seconds
)

// bufferPool is the buffers of one loop that no connection uses now.
type bufferPool struct {
	free  [bufferClasses][][]byte
	bytes int
}

func bufferClass(size int) int {
	return max(bits.Len(uint(size-1)), bufferShiftMin) - bufferShiftMin
}

// get returns a buffer of at least size bytes, its whole length usable.
func (p *bufferPool) get(size int) []byte {
	k := bufferClass(size)
	if len(p.free[k]) == 0 {
		return make([]byte, 1<<(k+bufferShiftMin))
	}
	return p.take(k)
}

func (p *bufferPool) take(k int) []byte {
	last := len(p.free[k]) - 1
	b := p.free[k][last]
	p.free[k][last] = nil
	p.free[k] = p.free[k][:last]
	p.bytes -= len(b)
	return b
}

// put takes a buffer back.
func (p *bufferPool) put(b []byte) {
	if p.bytes+len(b) > poolBytesMax {
		return
	}
	k := bufferClass(len(b))
	p.free[k] = append(p.free[k], b)
	p.bytes += len(b)
}

// trim gives a little back to the collector.
func (p *bufferPool) trim() {
	for k := range p.free {
		for range (len(p.free[k]) + 1<<poolTrimShift - 1) >> poolTrimShift {
			p.take(k)
		}
	}
}

// outPool is the Outs of one loop that no connection uses now.
type outPool struct {
	free  []*wire.Out
	bytes int // behind their Bufs
}

// get returns an empty Out with a cap.
func (p *outPool) get(limit int) *wire.Out {
	if len(p.free) == 0 {
		return &wire.Out{Cap: limit}
	}
	o := p.take()
	o.Cap = limit
	return o
}

func (p *outPool) take() *wire.Out {
	last := len(p.free) - 1
	o := p.free[last]
	p.free[last] = nil
	p.free = p.free[:last]
	p.bytes -= cap(o.Buf)
	return o
}

// put takes an empty Out back.
func (p *outPool) put(o *wire.Out) {
	size := cap(o.Buf)
	if len(p.free) < outsKeepMax && size <= outKeepBufMax && p.bytes+size <= poolBytesMax {
		p.free = append(p.free, o)
		p.bytes += size
	}
}

// trim gives a little back to the collector.
func (p *outPool) trim() {
	for range (len(p.free) + 1<<poolTrimShift - 1) >> poolTrimShift {
		p.take()
	}
}
