package warmup_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pandabeardb/panda/appliance"
	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/appliance/warmup"
)

const patience = 20 * time.Second // for anything, on a busy machine in a race build

// memcached starts the original with the flags args until the test ends, and
// returns its address. Where there is none, the test skips.
func memcached(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("memcached")
	if err != nil {
		t.Skipf("no memcached to import from (wire/compat/install-peers.sh installs it): %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	l.Close()
	if os.Getuid() == 0 {
		args = append(args, "-u", "root")
	}
	c := exec.Command(path, append(args, "-l", "127.0.0.1", "-p", port)...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		c.Wait()
	})
	for deadline := time.Now().Add(patience); ; {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return address
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// node starts a node in this process until the test ends, and returns its address.
func node(t *testing.T, args string) string {
	t.Helper()
	c, exit := config.Memcached("memcached", strings.Fields("-l 127.0.0.1 -p -1 -t 2 "+args))
	if exit != nil {
		t.Fatal(exit)
	}
	n, err := appliance.New(t.Context(), c, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := n.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return n.Addrs()[0].String()
}

// A client speaks to either side.
type client struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, address string) *client {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(2 * patience))
	return &client{t, c, bufio.NewReader(c)}
}

// line sends a request and returns the line that answers it.
func (c *client) line(request string) string {
	c.t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		c.t.Fatal(err)
	}
	line, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("%.80q: %v", request, err)
	}
	return strings.TrimSuffix(line, "\r\n")
}

// An item is what the source holds.
type item struct {
	key    string
	value  []byte
	flags  uint32
	ttlS   int64 // 0: never
	binary bool  // set in base64
}

// name is the key as a command names it, with the flag that says so.
func (i *item) name() (key, flag string) {
	if i.binary {
		return base64.StdEncoding.EncodeToString([]byte(i.key)), " b"
	}
	return i.key, ""
}

// store sets an item.
func (c *client) store(i item) {
	c.t.Helper()
	key, flag := i.name()
	ttl := i.ttlS
	if ttl > 30*24*60*60 {
		ttl += time.Now().Unix()
	}
	if got := c.line(fmt.Sprintf("ms %s %d%s T%d F%d\r\n%s\r\n", key, len(i.value), flag, ttl, i.flags, i.value)); got != "HD" {
		c.t.Fatalf("%.80q: storing says %q", i.key, got)
	}
}

// check compares an item with what a server holds; a little time may have passed.
func (c *client) check(i item) {
	c.t.Helper()
	key, flag := i.name()
	got := c.line(fmt.Sprintf("mg %s%s t f k v\r\n", key, flag))
	var size int
	var ttl int64
	if _, err := fmt.Sscanf(got, "VA %d t%d", &size, &ttl); err != nil {
		c.t.Errorf("%.80q is answered %q", i.key, got)
		return
	}
	value := make([]byte, size+2)
	if _, err := io.ReadFull(c.r, value); err != nil {
		c.t.Fatal(err)
	}
	never, latest := i.ttlS == 0, i.ttlS
	if i.ttlS > 30*24*60*60 {
		latest += 2 // a point in time, counted from each server's clock, which may be a second late
	}
	if never && ttl != -1 || !never && (ttl > latest || ttl < i.ttlS-int64(2*patience/time.Second)) {
		c.t.Errorf("%.80q has the TTL %d, had %d", i.key, ttl, i.ttlS)
	}
	want := fmt.Sprintf("VA %d t%d f%d k%s%s", len(i.value), ttl, i.flags, key, flag)
	if got != want || !bytes.Equal(value[:size], i.value) {
		c.t.Errorf("%.80q is answered %q, want %q; the value is the same: %v", i.key, got, want, bytes.Equal(value[:size], i.value))
	}
}

// storeBinary sets a key by the binary protocol, which takes any bytes.
func (c *client) storeBinary(key string) {
	c.t.Helper()
	request := make([]byte, 24, 300)
	request[0], request[1], request[4] = 0x80, 0x01, 8 // a request, set, bytes of flags and expiry
	binary.BigEndian.PutUint16(request[2:], uint16(len(key)))
	binary.BigEndian.PutUint32(request[8:], uint32(8+len(key)+1))
	request = append(append(append(request, make([]byte, 8)...), key...), 'v')
	reply := make([]byte, 24)
	if _, err := c.Write(request); err != nil {
		c.t.Fatal(err)
	}
	if _, err := io.ReadFull(c.r, reply); err != nil || reply[0] != 0x81 || reply[7] != 0 {
		c.t.Fatalf("the binary protocol answers %x, %v", reply, err)
	}
}

// everything is items of all kinds.
func everything() (items []item) {
	pattern := bytes.Repeat([]byte("0123456789abcdefghijklmnop\r\n\x00"), 20_000)
	for i := range 3_000 {
		items = append(items, item{key: fmt.Sprintf("key%d", i), value: pattern[i : i+i%700], flags: uint32(i) * 7, ttlS: int64(i%3) * int64(1_000+i)})
	}
	for i := range 3 {
		items = append(items, item{key: fmt.Sprintf("large%d", i), value: pattern[i : i+500_000], flags: 1, ttlS: 5_000})
	}
	for c := range 256 {
		items = append(items, item{key: string([]byte{byte(c), 0, byte(c)}), value: []byte{byte(c)}, binary: true})
	}
	return append(items,
		item{key: "empty"},
		item{key: "flags", value: []byte("x"), flags: 1<<32 - 1},
		item{key: "a month", value: []byte("x"), binary: true, ttlS: 30 * 24 * 60 * 60},
		item{key: "40days", value: []byte("x"), ttlS: 40 * 24 * 60 * 60},
		item{key: "textual", value: []byte("x"), binary: true},
		item{key: "%20+&=?/ä\x01\t\xff", value: []byte("x")},
		item{key: strings.Repeat("k", 250), value: []byte("x")},
		item{key: strings.Repeat("\n", 186), value: []byte("x"), binary: true},
	)
}

// importAll imports until nothing is missing: memcached's crawler leaves out
// what it finds locked, by its own housekeeping or by us.
func importAll(t *testing.T, c warmup.Config, want int64) *warmup.Progress {
	t.Helper()
	const passes = 10
	for range passes {
		var p warmup.Progress
		if err := warmup.Run(t.Context(), c, &p); err != nil {
			t.Fatal(err)
		}
		if p.Done() != p.Expected() {
			t.Fatalf("%d of %d keys have an outcome", p.Done(), p.Expected())
		}
		if items := dial(t, c.Target).items(); items == want {
			return &p
		}
	}
	t.Fatalf("after %d passes the target has %d items, want %d", passes, dial(t, c.Target).items(), want)
	return nil
}

// items is how many items a server says it has.
func (c *client) items() (n int64) {
	c.t.Helper()
	line := c.line("stats\r\n")
	for ; line != "END"; line = c.line("") {
		fmt.Sscanf(line, "STAT curr_items %d", &n)
	}
	return n
}

func TestFromMemcached(t *testing.T) {
	from, to := memcached(t, "-m", "128", "-I", "2m"), node(t, "-m 128 -I 2m")
	source, target := dial(t, from), dial(t, to)
	items := everything()
	for _, i := range items {
		source.store(i)
	}
	dial(t, from).storeBinary("by the binary protocol")
	dial(t, from).storeBinary(strings.Repeat("too long for base64 ", 12))
	source.store(item{key: "both", value: []byte("old")})
	target.store(item{key: "both", value: []byte("new")})
	source.store(item{key: "stale", value: []byte("x"), ttlS: 100})
	if got := source.line("md stale I T100\r\n"); got != "HD" {
		t.Fatal(got)
	}

	c := warmup.Config{Source: from, Target: to, Connections: 4, SpoolDir: t.TempDir()}
	p := importAll(t, c, int64(len(items))+2)
	for o, want := range map[warmup.Outcome]int64{warmup.Stale: 1, warmup.Unreachable: 1, warmup.Unreadable: 0, warmup.Refused: 0, warmup.TooLarge: 0, warmup.NoMemory: 0, warmup.Unanswered: 0} {
		if got := p.Count(o); got != want {
			t.Errorf("%s: %d, want %d (%s)", o, got, want, p.Refusal())
		}
	}
	if p.Count(warmup.Kept) == 0 {
		t.Error("nothing was kept")
	}
	for _, i := range items {
		target.check(i)
		key, flag := i.name()
		if got := source.line("mg " + key + flag + " h u\r\n"); got != "HD h0" {
			t.Fatalf("%.80q in the source: %q, want it untouched", i.key, got)
		}
	}
	target.check(item{key: "by the binary protocol", value: []byte("v"), binary: true})
	target.check(item{key: "both", value: []byte("new")})

	c.Overwrite = true
	var again warmup.Progress
	if err := warmup.Run(t.Context(), c, &again); err != nil || again.Count(warmup.Kept) != 0 {
		t.Errorf("%v, %d kept", err, again.Count(warmup.Kept))
	}
	importAll(t, c, int64(len(items))+2)
	target.check(item{key: "both", value: []byte("old")})
}

// TestFromPanda: the same items, in both forms of the dump, which leaves nothing out.
func TestFromPanda(t *testing.T) {
	for _, mode := range []string{"1.6.18", "1.6.45"} {
		t.Run(mode, func(t *testing.T) {
			from, to := node(t, "-m 128 -I 2m --compat="+mode), node(t, "-m 128 -I 2m")
			source, target := dial(t, from), dial(t, to)
			items := everything()
			for _, i := range items {
				source.store(i)
			}
			var p warmup.Progress
			err := warmup.Run(t.Context(), warmup.Config{Source: from, Target: to, Connections: 2}, &p)
			if n := int64(len(items)); err != nil || p.Count(warmup.Stored) != n || p.Done() != n {
				t.Fatalf("%v: %d stored, %d done, want %d", err, p.Count(warmup.Stored), p.Done(), n)
			}
			for _, i := range items {
				target.check(i)
				key, flag := i.name()
				if got := source.line("mg " + key + flag + " h u\r\n"); got != "HD h0" {
					t.Fatalf("%.80q in the source: %q, want it untouched", i.key, got)
				}
			}
		})
	}
}

// TestFromMemcachedTooLarge: what the target does not take is told, and the rest arrives.
func TestFromMemcachedTooLarge(t *testing.T) {
	from, to := memcached(t, "-m", "64", "-I", "2m"), node(t, "-m 64")
	source, target := dial(t, from), dial(t, to)
	large, small := item{key: "large", value: bytes.Repeat([]byte("x"), 1_500_000)}, item{key: "small", value: []byte("x")}
	source.store(large)
	source.store(small)
	p := importAll(t, warmup.Config{Source: from, Target: to, Connections: 1}, 1)
	if p.Count(warmup.TooLarge) != 1 || p.Refusal() != "SERVER_ERROR object too large for cache" {
		t.Errorf("%d too large, %q", p.Count(warmup.TooLarge), p.Refusal())
	}
	target.check(small)
}

func TestFromMemcachedWithoutDumps(t *testing.T) {
	to := node(t, "-m 64")
	check := func(want error, args ...string) {
		t.Helper()
		var p warmup.Progress
		err := warmup.Run(t.Context(), warmup.Config{Source: memcached(t, args...), Target: to, Connections: 1}, &p)
		if !errors.Is(err, want) {
			t.Errorf("memcached %s: %v, want %v", args, err, want)
		}
	}
	check(warmup.ErrNotAllowed, "-X")
	check(warmup.ErrDisabled, "-o", "no_lru_crawler")
}

func TestFromNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	l.Close()
	var p warmup.Progress
	err = warmup.Run(t.Context(), warmup.Config{Source: nobody, Target: nobody, Connections: 1}, &p)
	if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "source") {
		t.Errorf("%v, want to be told that the source refuses", err)
	}
}
