package memcache

import (
	"bytes"

	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// foresight is the keys of the requests that come next. Their memory is asked
// for all at once, before the first is run: most of what a pipelined request
// costs is waiting for two cache lines, its bucket's and its item's.
//
// It is only ever a hint. A wrong guess (a line of a value taken for a command)
// prefetches in vain; a key that was not foreseen is hashed when it is met.
type foresight struct {
	keys  [foresightMax]slab.Key
	count int
	next  int // the first that no request has asked for
}

const (
	foresightMax   = 16   // cache lines in flight: a core has 10 to 20 line fill buffers
	foresightBytes = 4096 // looked at for that: 32 sets of 100 bytes
	commandNameMax = 7    // "prepend" and "replace" are the longest that are followed by a key
)

// foresee looks at the lines that in begins with. It returns how many bytes
// it has looked at.
func (w *worker) foresee(in []byte) (seen int) {
	f := &w.ahead
	f.count, f.next = 0, 0
	in = in[:min(len(in), foresightBytes)]
	for f.count < foresightMax && seen < len(in) {
		end := bytes.IndexByte(in[seen:], '\n')
		if end < 0 {
			break
		}
		line := in[seen : seen+end]
		seen += end + 1
		name := bytes.IndexByte(line[:min(len(line), commandNameMax+1)], ' ')
		if name > 0 {
			w.foreseeKey(line[name+1:])
		}
	}
	if f.count > 1 {
		w.handle.Foresee(f.keys[:f.count])
	}
	return max(seen, 1)
}

// foreseeList looks at the next keys of a get with several.
func (w *worker) foreseeList(list []byte) {
	f := &w.ahead
	f.count, f.next = 0, 0
	for f.count < foresightMax && len(list) > 0 {
		list = w.foreseeKey(list)
	}
	w.handle.Foresee(f.keys[:f.count])
}

// foreseeKey notes the key that text begins with, and returns what follows.
func (w *worker) foreseeKey(text []byte) (rest []byte) {
	key, rest := text, []byte(nil)
	if end := bytes.IndexByte(text, ' '); end >= 0 {
		key, rest = text[:end], text[end+1:]
	} else if n := len(text); n > 0 && text[n-1] == '\r' {
		key = text[:n-1]
	}
	if n := len(key); n > 0 && n <= ascii.MaxKey {
		w.ahead.keys[w.ahead.count] = w.handle.Key(0, key)
		w.ahead.count++
	}
	return rest
}

// key is a request's key with its hash, which foresight may have.
func (w *worker) key(b []byte) slab.Key {
	f := &w.ahead
	for i := f.next; i < f.count; i++ {
		if k := &f.keys[i]; len(k.Bytes) == len(b) && &k.Bytes[0] == &b[0] {
			f.next = i + 1
			return *k
		}
	}
	return w.handle.Key(0, b)
}
