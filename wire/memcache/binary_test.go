package memcache

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache/binary"
)

// TestBinaryStatIsTextStat: both protocols tell the same statistics.
func TestBinaryStatIsTextStat(t *testing.T) {
	for _, compat := range []Compat{Compat1618, Compat1645} {
		r := newRig(t, Config{Compat: compat, Settings: func() Settings {
			s := DefaultSettings()
			s.TrackSizes = true
			return s
		}()})
		text, packets := r.dial(), r.dial()
		packets.send(packetOf(binary.Set, storeExtras, "a", "value"))
		for _, name := range []string{"", "settings", "items", "slabs", "sizes"} {
			want := text.send(strings.TrimRight("stats "+name, " ") + "\r\n")
			got := textOfStats(t, packets.send(packetOf(binary.Stat, noExtras, name, "")))
			want, got = volatileLine(want), volatileLine(got)
			if got != want {
				t.Errorf("%s %q\n got  %s\n want %s", compat.Version(), name, got, want)
			}
		}
	}
}

// volatileLine drops the figures that differ from one moment to the next.
func volatileLine(list string) string {
	var b strings.Builder
	for line := range strings.Lines(list) {
		if words := strings.Fields(line); len(words) == 3 && strings.HasPrefix(words[1], "rusage_") {
			line = "STAT " + words[1] + "\r\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

// textOfStats is the list that the text protocol would show.
func textOfStats(t *testing.T, reply string) string {
	t.Helper()
	var b strings.Builder
	for len(reply) > 0 {
		n := packetLen(reply)
		if n == 0 {
			t.Fatalf("no reply in %.100q", reply)
		}
		key := binary.HeaderLen + int(reply[3])
		if n == binary.HeaderLen {
			b.WriteString("END\r\n")
		} else {
			b.WriteString("STAT " + reply[binary.HeaderLen:key] + " " + reply[key:n] + "\r\n")
		}
		reply = reply[n:]
	}
	return b.String()
}

// TestPacketTable: every opcode that the codec knows has a row, every row's text
// command exists, and the ranges are unknown.
func TestPacketTable(t *testing.T) {
	for o := range 256 {
		c := binary.Opcode(o).Command()
		if known := packets[o].run != nil; known != (c.Name != "") {
			t.Errorf("%02x %s: a row is %v", o, c.Name, known)
		}
	}
	for i := range packetTable {
		row := &packetTable[i]
		if text := row.text; text != "" && lookup([]byte(text)) == nil || (text == "") != (row.summary != "") {
			t.Errorf("%s: %q, %q", row.base.Command().Name, text, row.summary)
		}
	}
}

// TestFirstByte: it decides, unless the listener does.
func TestFirstByte(t *testing.T) {
	r := newRig(t, Config{})
	noop := packetOf(binary.Noop, noExtras, "", "")
	answer := "\x81\x0a" + strings.Repeat("\x00", 22)
	r.dial().want(noop, answer)
	r.dial().want("version\r\n", "VERSION 1.6.45\r\n")
	open := func(p Protocol) *peer {
		return &peer{r: r, session: r.server.OpenAs(p, 0, wire.Peer{FD: 8, Network: "tcp"})}
	}
	open(ProtocolBinary).want(noop, answer)
	open(ProtocolBinary).want("version\r\n"+strings.Repeat("x", 15), "<EOF>")
	open(ProtocolASCII).want("version\r\n", "VERSION 1.6.45\r\n")
	open(ProtocolASCII).want(noop+"\r\n", replyFormat+replyError) // its opcode is a newline
}

// TestBinaryFull: a client that does not read is answered no further than the
// cap, and the rest when it has read.
func TestBinaryFull(t *testing.T) {
	r := newRig(t, Config{})
	s := r.server.OpenAs(ProtocolBinary, 0, wire.Peer{FD: 7})
	out := &wire.Out{NowMS: startMS, Cap: 1000}
	s.Feed([]byte(packetOf(binary.SetQ, storeExtras, "k", strings.Repeat("v", 400))), out)
	in := []byte(strings.Repeat(packetOf(binary.GetKQ, noExtras, "k", ""), 10))
	const reply = 24 + 4 + 1 + 400
	total := 0
	for len(in) > 0 {
		n, next := s.Feed(in, out)
		in = in[n:]
		if out.Len() > 3*reply || next == wire.Full != (out.Len() >= 1000) {
			t.Fatalf("%d bytes, next %d", out.Len(), next)
		}
		total += out.Len()
		out.Advance(out.Len())
	}
	if total != 10*reply {
		t.Errorf("%d bytes", total)
	}
}

// TestBinaryTurn: -R counts binary requests, and a turn without end is ended.
func TestBinaryTurn(t *testing.T) {
	r := newRig(t, Config{RequestsPerTurn: 3})
	s := r.server.OpenAs(ProtocolBinary, 0, wire.Peer{FD: 7})
	out := &wire.Out{NowMS: startMS}
	noop := packetOf(binary.Noop, noExtras, "", "")
	n, next := s.Feed([]byte(strings.Repeat(noop, 5)), out)
	if n != 3*len(noop) || next != wire.Yield {
		t.Errorf("%d bytes, next %d", n, next)
	}
	if got := r.stat("conn_yields"); got != "1" {
		t.Error("conn_yields", got)
	}
}

// TestBinaryLargeValueIsPinned: it is written from where it lies.
func TestBinaryLargeValueIsPinned(t *testing.T) {
	r := newRig(t, Config{})
	p := r.dial()
	value := strings.Repeat("v", 100_000)
	p.send(packetOf(binary.Set, storeExtras, "k", value))
	out := &wire.Out{NowMS: startMS}
	p.session.Feed([]byte(packetOf(binary.Get, noExtras, "k", "")), out)
	if len(out.Buf) != binary.HeaderLen+binary.FlagsLen || out.Len() != len(out.Buf)+len(value) {
		t.Errorf("%d bytes, of which %d are copied", out.Len(), len(out.Buf))
	}
	if got := bytes.Join(out.AppendVectors(nil, 100), nil); string(got[28:]) != value {
		t.Error("another value")
	}
	out.Drop()
}

// TestBinaryTrace: what watchers are told is what text tells, but that a binary
// delete has no line, as in memcached.
func TestBinaryTrace(t *testing.T) {
	r := newRig(t, Config{})
	watcher, p := r.dial(), r.dial()
	watcher.send("watch fetchers mutations deletions\r\n")
	p.send(packetOf(binary.Set, storeExtras, "k", "1") + packetOf(binary.Get, noExtras, "k", "") + packetOf(binary.AppendQ, noExtras, "k", "2") +
		packetOf(binary.Increment, plusOne, "k", "") + packetOf(binary.Delete, noExtras, "k", "") + packetOf(binary.Add, storeExtras, "big", strings.Repeat("v", 2<<20)))
	r.server.Tick(0, r.nowMS)
	watcher.session.(wire.Parked).Resume(&watcher.out)
	var kinds []string
	for line := range strings.Lines(watcher.drain()) {
		words := strings.Fields(line)
		kind := words[2]
		for _, w := range words[3:] {
			if strings.HasPrefix(w, "status=") || strings.HasPrefix(w, "cmd=") {
				kind += " " + w
			}
		}
		kinds = append(kinds, kind)
	}
	want := []string{
		"type=item_get status=not_found", "type=item_store status=stored cmd=set",
		"type=item_get status=found",
		"type=item_get status=found", "type=item_store status=stored cmd=append",
		"type=item_get status=found",
		"type=item_get status=found",
		"type=item_store status=too_large cmd=null",
	}
	if strings.Join(kinds, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(kinds, "\n"), strings.Join(want, "\n"))
	}
}

// TestBinaryOutOfMemory: with -M a store command is told.
func TestBinaryOutOfMemory(t *testing.T) {
	r := newRigOf(t, Config{}, 8<<20, false)
	p := r.dial()
	value := strings.Repeat("v", 500_000)
	for i := range 40 {
		reply := p.send(packetOf(binary.Set, storeExtras, string(rune('a'+i)), value))
		if reply[7] == 0 {
			continue
		}
		want := string(rune(0)) + "\x82"
		if reply[6:8] != want || reply[24:] != textNoItem {
			t.Fatalf("%q", reply)
		}
		p.want(packetOf(binary.Noop, noExtras, "", ""), "\x81\x0a"+strings.Repeat("\x00", 22))
		return
	}
	t.Error("40 values of 500 kB found room in 8 MB")
}

// TestBinaryRefusedIsNotCounted: as in memcached, store_too_large is the text
// protocol's alone.
func TestBinaryRefusedIsNotCounted(t *testing.T) {
	r := newRig(t, Config{})
	p := r.dial()
	value := strings.Repeat("v", 2<<20)
	p.send(packetOf(binary.Set, storeExtras, "k", value) + packetOf(binary.Append, noExtras, "k", value))
	if got := r.stat("store_too_large"); got != "0" {
		t.Error("store_too_large", got)
	}
	r.dial().send("set k 0 0 2097152\r\n" + value + "\r\n")
	if got := r.stat("store_too_large"); got != "1" {
		t.Error("of the text protocol: store_too_large", got)
	}
}
