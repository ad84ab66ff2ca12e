package netio_test

import (
	"sync/atomic"
	"testing"

	"github.com/pandabeardb/panda/netio/netiotest"
)

// newBarred is a loop of toys whose replies can wait.
func newBarred(t testing.TB, perTurn int, o netiotest.Options) (*netiotest.Loop, *ledger) {
	o.Barrier = new(atomic.Uint64)
	l, ledger := newToys(t, perTurn, o)
	t.Cleanup(func() {
		if n := l.Core.Counts.Barred.Load(); n != 0 {
			t.Errorf("%d are barred in the end", n)
		}
	})
	return l, ledger
}

func wantBarred(t *testing.T, l *netiotest.Loop, want int) {
	t.Helper()
	wantInt(t, "barred", int(l.Core.Counts.Barred.Load()), want)
}

func TestReplyWaitsForTheBarrier(t *testing.T) {
	l, _ := newBarred(t, 0, netiotest.Options{})
	c, other := l.Dial(), l.Dial()
	wantString(t, "early", c.Request("echo a\nafter 5\necho b\n"), "")
	wantBarred(t, l, 1)
	wantInt(t, "reads", c.Reads(), 1)
	wantString(t, "more input", c.Request("echo c\n"), "")
	wantInt(t, "reads", c.Reads(), 1)
	wantString(t, "another connection", other.Request("echo o\n"), "o\n")
	l.Pass(4)
	wantString(t, "at 4", c.Recv(), "")
	l.Pass(5)
	wantString(t, "at 5", c.Recv(), "a\nafter 5\nb\nc\n")
	wantBarred(t, l, 0)
	wantInt(t, "writes", c.Writes(), 2)
	wantString(t, "of a number that was passed", c.Request("after 3\nafter 5\n"), "after 3\nafter 5\n")
	wantString(t, "the next", c.Request("after 6\n"), "")
	l.Pass(100)
	wantString(t, "at 100", c.Recv(), "after 6\n")
}

// TestBarrierWithoutOutput: a session that can take no byte until the log has
// taken what is there is fed the same bytes again.
func TestBarrierWithoutOutput(t *testing.T) {
	l, _ := newBarred(t, 0, netiotest.Options{})
	c := l.Dial()
	wantString(t, "early", c.Request("wait 2\necho a\nwait 3\nafter 4\n"), "")
	l.Pass(2)
	wantString(t, "at 2", c.Recv(), "")
	wantBarred(t, l, 1)
	l.Pass(3)
	wantString(t, "at 3", c.Recv(), "a\n")
	l.Pass(4)
	wantString(t, "at 4", c.Recv(), "after 4\n")
	wantInt(t, "commands", c.Session().(*toy).ran, 4)
}
