package netio

import (
	"crypto/tls"
	"testing"

	"github.com/pandabeardb/panda/internal/alloctest"
)

// TestTLSRequestsAllocateNothing: a request in a record, and its reply in one.
func TestTLSRequestsAllocateNothing(t *testing.T) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		for _, reply := range []int{8, 2000, 100_000} {
			l, _, h := sealed(t, version, 100, reply, 10*alloctest.Runs)
			alloctest.Zero(t, name, func() { l.Event(0, Readable) })
			if least := alloctest.Runs * reply; h.written < least {
				t.Errorf("%s: %d bytes were answered, want %d", name, h.written, least)
			}
		}
	}
}

// TestTLSAllocatesAReaderPerRecord: so much crypto/tls takes for each record
// that it asks a socket for, where its inside is unknown.
func TestTLSAllocatesAReaderPerRecord(t *testing.T) {
	tlsLayout.known = false
	defer func() { tlsLayout = newTLSFields() }()
	l, _, _ := sealed(t, tls.VersionTLS13, 100, 100, 10*alloctest.Runs)
	alloctest.Exact(t, "a record", 1, func() { l.Event(0, Readable) })
}
