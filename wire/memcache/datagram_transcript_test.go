package memcache

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The datagram transcripts in testdata are what one socket sent to a real memcached
// by UDP, and each datagram that came back:
//
//	server                      a new server
//	> 0001000000010000 get k    a datagram: the frame's head in hexadecimal, and the rest
//	> 0001000000010000 /01 key=k ext=00 val=v /0a    the same of the binary protocol
//	< 0001000000010000 END\r\n  a datagram of a reply
//	! why                       we answer otherwise on purpose,
//	= 0001000000010000 ERROR    and what
//
// Binary requests are written as in the binary transcripts. Bytes are as in a Go
// string; {k*250} stands for 250 k's. Tokens are numbered by their order.
//
// `go test ./wire/memcache -run DatagramTranscript1618 -args -binary-oracle=FILE`
// takes the replies from a memcached of that version.

// datagramPeer is a server that a transcript is compared with, or taken from.
type datagramPeer interface {
	restart()
	exchange(in []byte) (frames [][]byte)
}

// rigDatagrams is us.
type rigDatagrams struct {
	t      *testing.T
	compat Compat
	*correspondent
}

func (p *rigDatagrams) restart() {
	p.correspondent = newRig(p.t, Config{Compat: p.compat}).correspond()
}

func (p *rigDatagrams) exchange(in []byte) [][]byte { return p.ask(in) }

// datagramSilence is behind which no datagram of a reply comes.
const datagramSilence = time.Second

// oracleDatagrams is a process.
type oracleDatagrams struct {
	t      *testing.T
	binary string
	stop   func()
	conn   net.Conn
}

func (p *oracleDatagrams) restart() {
	if p.stop != nil {
		p.stop()
	}
	free, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	address := free.LocalAddr().String()
	free.Close()
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command(p.binary, "-u", "root", "-l", "127.0.0.1", "-p", "0", "-U", port, "-t", "1")
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	if p.conn, err = net.Dial("udp4", address); err != nil {
		p.t.Fatal(err)
	}
	p.stop = func() {
		p.conn.Close()
		cmd.Process.Kill()
		cmd.Wait()
	}
	again := time.NewTicker(oraclePoll)
	defer again.Stop()
	for range oracleStart / oraclePoll {
		<-again.C // nobody may be there yet
		p.conn.Write(framed(0, "version\r\n"))
		p.conn.SetReadDeadline(time.Now().Add(oraclePoll))
		if _, err := p.conn.Read(make([]byte, 100)); err == nil {
			p.exchange(nil) // until it has answered all
			return
		}
	}
	p.t.Fatal("the original does not answer")
}

func (p *oracleDatagrams) exchange(in []byte) (frames [][]byte) {
	if in != nil {
		p.conn.Write(in)
	}
	for {
		b := make([]byte, 64<<10)
		p.conn.SetReadDeadline(time.Now().Add(datagramSilence))
		n, err := p.conn.Read(b)
		if err != nil {
			return frames
		}
		frames = append(frames, b[:n])
	}
}

// datagramStep is a line of a transcript, and what was answered.
type datagramStep struct {
	line   string
	theirs []string
	why    string
	ours   []string // if why
}

func readDatagrams(t *testing.T, name string) (steps []datagramStep) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		sign, rest, _ := strings.Cut(line, " ")
		switch sign {
		case "<":
			last := &steps[len(steps)-1]
			last.theirs = append(last.theirs, rest)
		case "=":
			last := &steps[len(steps)-1]
			last.ours = append(last.ours, rest)
		case "!":
			steps[len(steps)-1].why = rest
		default:
			steps = append(steps, datagramStep{line: line})
		}
	}
	return steps
}

func writeDatagrams(t *testing.T, name string, steps []datagramStep) {
	t.Helper()
	var b strings.Builder
	for _, step := range steps {
		fmt.Fprintln(&b, step.line)
		for _, reply := range step.theirs {
			fmt.Fprintln(&b, "< "+reply)
		}
		if step.why != "" {
			fmt.Fprintln(&b, "! "+step.why)
		}
		for _, reply := range step.ours {
			fmt.Fprintln(&b, "= "+reply)
		}
	}
	if err := os.WriteFile(filepath.Join("testdata", name), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// datagramOf makes the bytes of a request's line.
func datagramOf(t *testing.T, line string) []byte {
	t.Helper()
	head, rest, _ := strings.Cut(line, " ")
	datagram := unhex(t, head)
	if !strings.HasPrefix(rest, "/") {
		return append(datagram, expand(t, rest)...)
	}
	for _, request := range strings.Split(rest[1:], " /") {
		datagram = append(datagram, binaryRequest(t, request, 0)...)
	}
	return datagram
}

// showDatagrams shows replies a line each.
func showDatagrams(tokens casTokens, frames [][]byte) (lines []string) {
	for _, f := range frames {
		n := min(len(f), frameHead)
		head, payload := f[:n], f[n:]
		line, token := fmt.Sprintf("%x", head), ""
		if len(payload) >= 24 && payload[0] == 0x81 {
			payload = append([]byte(nil), payload...)
			if cas := binary.BigEndian.Uint64(payload[16:]); cas != 0 {
				name := strconv.FormatUint(cas, 10)
				if tokens[name] == 0 {
					tokens[name] = len(tokens) + 1
				}
				token = fmt.Sprintf(" #%d", tokens[name])
				clear(payload[16:24])
			}
		}
		text := strconv.QuoteToASCII(tokens.mask(string(payload)))
		lines = append(lines, strings.TrimRight(line+" "+shortRuns(text[1:len(text)-1]), " ")+token)
	}
	return lines
}

// shortRuns writes long runs of a byte as {k*250}.
func shortRuns(text string) string {
	const least = 32
	var b strings.Builder
	for i := 0; i < len(text); {
		n := 1
		for i+n < len(text) && text[i+n] == text[i] {
			n++
		}
		if n >= least {
			fmt.Fprintf(&b, "{%c*%d}", text[i], n)
		} else {
			b.WriteString(text[i : i+n])
		}
		i += n
	}
	return b.String()
}

// runDatagrams sends a transcript's datagrams to a peer, and calls replied with what
// came back behind each.
func runDatagrams(t *testing.T, steps []datagramStep, p datagramPeer, replied func(step *datagramStep, replies []string)) {
	t.Helper()
	tokens := casTokens{}
	for i := range steps {
		switch word, rest, _ := strings.Cut(steps[i].line, " "); word {
		case "server":
			p.restart()
			tokens = casTokens{}
		case ">":
			replied(&steps[i], showDatagrams(tokens, p.exchange(datagramOf(t, rest))))
		}
	}
}

func testDatagramTranscript(t *testing.T, compat Compat) {
	name := "datagrams-" + compat.Version() + ".txt"
	steps := readDatagrams(t, name)
	if *binaryOracle != "" {
		oracle := &oracleDatagrams{t: t, binary: *binaryOracle}
		runDatagrams(t, steps, oracle, func(step *datagramStep, replies []string) { step.theirs = replies })
		oracle.stop()
		writeDatagrams(t, name, steps)
	}
	asked := 0
	runDatagrams(t, steps, &rigDatagrams{t: t, compat: compat}, func(step *datagramStep, replies []string) {
		asked++
		want := step.theirs
		if step.why != "" {
			want = step.ours
		}
		if strings.Join(want, "\n") != strings.Join(replies, "\n") {
			t.Errorf("%s\n  got  %s\n  want %s", step.line, strings.Join(replies, "\n       "), strings.Join(want, "\n       "))
		}
	})
	if asked < datagramStepsMin {
		t.Errorf("%d datagrams, want at least %d", asked, datagramStepsMin)
	}
}

const datagramStepsMin = 190 // that the transcripts were written with

func TestDatagramTranscript1618(t *testing.T) { testDatagramTranscript(t, Compat1618) }
func TestDatagramTranscript1645(t *testing.T) { testDatagramTranscript(t, Compat1645) }
