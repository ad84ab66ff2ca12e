package netio_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pandabeardb/panda/netio/netiotest"
	"github.com/pandabeardb/panda/wire"
)

// selfSigned is a certificate for tests.
var selfSigned = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "netio"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// serverTLS and clientTLS are the settings of both ends. A client's records are
// as large as a server's, unless a test wants others.
func serverTLS() *tls.Config {
	return &tls.Config{
		Certificates:                []tls.Certificate{selfSigned()},
		MinVersion:                  tls.VersionTLS10,
		DynamicRecordSizingDisabled: true,
	}
}

func clientTLS() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, DynamicRecordSizingDisabled: true}
}

// newTLSToys is newToys over TLS.
func newTLSToys(t testing.TB, perTurn int, o netiotest.Options) (*netiotest.Loop, *ledger) {
	o.TLS = serverTLS()
	return newToys(t, perTurn, o)
}

func TestTLSOneReadOneWrite(t *testing.T) {
	l, _ := newTLSToys(t, 0, netiotest.Options{})
	c := l.DialTLS(clientTLS())
	for range 10 {
		wantString(t, "reply", c.Request("echo a\n"), "a\n")
	}
	wantInt(t, "reads", c.Reads(), 10)
	wantInt(t, "writes", c.Writes(), 10)
	wantString(t, "pipeline", c.Request(strings.Repeat("echo b\n", 1000)), strings.Repeat("b\n", 1000))
	wantInt(t, "reads", c.Reads(), 11)
	wantInt(t, "writes", c.Writes(), 11)
	wantString(t, "100 KB", c.Request("echo " + strings.Repeat("c", 14000) + "\nbig 100000\n")[:2], "cc")
	if writes := c.Writes(); writes > 11+2 {
		t.Errorf("%d writes for 114 KB", writes-11)
	}
}

// TestTLSRecordsAreFull: what one wake-up answers leaves in as few records as
// can be, whatever pieces it lies in.
func TestTLSRecordsAreFull(t *testing.T) {
	l, ledger := newTLSToys(t, 0, netiotest.Options{})
	for _, size := range []int{0, 1, 16000, 16384, 16385, 20000, 32766, 50000, 200000} {
		c := l.DialTLS(clientTLS())
		script := fmt.Sprintf("echo a\nbig %d\necho b\n", size)
		c.Send(script)
		sealed := c.Client.Recv()
		plain := len(expected(script, ledger))
		wantInt(t, fmt.Sprint("records for ", size), recordsIn(sealed), (plain+16383)/16384)
		wantString(t, "reply", c.Open(sealed), expected(script, ledger))
	}
}

func recordsIn(sealed string) (n int) {
	for ; len(sealed) > 0; n++ {
		sealed = sealed[5+int(sealed[3])<<8+int(sealed[4]):]
	}
	return n
}

func TestTLSBytesOneAtATime(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		l, ledger := newTLSToys(t, 0, netiotest.Options{})
		config := clientTLS()
		config.MaxVersion = version
		script := "echo hello\nput 5\nabcdebig 100\necho x\nput 0\necho y\n"
		c := l.DialTLS(config)
		c.SendSplit(script, 1)
		wantString(t, "replies", c.Recv(), expected(script, ledger))
		sealed := c.Seal(script)
		for split := range len(sealed) {
			c.Client.SendSplit(sealed, split+1, len(sealed))
			wantString(t, fmt.Sprint("split at ", split), c.Recv(), expected(script, ledger))
			sealed = c.Seal(script)
		}
		c.Client.Send(sealed)
		wantString(t, "the last", c.Recv(), expected(script, ledger))
	}
}

// TestTLSLarge moves what is larger than any buffer both ways, to a client that
// takes it bit by bit.
func TestTLSLarge(t *testing.T) {
	for _, o := range []netiotest.Options{{}, {ReadMax: 1000}, {ReadMax: 70_000, WriteMax: 5000}, {OutCap: 1000, WriteMax: 100}} {
		for _, window := range []int{-1, 777, 40_000} {
			l, ledger := newTLSToys(t, 3, o)
			c := l.DialTLS(clientTLS())
			c.SetWindow(window)
			body := strings.Repeat("0123456789abcdef", 1<<20/16)
			script := fmt.Sprintf("big 1000000\nput %d\n%secho a\nbig 300000\necho b\n", len(body), body)
			c.SendSplit(script, 100_000, 17, 3)
			wantString(t, fmt.Sprint("window ", window), c.Recv(), expected(script, ledger))
		}
	}
}

// TestTLSSlowReader: no more is encrypted ahead of the socket than a write's
// worth, and the input of one who does not read waits.
func TestTLSSlowReader(t *testing.T) {
	const window = 1000
	l, ledger := newTLSToys(t, 0, netiotest.Options{})
	c := l.DialTLS(clientTLS())
	c.SetWindow(window)
	c.Send("big 5000000\n")
	script := strings.Repeat("echo 0123456789\n", 5000)
	c.Send(script)
	if unread := c.Unread(); unread < len(script) {
		t.Errorf("%d of %d bytes were read although nobody takes the replies", len(script)-unread, len(script))
	}
	written := l.Core.Counts.BytesWritten.Load()
	if written > window {
		t.Errorf("%d bytes are said to be written, and the socket took %d", written, window)
	}
	wantInt(t, "releases", len(ledger.released), 0)
	var got strings.Builder
	for c.Waiting() > 0 {
		got.WriteString(c.Open(c.RecvOnce()))
		if n := l.Core.Counts.BytesWritten.Load(); n > int64(got.Len())+window+16<<10 {
			t.Fatalf("%d bytes are said to be written, and %d were received", n, got.Len())
		}
	}
	wantString(t, "replies", got.String(), expected("big 5000000\n"+script, ledger))
}

func TestTLSGoodbyes(t *testing.T) {
	l, ledger := newTLSToys(t, 0, netiotest.Options{})
	script := "echo a\nbig 100000\nquit\n"
	c := l.DialTLS(clientTLS())
	c.SetWindow(500)
	c.Send(script + "echo never\n")
	wantString(t, "replies", c.Recv(), expected(script, ledger))
	if c.End() != io.EOF {
		t.Errorf("the stream ended with %v, want a good-bye", c.End())
	}
	wantString(t, "behind it", c.Client.Recv(), "")
	c.CloseWrite()

	half := l.DialTLS(clientTLS())
	toy := half.Session().(*toy)
	half.Client.Send(half.Seal("echo a\nbig 40000\nput 3\nab"))
	half.Goodbye()
	wantString(t, "replies", half.Recv(), expected("echo a\nbig 40000\n", ledger))
	if half.End() != io.EOF || toy.why != wire.ByPeer {
		t.Errorf("the stream ended with %v, the session with %v", half.End(), toy.why)
	}

	both := l.DialTLS(clientTLS()) // data and the end in one event
	sealed := both.Seal("echo a\n")
	both.Client.SendSplit(sealed, len(sealed)-1)
	both.CloseWrite()
	wantString(t, "reply", both.Recv(), "a\n")
}

// TestTLSGoodbyeWaits: there is room for the last reply, and none behind it.
func TestTLSGoodbyeWaits(t *testing.T) {
	l, _ := newTLSToys(t, 0, netiotest.Options{})
	c := l.DialTLS(clientTLS())
	c.Send("echo a\n")
	reply := c.Client.Recv()
	wantString(t, "reply", c.Open(reply), "a\n")
	c.SetWindow(len(reply))
	c.Send("echo b\nquit\n")
	wantString(t, "the last", c.Open(c.RecvOnce()), "b\n")
	if c.End() != nil {
		t.Errorf("the stream ended with %v already", c.End())
	}
	wantString(t, "behind it", c.Recv(), "")
	if c.End() != io.EOF || !c.Ended() {
		t.Errorf("the stream ended with %v, the socket's: %v", c.End(), c.Ended())
	}
}

// TestTLSEndBehindData: one read of the socket has a request, and the end.
func TestTLSEndBehindData(t *testing.T) {
	for name, end := range map[string]func(*netiotest.TLSClient){
		"a good-bye": func(c *netiotest.TLSClient) { c.Goodbye() },
		"garbage":    func(c *netiotest.TLSClient) { c.Client.Send("\x17\x03\x03\x00\x18" + strings.Repeat("x", 24)) },
	} {
		l, _ := newTLSToys(t, 0, netiotest.Options{Manual: true})
		c := l.DialTLS(clientTLS())
		toy := c.Session().(*toy)
		c.Client.Send(c.Seal("echo a\n"))
		end(c)
		l.Run()
		wantInt(t, name+": commands", toy.ran, 1)
		if good := name == "a good-bye"; good {
			wantString(t, name, c.Recv(), "a\n")
			wantInt(t, name+": why", int(toy.why), int(wire.ByPeer))
		} else if toy.why != wire.ByError || l.TLS.Errors.Load() != 1 {
			t.Errorf("%s: ended for %v, %d errors", name, toy.why, l.TLS.Errors.Load())
		}
	}
}

func TestTLSTruncation(t *testing.T) {
	l, _ := newTLSToys(t, 0, netiotest.Options{})
	for cut, why := range map[int]wire.Reason{0: wire.ByPeer, 1: wire.ByError, 5: wire.ByError, 20: wire.ByError} {
		c := l.DialTLS(clientTLS())
		toy := c.Session().(*toy)
		sealed := c.Seal("echo a\n")
		c.Client.Send(sealed)
		wantString(t, "reply", c.Recv(), "a\n")
		c.Client.Send(c.Seal("echo b\n")[:cut])
		c.CloseWrite()
		if !c.Closed() || toy.why != why {
			t.Errorf("cut at %d: closed %v, for %v, want %v", cut, c.Closed(), toy.why, why)
		}
		wantInt(t, "errors", int(l.TLS.Errors.Load()), 0)
	}
}

func TestTLSBadRecords(t *testing.T) {
	l, _ := newTLSToys(t, 0, netiotest.Options{})
	errors := 0
	for name, bad := range map[string]func(sealed string) string{
		"a bit":   func(s string) string { return s[:10] + string(s[10]^1) + s[11:] },
		"type":    func(s string) string { return "\x18" + s[1:] },
		"version": func(s string) string { return s[:1] + "\x05" + s[2:] },
		"length":  func(s string) string { return s[:3] + "\xff\xff" + s[5:] },
		"text":    func(string) string { return "echo a\necho b\n" + strings.Repeat("x", 100_000) },
	} {
		c := l.DialTLS(clientTLS())
		toy := c.Session().(*toy)
		wantString(t, name, c.Request("echo a\n"), "a\n")
		c.Client.Send(bad(c.Seal("echo b\n")))
		wantString(t, name, c.Recv(), "")
		if errors++; toy.why != wire.ByError || !c.Closed() {
			t.Errorf("%s: closed %v, for %v", name, c.Closed(), toy.why)
		}
		if name != "text" && (c.End() == nil || c.End() == io.EOF) {
			t.Errorf("%s: the client was told %v, want an alert", name, c.End())
		}
		wantInt(t, name, int(l.TLS.Errors.Load()), errors)
	}
}

func TestTLSStop(t *testing.T) {
	l, ledger := newTLSToys(t, 0, netiotest.Options{})
	idle, slow := l.DialTLS(clientTLS()), l.DialTLS(clientTLS())
	l.Advance(time.Second)
	slow.SetWindow(500)
	slow.Send("big 200000\n")
	l.Stop()
	wantString(t, "the reply that waited", slow.Recv(), expected("big 200000\n", ledger))
	idle.Recv()
	if idle.End() != io.EOF || slow.End() != io.EOF {
		t.Errorf("they were told %v and %v, want good-byes", idle.End(), slow.End())
	}
	l.Advance(5 * time.Second)
	if !idle.Closed() || !slow.Closed() {
		t.Error("not closed")
	}
}

// TestTLSRandom runs random scripts, in random records, split anywhere, over
// sockets of any size.
func TestTLSRandom(t *testing.T) {
	for seed := range uint64(60) {
		r := mathrand.New(mathrand.NewPCG(seed, 1))
		l, ledger := newTLSToys(t, 1+r.IntN(30), netiotest.Options{
			OutCap: 100 + r.IntN(5000), ReadMax: 1 + r.IntN(5000), WriteMax: 1 + r.IntN(5000),
		})
		config := clientTLS()
		config.MaxVersion = tls.VersionTLS12 + uint16(seed%2)
		c := l.DialTLS(config)
		c.SetWindow(r.IntN(3000) + 1)
		script := script(r, 40)
		var got strings.Builder
		for rest := script; len(rest) > 0; {
			n := min(1+r.IntN(20_000), len(rest))
			c.SendSplit(rest[:n], 1+r.IntN(3000), 1+r.IntN(7))
			rest = rest[n:]
			if r.IntN(3) == 0 {
				got.WriteString(c.Open(c.RecvOnce()))
			}
		}
		got.WriteString(c.Recv())
		wantString(t, fmt.Sprint("seed ", seed), got.String(), expected(script, ledger))
	}
}

// FuzzTLS sends records, bad ones and pieces of good ones behind a handshake.
func FuzzTLS(f *testing.F) {
	f.Add([]byte("echo a\n"), []byte{0x17, 3, 3, 0, 1, 0}, uint8(3))
	f.Add([]byte("put 3\nabc"), []byte{0x15, 3, 3, 0, 2, 1, 0}, uint8(1))
	f.Add([]byte("big 70000\n"), []byte("get a\r\n"), uint8(200))
	long := regexp.MustCompile("[0-9]{7}|-") // more or less than a toy has
	f.Fuzz(func(t *testing.T, good, bad []byte, piece uint8) {
		if long.Match(good) {
			t.Skip()
		}
		l, _ := newTLSToys(t, 0, netiotest.Options{ReadMax: 1 + int(piece)*3})
		c := l.DialTLS(clientTLS())
		c.SetWindow(1 + int(piece)*100) // without any, a reply would wait for ever
		sealed := string(bad)
		if len(good) > 0 {
			sealed = c.Seal(string(good[:min(len(good), 1000)])) + sealed
		}
		c.Client.SendSplit(sealed, 1+int(piece))
		c.Recv()
		c.CloseWrite()
		if !c.Closed() && c.Waiting() == 0 {
			t.Error("nothing can come any more, and it is open")
		}
	})
}
