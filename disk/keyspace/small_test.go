package keyspace

import "testing"

// What waits for the log pins large values: of a small store it is a small part.
func TestWaitingIsASmallPartOfASmallStore(t *testing.T) {
	for _, c := range []struct {
		limit int64
		loops int
		want  int64
	}{
		{64 << 20, 2, 2 << 20}, {1 << 20, 2, 32 << 10}, {1 << 40, 2, loopBytesDefault}, {1 << 40, 0, loopBytesDefault},
	} {
		if n := loopBytes(c.limit, c.loops); n != c.want {
			t.Errorf("%d bytes, %d loops: %d wait, want %d", c.limit, c.loops, n, c.want)
		}
	}
}
