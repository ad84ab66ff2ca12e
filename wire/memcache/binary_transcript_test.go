package memcache

import (
	"encoding/binary"
	"encoding/hex"
	stdflag "flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The binary transcripts in testdata are conversations with a real memcached:
//
//	server [flag]...            a new server, with these of memcached's flags
//	connect                     a new connection
//	> 01 key=k ext=00 val=v     a request: an opcode, and what differs from a plain one
//	> … +                       one that is sent together with the next
//	< 01 0000 ext=00 val=v      a reply: opcode, status, and what it has
//	< closed                    the server hung up
//	= 01 0000                   our reply, where that is another on purpose
//
// What we answer on purpose in another way: memcached holds the reply to what it
// swallows back until all of that has come, drops what it has not sent when it then
// meets no request, and waits for ever for a key of more than 16 KB. We answer at once.
//
// cas=last is the token that the last reply had; keylen, extlen, bodylen and magic
// stand in place of the right ones; raw= are bytes as they are, in hexadecimal;
// {k*250} stands for 250 k's. Replies' tokens are numbered by their order.
//
// `go test ./wire/memcache -run BinaryTranscript1618 -args -binary-oracle=FILE` takes
// the replies from a memcached of that version.
var binaryOracle = stdflag.String("binary-oracle", "", "a memcached whose replies become the transcript")

// binaryPeer is a server that a transcript is compared with, or taken from.
type binaryPeer interface {
	restart(flags []string)
	connect()
	// exchange sends bytes and returns what came back, and whether the server
	// hung up.
	exchange(in []byte) (out []byte, closed bool)
}

// rigPeer is us.
type rigPeer struct {
	t      *testing.T
	compat Compat
	rig    *rig
	peer   *peer
}

func (p *rigPeer) restart(flags []string) {
	c := Config{Compat: p.compat, Settings: DefaultSettings()}
	for i, f := range flags {
		switch f {
		case "-C":
			c.CASDisabled = true
		case "-F":
			c.FlushDisabled = true
		case "-X":
			c.DumpDisabled = true
		case "ascii":
			c.Protocol = ProtocolASCII
		case "binary":
			c.Protocol = ProtocolBinary
		case "1k":
			c.ItemSizeMax = 1024
			c.Settings.SlabChunkMax = 512
		case "track_sizes":
			c.Settings.TrackSizes = true
		case "-B", "-I", "-o":
		default:
			p.t.Fatalf("flag %d of %q", i, flags)
		}
	}
	p.rig = newRig(p.t, c)
}

func (p *rigPeer) connect() { p.peer = p.rig.dial() }

func (p *rigPeer) exchange(in []byte) (out []byte, closed bool) {
	reply := p.peer.send(string(in))
	return []byte(strings.TrimSuffix(reply, "<EOF>")), p.peer.closed
}

// oraclePeer is a process.
type oraclePeer struct {
	t      *testing.T
	binary string
	socket string
	stop   func()
	conn   net.Conn
}

func (p *oraclePeer) restart(flags []string) {
	if p.stop != nil {
		p.stop()
	}
	p.socket = filepath.Join(p.t.TempDir(), "s")
	cmd := exec.Command(p.binary, append([]string{"-u", "root", "-s", p.socket}, flags...)...)
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.stop = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
}

func (p *oraclePeer) connect() {
	if p.conn != nil {
		p.conn.Close()
	}
	again, late := time.NewTicker(oraclePoll), time.After(oracleStart)
	defer again.Stop()
	for {
		var err error
		if p.conn, err = net.Dial("unix", p.socket); err == nil {
			return
		}
		select {
		case <-again.C:
		case <-late:
			p.t.Fatal(err)
		}
	}
}

const (
	oracleStart   = 5 * time.Second // until which it listens
	oraclePoll    = 10 * time.Millisecond
	oracleSilence = 400 * time.Millisecond // behind which no reply comes from a memcached,
	oraclePause   = 80 * time.Millisecond  // and no more of one
)

func (p *oraclePeer) exchange(in []byte) (out []byte, closed bool) {
	if _, err := p.conn.Write(in); err != nil {
		return nil, true
	}
	buf := make([]byte, 64<<10)
	for wait := oracleSilence; ; wait = oraclePause {
		p.conn.SetReadDeadline(time.Now().Add(wait))
		n, err := p.conn.Read(buf)
		out = append(out, buf[:n]...)
		if err == io.EOF {
			return out, true
		}
		if err != nil {
			return out, false
		}
	}
}

var binaryField = regexp.MustCompile(`^(key|ext|val|cas|opq|keylen|extlen|bodylen|magic)=(.*)$`)

// binaryRequest makes the bytes of a request line.
func binaryRequest(t *testing.T, line string, last uint64) []byte {
	t.Helper()
	if raw, ok := strings.CutPrefix(line, "raw="); ok {
		return unhex(t, raw)
	}
	fields := strings.Fields(line)
	head := make([]byte, 24)
	head[0] = 0x80
	var key, ext, val string
	values := map[string]string{}
	for _, f := range fields[1:] {
		m := binaryField.FindStringSubmatch(f)
		if m == nil {
			t.Fatalf("%q in %s", f, line)
		}
		values[m[1]] = m[2]
	}
	head[1] = unhex(t, fields[0])[0]
	key, val = expand(t, values["key"]), expand(t, values["val"])
	ext = string(unhex(t, values["ext"]))
	number := func(name string, otherwise int) uint64 {
		v, ok := values[name]
		if !ok {
			return uint64(otherwise)
		}
		if v == "last" {
			return last
		}
		n, err := strconv.ParseUint(v, 0, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	head[0] = byte(number("magic", 0x80))
	binary.BigEndian.PutUint16(head[2:], uint16(number("keylen", len(key))))
	head[4] = byte(number("extlen", len(ext)))
	binary.BigEndian.PutUint32(head[8:], uint32(number("bodylen", len(key)+len(ext)+len(val))))
	binary.BigEndian.PutUint32(head[12:], uint32(number("opq", 0)))
	binary.BigEndian.PutUint64(head[16:], number("cas", 0))
	return append(head, ext+key+val...)
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return b
}

// binaryReplies shows replies a line each.
type binaryReplies struct {
	tokens map[uint64]int
	last   uint64
}

// figure is a statistic that nobody foresees.
var figure = regexp.MustCompile(`^([0-9.]+|none|2.*-stable|NULL|/.*|UNKNOWN)$`)

func (r *binaryReplies) show(out []byte, closed bool) (lines []string) {
	for len(out) >= 24 && out[0] == 0x81 {
		key, ext := int(binary.BigEndian.Uint16(out[2:])), int(out[4])
		body := int(binary.BigEndian.Uint32(out[8:]))
		if len(out) < 24+body || key+ext > body || out[5] != 0 {
			break
		}
		line := fmt.Sprintf("< %02x %04x", out[1], binary.BigEndian.Uint16(out[6:]))
		add := func(name string, b []byte, format string) {
			if len(b) > 0 {
				line += fmt.Sprintf(" %s="+format, name, b)
			}
		}
		add("ext", out[24:24+ext], "%x")
		add("key", out[24+ext:24+ext+key], "%q")
		val := out[24+ext+key : 24+body]
		switch {
		case out[1] == 0x10 && figure.Match(val):
			val = []byte("*")
		case len(val) > 100:
			val = fmt.Appendf(nil, "%d bytes of %q", len(val), val[:1])
		}
		add("val", val, "%q")
		if o := binary.BigEndian.Uint32(out[12:]); o != 0 {
			line += fmt.Sprintf(" opq=%#x", o)
		}
		if cas := binary.BigEndian.Uint64(out[16:]); cas != 0 {
			r.last = cas
			if r.tokens[cas] == 0 {
				r.tokens[cas] = len(r.tokens) + 1
			}
			line += fmt.Sprintf(" cas=#%d", r.tokens[cas])
		}
		lines = append(lines, line)
		out = out[24+body:]
	}
	if len(out) > 0 {
		lines = append(lines, fmt.Sprintf("< raw=%x", out))
	}
	if closed {
		lines = append(lines, "< closed")
	}
	return lines
}

// binaryStep is a line of a transcript, and what was answered.
type binaryStep struct {
	line   string
	theirs []string
	ours   []string // if that is something else on purpose
}

func readBinary(t *testing.T, name string) (steps []binaryStep) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, "< "):
			last := &steps[len(steps)-1]
			last.theirs = append(last.theirs, line)
		case strings.HasPrefix(line, "= "):
			last := &steps[len(steps)-1]
			last.ours = append(last.ours, "<"+line[1:])
		default:
			steps = append(steps, binaryStep{line: line})
		}
	}
	return steps
}

func writeBinary(t *testing.T, name string, steps []binaryStep) {
	t.Helper()
	var b strings.Builder
	for _, step := range steps {
		fmt.Fprintln(&b, step.line)
		for _, reply := range step.theirs {
			fmt.Fprintln(&b, reply)
		}
		for _, reply := range step.ours {
			fmt.Fprintln(&b, "="+reply[1:])
		}
	}
	if err := os.WriteFile(filepath.Join("testdata", name), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// runBinary has a transcript's conversations with a peer, and calls replied with
// what was answered behind each step.
func runBinary(t *testing.T, steps []binaryStep, p binaryPeer, replied func(step *binaryStep, replies []string)) {
	t.Helper()
	r := binaryReplies{tokens: map[uint64]int{}}
	var pending []byte
	ended := false
	for i := range steps {
		step := &steps[i]
		word, rest, _ := strings.Cut(step.line, " ")
		switch word {
		case "server":
			p.restart(strings.Fields(rest))
			r = binaryReplies{tokens: map[uint64]int{}}
		case "connect":
			p.connect()
			ended, pending = false, nil
		case ">":
			if ended {
				t.Fatalf("%s: the server has hung up", step.line)
			}
			rest, more := strings.CutSuffix(rest, " +")
			pending = append(pending, binaryRequest(t, rest, r.last)...)
			if more {
				continue
			}
			var out []byte
			out, ended = p.exchange(pending)
			pending = nil
			replied(step, r.show(out, ended))
		}
	}
}

func testBinaryTranscript(t *testing.T, compat Compat) {
	name := "binary-" + compat.Version() + ".txt"
	steps := readBinary(t, name)
	if *binaryOracle != "" {
		oracle := &oraclePeer{t: t, binary: *binaryOracle}
		runBinary(t, steps, oracle, func(step *binaryStep, replies []string) { step.theirs = replies })
		oracle.stop()
		writeBinary(t, name, steps)
	}
	asked := 0
	runBinary(t, steps, &rigPeer{t: t, compat: compat}, func(step *binaryStep, replies []string) {
		asked++
		want := step.theirs
		if step.ours != nil {
			want = step.ours
		}
		if strings.Join(want, "\n") != strings.Join(replies, "\n") {
			t.Errorf("%s\n  got  %s\n  want %s", step.line, strings.Join(replies, "\n       "), strings.Join(want, "\n       "))
		}
	})
	if asked < binaryStepsMin {
		t.Errorf("%d requests, want at least %d", asked, binaryStepsMin)
	}
}

const binaryStepsMin = 300 // that the transcripts were written with

func TestBinaryTranscript1618(t *testing.T) { testBinaryTranscript(t, Compat1618) }
func TestBinaryTranscript1645(t *testing.T) { testBinaryTranscript(t, Compat1645) }
