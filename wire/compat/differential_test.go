package compat

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// sequences is how many the test runs, unless PANDA_COMPAT_SEQUENCES says
// otherwise; the first seed is 1, or PANDA_COMPAT_SEED.
const sequences = 1000

func TestDifferential1618(t *testing.T) { differential(t, v1618) }

// TestDifferential1645 needs an original that no package brings: it is for
// running by hand.
func TestDifferential1645(t *testing.T) { differential(t, v1645) }

// differential sends seeded random scripts to the original and to us. Where
// their replies differ, it prints the seed and the shortest script found that
// still makes them differ.
func differential(t *testing.T, v version) {
	original := oracle(t, v)
	ours := subject(t, v)
	count := number(t, "PANDA_COMPAT_SEQUENCES", sequences)
	first := number(t, "PANDA_COMPAT_SEED", 1)
	d := &duel{
		// Its background threads hold references to items for moments, in which
		// incr takes another path: without them, it answers the same every time.
		left:  start(t, original, "-m", "256", "-o", "no_lru_maintainer,no_lru_crawler"),
		right: start(t, ours, "-m", "256"),
	}
	const failuresMax = 10 // more tell nothing new
	failures := 0
	for seed := first; seed < first+count && failures < failuresMax; seed++ {
		s := generate(seed)
		if d.agree(t, s) {
			continue
		}
		failures++
		t.Errorf("seed %d (PANDA_COMPAT_SEED=%d PANDA_COMPAT_SEQUENCES=1):\n%s", seed, seed, d.report(t, d.shrink(t, s)))
	}
}

func number(t *testing.T, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// A duel holds two servers against each other.
type duel struct {
	left, right *server
	round       int // makes the prefix of keys, so that no sequence sees another's
}

// agree runs a script on both and reports whether the replies are the same.
func (d *duel) agree(t *testing.T, s script) bool {
	t.Helper()
	left, right := d.run(t, s)
	return slices.EqualFunc(left, right, same)
}

// run runs a script on both and returns the masked replies to each burst.
func (d *duel) run(t *testing.T, s script) (left, right []string) {
	t.Helper()
	d.round++
	prefix := fmt.Sprintf("%d.", d.round)
	var wait sync.WaitGroup
	wait.Go(func() { left = play(t, d.left, s, prefix) })
	right = play(t, d.right, s, prefix)
	wait.Wait()
	return left, right
}

// play runs a script on one server.
func play(t *testing.T, s *server, script script, prefix string) (replies []string) {
	var m masker
	converse(t, s, []byte("flush_all\r\nverbosity 0\r\nstats detail off\r\n"), 0)
	for _, b := range script {
		reply := converse(t, s, b.bytes(prefix, m.tokens), b.cuts)
		replies = append(replies, strings.ReplaceAll(m.mask(reply), prefix, "_"))
	}
	return replies
}

// converse sends text on a connection of its own, cut into writes, says that
// no more will come, and reads all that the server says to it.
func converse(t *testing.T, s *server, text []byte, cuts uint64) []byte {
	t.Helper()
	c, err := net.Dial(s.network, s.address)
	if err != nil {
		t.Errorf("%v; the server said:\n%s", err, s.output)
		return nil
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(replyLimit))
	var wait sync.WaitGroup
	wait.Go(func() { // ends with the connection, at the latest by its deadline
		write(c, text, cuts)
		c.(*net.TCPConn).CloseWrite()
	})
	reply, err := io.ReadAll(c)
	if err != nil && strings.Contains(err.Error(), "timeout") {
		reply = append(reply, "(the connection was not closed after the client's end)"...)
	}
	c.Close()
	wait.Wait()
	return reply
}

// write writes text, at once or in pieces with moments between them.
func write(c net.Conn, text []byte, cuts uint64) {
	if cuts == 0 {
		c.Write(text)
		return
	}
	r := rand.New(rand.NewPCG(cuts, 2))
	pieceMax := 1 + r.IntN(60)
	for pieces := 0; len(text) > 0 && pieces < 40; pieces++ {
		n := min(1+r.IntN(pieceMax), len(text))
		if _, err := c.Write(text[:n]); err != nil {
			return
		}
		text = text[n:]
		if r.IntN(4) == 0 {
			<-time.After(time.Duration(r.IntN(200)) * time.Microsecond)
		} else {
			runtime.Gosched()
		}
	}
	c.Write(text)
}

// shrink drops from a script what it can do without and still differ.
func (d *duel) shrink(t *testing.T, s script) script {
	t.Helper()
	again := func(s script) bool { return !d.agree(t, s) }
	if !again(s) && !again(s) {
		return s // not a matter of the script alone
	}
	for changed := true; changed; {
		changed = false
		for i := len(s) - 1; i >= 0; i-- {
			if shorter := slices.Delete(slices.Clone(s), i, i+1); again(shorter) {
				s, changed = shorter, true
			}
		}
		for i := range s {
			for j := len(s[i].commands) - 1; j >= 0; j-- {
				shorter := slices.Clone(s)
				shorter[i].commands = slices.Delete(slices.Clone(s[i].commands), j, j+1)
				if again(shorter) {
					s, changed = shorter, true
				}
			}
			if whole := slices.Clone(s); s[i].cuts != 0 {
				whole[i].cuts = 0
				if again(whole) {
					s, changed = whole, true
				}
			}
		}
	}
	return s
}

// report prints a script and both servers' replies.
func (d *duel) report(t *testing.T, s script) string {
	t.Helper()
	left, right := d.run(t, s)
	var out strings.Builder
	if slices.EqualFunc(left, right, same) {
		out.WriteString("(the last run of it did not differ)\n")
	}
	for i, b := range s {
		fmt.Fprintf(&out, "connection %d, cuts %d\n", i+1, b.cuts)
		for _, command := range b.commands {
			out.WriteString(escapeLines("  > ", string(burst{commands: []string{command}}.bytes("_", []string{"(cas)"}))))
		}
		if same(left[i], right[i]) {
			out.WriteString(escapeLines("  < ", clip(left[i])))
			continue
		}
		out.WriteString(escapeLines("  original < ", clip(left[i])))
		out.WriteString(escapeLines("  ours     < ", clip(right[i])))
	}
	return out.String()
}

// clip shortens what nobody reads to its end.
func clip(text string) string {
	const most = 2000
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
