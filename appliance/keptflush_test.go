package appliance

import (
	"path/filepath"
	"testing"
)

// TestFlushIsInTheSnapshot: snapshots have a flush_all that is yet to come, too, and the
// last one has a flush_all behind which nothing was stored.
func TestFlushIsInTheSnapshot(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	start := func() *Node { return startKept(t, folder, silent, "persist.mode", "snapshot") }
	n := start()
	if got := answers(t, n, "set a 0 0 1\r\nx\r\nflush_all 2\r\n"); got != "STORED\r\nOK\r\n" {
		t.Fatal(got)
	}
	stop(t, n)
	n = start()
	until(t, "the flush", func() bool { return answers(t, n, "get a\r\n") == "END\r\n" })
	until(t, "its second to be over", func() bool {
		return answers(t, n, "set b 0 0 1\r\nx\r\nget b\r\n") == "STORED\r\nVALUE b 0 1\r\nx\r\nEND\r\n"
	})
	stop(t, n)
	n = start()
	if got := answers(t, n, "get b\r\nflush_all\r\n"); got != "VALUE b 0 1\r\nx\r\nEND\r\nOK\r\n" {
		t.Errorf("%q", got)
	}
	stop(t, n)
	n = start()
	if got := answers(t, n, "get b\r\n"); got != "END\r\n" {
		t.Errorf("%q", got)
	}
	stop(t, n)
}
