package memcache

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire"
)

// TestForesight: all keys of a pipeline are foreseen, however many its lines
// have.
func TestForesight(t *testing.T) {
	r := newRig(t, Config{})
	w := r.server.workers[0]
	for _, name := range []string{"get", "gets", "gat 100", "gats 0"} {
		for _, keys := range []int{1, 2, 4, 16, 100} {
			for _, depth := range []int{2, 4, 8, 32} {
				var in strings.Builder
				for line := range depth {
					in.WriteString(name)
					for key := range keys {
						fmt.Fprintf(&in, " key-%d-%d", line, key)
					}
					in.WriteString("\r\n")
				}
				w.ahead.met = slab.Key{}
				feedAll(t, r.server.Open(0, wire.Peer{}), []byte(in.String()), &wire.Out{NowMS: startMS})
				if met := w.ahead.met.Bytes; met != nil {
					t.Errorf("%d times %s of %d keys: %s was met unforeseen", depth, name, keys, met)
				}
			}
		}
	}
}
