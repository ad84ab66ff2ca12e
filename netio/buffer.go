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
	bufferKeepMax  = 256 << 10 // bytes of one class that a loop keeps for the next connection
	outsKeepMax    = 16        // Outs likewise
	outKeepBufMax  = 64 << 10  // and the size of Buf with which an Out is kept
)

// bufferPool is the buffers of one loop that no connection uses now.
type bufferPool struct {
	free [bufferClasses][][]byte
}

func bufferClass(size int) int {
	return max(bits.Len(uint(size-1)), bufferShiftMin) - bufferShiftMin
}

// get returns a buffer of at least size bytes, its whole length usable.
func (p *bufferPool) get(size int) []byte {
	k := bufferClass(size)
	if n := len(p.free[k]); n > 0 {
		b := p.free[k][n-1]
		p.free[k][n-1] = nil
		p.free[k] = p.free[k][:n-1]
		return b
	}
	return make([]byte, 1<<(k+bufferShiftMin))
}

// put takes a buffer back.
func (p *bufferPool) put(b []byte) {
	k := bufferClass(len(b))
	if (len(p.free[k])+1)*len(b) <= bufferKeepMax {
		p.free[k] = append(p.free[k], b)
	}
}

// outPool is the Outs of one loop that no connection uses now.
type outPool struct {
	free []*wire.Out
}

func (p *outPool) get(limit int) *wire.Out {
	n := len(p.free)
	if n == 0 {
		return &wire.Out{Cap: limit}
	}
	o := p.free[n-1]
	p.free[n-1] = nil
	p.free = p.free[:n-1]
	o.Cap = limit
	return o
}

// put takes an empty Out back.
func (p *outPool) put(o *wire.Out) {
	if len(p.free) < outsKeepMax && cap(o.Buf) <= outKeepBufMax {
		p.free = append(p.free, o)
	}
}
