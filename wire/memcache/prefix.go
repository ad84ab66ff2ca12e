package memcache

import (
	"bytes"
	"sync"
	"sync/atomic"

	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// What clients can make `stats detail` remember is bounded: 65,536 prefixes of
// together 4 MB, which with their counts take 12 MB at most. memcached has no
// bound.
const (
	prefixesMax     = 1 << 16
	prefixBytesMax  = 4 << 20
	prefixesPerPage = 64 // lines that a dump makes while it holds the lock, 10 us
)

// prefixStats counts commands by what stands before the delimiter in their
// key. All is behind one lock, as in memcached: it is off unless an operator
// looks for something.
type prefixStats struct {
	enabled atomic.Bool
	mu      sync.Mutex
	index   map[string]int32
	counts  []prefixCounts // in the order of their first command
	bytes   int            // of all prefixes
}

type prefixCounts struct {
	prefix                    string
	gets, hits, sets, deletes uint64
}

// with calls f on the counts of key's prefix, if it has one.
func (p *prefixStats) with(delimiter byte, key []byte, f func(*prefixCounts)) {
	if end := bytes.IndexByte(key, 0); end >= 0 {
		key = key[:end]
	}
	n := bytes.IndexByte(key, delimiter)
	if n < 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at, known := p.index[string(key[:n])]
	if !known {
		if len(p.counts) >= prefixesMax || p.bytes+n > prefixBytesMax {
			return
		}
		at = p.add(string(key[:n]))
	}
	f(&p.counts[at])
}

func (p *prefixStats) add(prefix string) (at int32) {
	if p.index == nil {
		p.index = make(map[string]int32)
	}
	at = int32(len(p.counts))
	p.index[prefix] = at
	p.counts = append(p.counts, prefixCounts{prefix: prefix})
	p.bytes += len(prefix)
	return at
}

func (p *prefixStats) get(delimiter byte, key []byte, hit bool) {
	p.with(delimiter, key, func(c *prefixCounts) {
		c.gets++
		if hit {
			c.hits++
		}
	})
}

func (p *prefixStats) set(delimiter byte, key []byte) {
	p.with(delimiter, key, func(c *prefixCounts) { c.sets++ })
}

func (p *prefixStats) delete(delimiter byte, key []byte) {
	p.with(delimiter, key, func(c *prefixCounts) { c.deletes++ })
}

func (p *prefixStats) clear() {
	p.mu.Lock()
	p.index, p.counts, p.bytes = nil, nil, 0
	p.mu.Unlock()
}

// appendPage appends a line for each of the next prefixes, from number at on,
// and returns where to go on. done: there are no more.
func (p *prefixStats) appendPage(dst []byte, at int) (longer []byte, next int, done bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next = min(at+prefixesPerPage, len(p.counts)) // there may be fewer than before: stats reset
	for ; at < next; at++ {
		c := &p.counts[at]
		dst = append(append(dst, "PREFIX "...), c.prefix...)
		dst = ascii.AppendUint(append(dst, " get "...), c.gets)
		dst = ascii.AppendUint(append(dst, " hit "...), c.hits)
		dst = ascii.AppendUint(append(dst, " set "...), c.sets)
		dst = ascii.AppendUint(append(dst, " del "...), c.deletes)
		dst = append(dst, '\r', '\n')
	}
	return dst, next, next == len(p.counts)
}

// dump goes on with `stats detail dump`, which can be interrupted: as long as
// there are more lines, the end of the command's own is left unread.
func (s *session) dump() (n int, p progress) {
	w := s.worker
	for done := false; ; {
		w.out.Buf, s.dumped, done = w.server.prefixes.appendPage(w.out.Buf, s.dumped)
		w.work -= prefixesPerPage
		switch {
		case done:
			s.state = stateLine
			w.say(replyEnd)
			return 1, finished
		case w.out.Full():
			return 0, full
		case w.workDone():
			return 0, spent
		}
	}
}
