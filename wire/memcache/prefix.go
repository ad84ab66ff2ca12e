package memcache

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// prefixesMax bounds what clients can make `stats detail` remember: 65,536
// prefixes take about 8 MB. memcached has no bound.
const prefixesMax = 1 << 16

// prefixStats counts commands by what stands before the delimiter in their
// key. It is one map behind one lock, as in memcached: it is off unless an
// operator looks for something.
type prefixStats struct {
	enabled atomic.Bool
	mu      sync.Mutex
	counts  map[string]*prefixCounts
}

type prefixCounts struct{ gets, hits, sets, deletes uint64 }

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
	c := p.counts[string(key[:n])]
	if c == nil {
		if len(p.counts) >= prefixesMax {
			return
		}
		if p.counts == nil {
			p.counts = make(map[string]*prefixCounts)
		}
		c = new(prefixCounts)
		p.counts[string(key[:n])] = c
	}
	f(c)
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
	p.counts = nil
	p.mu.Unlock()
}

// appendDump appends a line for each prefix, in their order (memcached's is
// that of its hash table).
func (p *prefixStats) appendDump(dst []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	prefixes := make([]string, 0, len(p.counts))
	for prefix := range p.counts {
		prefixes = append(prefixes, prefix)
	}
	slices.Sort(prefixes)
	for _, prefix := range prefixes {
		c := p.counts[prefix]
		dst = append(append(dst, "PREFIX "...), prefix...)
		dst = ascii.AppendUint(append(dst, " get "...), c.gets)
		dst = ascii.AppendUint(append(dst, " hit "...), c.hits)
		dst = ascii.AppendUint(append(dst, " set "...), c.sets)
		dst = ascii.AppendUint(append(dst, " del "...), c.deletes)
		dst = append(dst, '\r', '\n')
	}
	return append(dst, replyEnd...)
}
