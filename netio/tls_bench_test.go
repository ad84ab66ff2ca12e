package netio

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/wire"
)

// canned is a Host with one socket, from which each read gets one request.
type canned struct {
	records []byte // sealed requests, all of one length
	each    int
	written int
	refusal int // what writes return; 0: they take everything
	closed  bool
}

func (h *canned) Read(_ int, p []byte) int {
	n := copy(p, h.records[:h.each])
	h.records = h.records[n:]
	return n
}

func (h *canned) Write(_ int, p []byte) int {
	if h.refusal != 0 {
		return h.refusal
	}
	h.written += len(p)
	return len(p)
}

func (h *canned) WriteVectors(_ int, v [][]byte) (n int) {
	for _, p := range v {
		n += len(p)
	}
	h.written += n
	return n
}

func (h *canned) ReadVectors(fd int, v [][]byte) int { return h.Read(fd, v[0]) }
func (h *canned) WantWrite(int, bool)                {}
func (h *canned) CloseWrite(int)                     {}
func (h *canned) Close(int)                          { h.closed = true }
func (h *canned) Ready()                             {}

// answering is a session that answers whatever it is fed.
type answering struct{ reply []byte }

func (s *answering) Feed(in []byte, out *wire.Out) (int, wire.Next) {
	out.Buf = append(out.Buf, s.reply...)
	return len(in), wire.More
}
func (*answering) Body(v [][]byte) [][]byte        { return v }
func (*answering) Filled(int, *wire.Out) wire.Next { return wire.More }
func (*answering) Close(wire.Reason)               {}

// still is a clock that stands.
type still struct{}

func (still) NowMS() int64 { return 0 }

// keeper is a client's socket that keeps what is written to it behind the
// handshake.
type keeper struct {
	net.Conn
	kept *bytes.Buffer
}

func (k *keeper) Write(b []byte) (int, error) {
	if k.kept == nil {
		return k.Conn.Write(b)
	}
	return k.kept.Write(b)
}

// ownCertificate is one that nobody signed.
func ownCertificate(tb testing.TB) tls.Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// sealed is a connection of TLS in a Core whose peer has sealed n requests.
func sealed(tb testing.TB, version uint16, request, reply, n int) (*TLS, *TLSConn, *canned) {
	tb.Helper()
	near, far := net.Pipe()
	defer near.Close()
	server := NewTLSConn(far, &tls.Config{
		Certificates:                []tls.Certificate{ownCertificate(tb)},
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true,
	})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	socket := &keeper{Conn: near}
	client := tls.Client(socket, &tls.Config{InsecureSkipVerify: true, MaxVersion: version, DynamicRecordSizingDisabled: true})
	if err := client.Handshake(); err != nil {
		tb.Fatal(err)
	}
	if err := <-done; err != nil {
		tb.Fatal(err)
	}
	h := new(canned)
	socket.kept = new(bytes.Buffer)
	plain := []byte(strings.Repeat("g", request))
	for range n {
		if _, err := client.Write(plain); err != nil {
			tb.Fatal(err)
		}
	}
	h.records = socket.kept.Bytes()
	h.each = len(h.records) / n
	t := NewTLS(h, CoreConfig{Clock: still{}})
	t.Add(0, &answering{bytes.Repeat([]byte("r"), reply)}, false, server)
	return t, server, h
}

// BenchmarkTLS is what a request costs between the socket and the session.
func BenchmarkTLS(b *testing.B) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		for _, size := range []struct {
			name           string
			request, reply int
		}{{"get", 20, 130}, {"set", 140, 8}, {"get16", 320, 2000}} {
			b.Run(name+"/"+size.name, func(b *testing.B) {
				t, _, h := sealed(b, version, size.request, size.reply, b.N)
				b.ReportAllocs()
				b.ResetTimer() // for b.Loop does not say beforehand how often
				for range b.N {
					t.Event(0, Readable)
				}
				if h.written < b.N*size.reply {
					b.Fatalf("%d bytes were answered", h.written)
				}
			})
		}
	}
}
