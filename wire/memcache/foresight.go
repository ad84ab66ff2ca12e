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
	lines [foresightMax]foreseenLine
	count int
	next  int // the first that no request has asked for

	met slab.Key // a key that was not foreseen
}

// foreseenLine is the line that a key stands in.
type foreseenLine struct {
	at  int // capacity of the input from its first byte on: that tells where it is
	len int // with its \n; 0: the key is not the first of a line
}

const (
	foresightMax   = 16   // cache lines in flight: a core has 10 to 20 line fill buffers
	foresightBytes = 4096 // looked at for that: 32 sets of 100 bytes
	foresightLine  = 512  // of these without a newline: it is the middle of a large value
	commandNameMax = 7    // "prepend" and "replace" are the longest that are followed by a key
)

// foreseeLines looks at the lines that in begins with. It returns how many bytes
// it has looked at.
func (w *worker) foreseeLines(in []byte) (seen int) {
	f := &w.ahead
	f.count, f.next = 0, 0
	in = in[:min(len(in), foresightBytes)]
	for f.count < foresightMax && seen < len(in) {
		end := bytes.IndexByte(in[seen:min(len(in), seen+foresightLine)], '\n')
		if end < 0 {
			break
		}
		line := in[seen : seen+end]
		seen += end + 1
		name := bytes.IndexByte(line[:min(len(line), commandNameMax+1)], ' ')
		if name > 0 {
			f.lines[f.count] = foreseenLine{cap(line), end + 1}
			rest := line[name+1:]
			if line[0] == 'g' && line[1] == 'a' { // gat, gats: an expiry comes first
				rest = rest[bytes.IndexByte(rest, ' ')+1:]
			}
			rest = w.foreseeKey(rest)
			if line[0] == 'g' && len(rest) > 0 {
				w.foreseeMore(rest)
			}
		}
	}
	if f.count > 1 {
		w.handle.Foresee(f.keys[:f.count])
	}
	return max(seen, 1)
}

// expects reports whether key is the next that was foreseen.
func (f *foresight) expects(key []byte) bool {
	return f.next < f.count && &f.keys[f.next].Bytes[0] == &key[0]
}

// foreseeList looks at the next keys of a get with several.
func (w *worker) foreseeList(list []byte) {
	f := &w.ahead
	f.count, f.next = 0, 0
	w.foreseeMore(list)
	w.handle.Foresee(f.keys[:f.count])
}

// foreseeMore notes the keys of a list.
func (w *worker) foreseeMore(list []byte) {
	f := &w.ahead
	for f.count < foresightMax && len(list) > 0 {
		f.lines[f.count].len = 0
		list = w.foreseeKey(list)
	}
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

// key is a request's key with its hash, which foresight may have. It is good
// until the next call.
func (w *worker) key(b []byte) *slab.Key {
	f := &w.ahead
	for i := f.next; i < f.count; i++ {
		if k := &f.keys[i]; len(k.Bytes) == len(b) && &k.Bytes[0] == &b[0] {
			f.next = i + 1
			w.sampled(k)
			return k
		}
	}
	f.met = w.handle.Key(0, b)
	w.sampled(&f.met)
	return &f.met
}

// line cuts the first line off in, whose end foresight may have.
func (w *worker) line(in []byte) (line []byte, n int) {
	f := &w.ahead
	if f.next >= f.count || f.lines[f.next].at != cap(in) || f.lines[f.next].len == 0 {
		return ascii.Line(in)
	}
	n = f.lines[f.next].len
	end := n - 1
	if end > 0 && in[end-1] == '\r' {
		end--
	}
	return in[:end], n
}
