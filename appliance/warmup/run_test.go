package warmup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A script is a peer that answers each line with what the test says.
type script struct {
	mu      sync.Mutex
	answers map[string][]string // by the line or its first word: what it is answered, one after the other, the last for ever
	heard   []string
}

// serve answers until the connection ends. Bodies of ms are skipped.
func (s *script) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSuffix(line, "\r\n")
		words := strings.Fields(line)
		if words[0] == "ms" {
			var size int
			fmt.Sscan(words[2], &size)
			body := make([]byte, size+2)
			if _, err := io.ReadFull(r, body); err != nil {
				return
			}
			line += " " + string(body[:size])
		}
		answer := s.answer(line, words)
		io.WriteString(c, strings.ReplaceAll(answer, "CUT", ""))
		if strings.HasSuffix(answer, "CUT") {
			return
		}
	}
}

// answer finds what is said to a line. $O is the request's number.
func (s *script) answer(line string, words []string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if words[0] != "mn" && words[0] != "stats" {
		s.heard = append(s.heard, line)
	}
	for _, name := range []string{strings.Join(words[:min(2, len(words))], " "), words[0]} {
		if said := s.answers[name]; len(said) > 0 {
			if len(said) > 1 {
				s.answers[name] = said[1:]
			}
			return strings.ReplaceAll(said[0], "$O", words[len(words)-1])
		}
	}
	if words[0] == "mn" {
		return "MN\r\n"
	}
	return ""
}

// hear returns the lines that begin so.
func (s *script) hear(prefix string) (lines []string) {
	for _, line := range s.heard {
		if strings.HasPrefix(line, prefix) {
			lines = append(lines, line)
		}
	}
	return lines
}

// imports runs an import between two scripts, without a network and in no time.
func imports(t *testing.T, source, target *script, c Config) (*Progress, []string, error) {
	t.Helper()
	c.Source, c.Target, c.Connections, c.SpoolDir = "source", "target", max(c.Connections, 1), t.TempDir()
	var p Progress
	var notes []string
	var err error
	synctest.Test(t, func(t *testing.T) {
		c.Note = func(text string) { notes = append(notes, text) }
		c.Dial = func(_ context.Context, _, address string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go map[string]*script{"source": source, "target": target}[address].serve(theirs)
			return ours, nil
		}
		err = Run(t.Context(), c, &p)
	})
	return &p, notes, err
}

const metadump = "lru_crawler metadump"

// counts fails t unless outcomes have these counts, and all others 0.
func counts(t *testing.T, p *Progress, want map[Outcome]int64) {
	t.Helper()
	for o := range outcomes {
		if got := p.Count(o); got != want[o] {
			t.Errorf("%s: %d, want %d", o, got, want[o])
		}
	}
}

func TestRun(t *testing.T) {
	long := " " + strings.Repeat("k", 200)
	source := &script{answers: map[string][]string{
		"stats":         {"STAT pid 1\r\nSTAT curr_items 10\r\nEND\r\n"},
		metadump:        {"OK\r\nkey=a exp=-1\nkey=b%20c exp=5\nkey=gone exp=5\nkey=bin exp=5\nkey=exp exp=1\nkey=stale\nkey=kept\nkey=big\nkey=full\nkey=odd\nkey=err\nkey=%zz\nkey=" + strings.ReplaceAll(long, " ", "%20") + "\nEND\r\n"},
		"mg a":          {"VA 3 f7 t-1 ka $O\r\nA\r\n\r\n"},
		"mg YiBj":       {"VA 0 f0 t9 $O\r\n\r\n"},
		"mg bin":        {"VA 1 f0 t9 kYmlu b $O\r\nB\r\n"},
		"mg exp":        {"VA 1 f0 t0 kexp $O\r\nE\r\n"},
		"mg stale":      {"VA 1 f0 t5 kstale $O W X\r\nS\r\n"},
		"mg kept":       {"VA 1 f0 t5 kkept $O\r\nK\r\n"},
		"mg big":        {"VA 4 f0 t5 kbig $O\r\nBBBB\r\n"},
		"mg full":       {"VA 1 f0 t5 kfull $O\r\nF\r\n"},
		"mg odd":        {"VA 1 f0 t5 kodd $O\r\nO\r\n"},
		"mg err":        {"SERVER_ERROR out of memory writing get response\r\n"},
		"mg impossible": {"EN\r\n"},
	}}
	target := &script{answers: map[string][]string{
		"ms kept": {"NS\r\n"},
		"ms big":  {"SERVER_ERROR object too large for cache\r\n"},
		"ms full": {"SERVER_ERROR out of memory storing object\r\n"},
		"ms odd":  {"SERVER_ERROR of another kind\r\n"},
	}}
	p, notes, err := imports(t, source, target, Config{})
	if err != nil || len(notes) != 0 {
		t.Fatalf("%v, %v", err, notes)
	}
	counts(t, p, map[Outcome]int64{Stored: 3, Kept: 1, Vanished: 1, Expiring: 1, Stale: 1, Unreachable: 1, Unreadable: 1,
		Unanswered: 1, TooLarge: 1, NoMemory: 1, Refused: 1})
	if p.Done() != 13 || p.Expected() != 13 || p.Bytes() != 3+0+1+1+4+1+1 {
		t.Errorf("%d done, %d expected, %d bytes", p.Done(), p.Expected(), p.Bytes())
	}
	want := []string{
		"ms a 3 T0 F7 ME q A\r\n", "ms YiBj 0 b T9 F0 ME q ", "ms Ymlu 1 b T9 F0 ME q B",
		"ms kept 1 T5 F0 ME q K", "ms big 4 T5 F0 ME q BBBB", "ms full 1 T5 F0 ME q F", "ms odd 1 T5 F0 ME q O",
	}
	if got := target.hear(""); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("the target heard\n%q, want\n%q", got, want)
	}
	if p.Refusal() == "" || p.Spill() != nil {
		t.Errorf("refusal %q, spill %v", p.Refusal(), p.Spill())
	}
}

// items is a source of n items of one byte, in the older form of the dump.
func items(n int) *script {
	var dump strings.Builder
	for i := range n {
		fmt.Fprintf(&dump, "key=k%d exp=-1 la=1 cas=1 fetch=no cls=1 size=63\n", i)
	}
	return &script{answers: map[string][]string{metadump: {dump.String() + "END\r\n"}, "stats": {"END\r\n"}, "mg": {"VA 1 f0 t-1 kk $O\r\nx\r\n"}}}
}

func TestRunOverwrites(t *testing.T) {
	target := &script{}
	p, _, err := imports(t, items(1), target, Config{Overwrite: true})
	if got := target.hear("ms "); err != nil || len(got) != 1 || got[0] != "ms k0 1 T0 F0 MS q x" {
		t.Errorf("%v, the target heard %q", err, got)
	}
	counts(t, p, map[Outcome]int64{Stored: 1})
}

// TestRunWhereEverythingIsRefused: a target that answers every item, over a
// connection that buffers nothing, must not bring the import to a halt.
func TestRunWhereEverythingIsRefused(t *testing.T) {
	p, _, err := imports(t, items(3_000), &script{answers: map[string][]string{"ms": {"NS\r\n"}}}, Config{Connections: 3})
	if err != nil {
		t.Fatal(err)
	}
	counts(t, p, map[Outcome]int64{Kept: 3_000})
}

// TestRunIgnoresLackOfQuiet: peers that answer everything, though asked not to.
func TestRunIgnoresLackOfQuiet(t *testing.T) {
	source := items(300)
	source.answers["mg k7"] = []string{"EN\r\n"}
	p, _, err := imports(t, source, &script{answers: map[string][]string{"ms": {"HD\r\n"}}}, Config{})
	if err != nil {
		t.Fatal(err)
	}
	counts(t, p, map[Outcome]int64{Stored: 299, Vanished: 1})
}

func TestRunOfAnEmptySource(t *testing.T) {
	for _, dump := range []string{"END\r\n", "OK\r\nEND\r\n", "NOTSTARTED no items to crawl\r\n"} {
		p, _, err := imports(t, &script{answers: map[string][]string{metadump: {dump}, "stats": {"END\r\n"}}}, &script{}, Config{})
		if err != nil || p.Done() != 0 {
			t.Errorf("%q: %v, %d done", dump, err, p.Done())
		}
	}
}

func TestRunWaitsForABusyCrawler(t *testing.T) {
	const busy, locked = "BUSY currently processing crawler request\r\n", "OK\r\nERROR locked try again later\r\n"
	source := items(2)
	source.answers[metadump] = append([]string{busy, busy, locked}, source.answers[metadump]...)
	p, notes, err := imports(t, source, &script{}, Config{})
	if err != nil || len(source.hear("lru_crawler")) != 4 || len(notes) != 1 {
		t.Errorf("%v, heard %q, noted %q", err, source.hear("lru_crawler"), notes)
	}
	counts(t, p, map[Outcome]int64{Stored: 2})

	for text, want := range map[string]error{busy: ErrBusy, locked: ErrLocked} {
		source := items(2)
		source.answers[metadump] = []string{text}
		_, notes, err := imports(t, source, &script{}, Config{})
		if asked := len(source.hear("lru_crawler")); !errors.Is(err, want) || asked != int(busyMax/busyEvery)+1 || len(notes) != 1 {
			t.Errorf("%q for ever: %v after %d attempts, noted %q", text, err, asked, notes)
		}
	}
}

func TestRunSaysWhatIsWrongWithTheSource(t *testing.T) {
	check := func(name, answer string, want error) {
		t.Helper()
		source := items(1)
		source.answers[name] = []string{answer}
		if _, _, err := imports(t, source, &script{}, Config{}); !errors.Is(err, want) {
			t.Errorf("%.60q to %s: %.200v, want %v", answer, name, err, want)
		}
	}
	check("mn", "ERROR\r\n", ErrNoMeta)
	check(metadump, "ERROR metadump not allowed\r\n", ErrNotAllowed)
	check(metadump, "CLIENT_ERROR lru crawler disabled\r\n", ErrDisabled)
	check(metadump, "ERROR\r\n", ErrRefused)
	check(metadump, "key=k0 exp=1\nCUT", ErrDumpCut)
	check(metadump, "key=k0 exCUT", ErrDumpCut)
	check(metadump, strings.Repeat("k", bufferBytes), ErrLine)
	check("mg", "VALUE k 0 1\r\n", ErrReply)
	check("mg", "VA 1 f0 t-1 kk O7\r\nx\r\n", ErrReply) // nobody asked
	check("mg", "HD\r\n", ErrReply)
	check(metadump, "", ErrStalled)
}

func TestRunSaysWhatIsWrongWithTheTarget(t *testing.T) {
	check := func(name, answer, want string) {
		t.Helper()
		_, _, err := imports(t, items(1), &script{answers: map[string][]string{name: {answer}}}, Config{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q to %s: %v, want %q", answer, name, err, want)
		}
	}
	check("mn", "ERROR\r\n", "target target does not know the meta commands")
	check("mn", "ERROR Too many open connections\r\nCUT", `target target says "ERROR Too many open connections"`)
	check("mn", "CUT", "target target: closed the connection")
	check("ms", "EX\r\n", "target target: "+ErrReply.Error())
	check("ms", "CUT", "target target: closed the connection")
}

// TestRunEndsWhenToldTo: at once, wherever it is.
func TestRunEndsWhenToldTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		source, target := items(100_000), &script{}
		var p Progress
		c := Config{Source: "source", Target: "target", Connections: 2, PerSecond: 100, Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go map[string]*script{"source": source, "target": target}[address].serve(theirs)
			return ours, nil
		}}
		time.AfterFunc(10*time.Second, cancel)
		started := time.Now()
		if err := Run(ctx, c, &p); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want context.Canceled", err)
		}
		if took := time.Since(started); took != 10*time.Second {
			t.Errorf("it ended after %v", took)
		}
		if n := p.Count(Stored); n < 900 || n > 1_010 {
			t.Errorf("100 items a second are %d in 10 seconds", n)
		}
	})
}
