package appliance

import (
	"crypto/tls"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/wire/memcache"
)

// certificates are what TLS is spoken with: they are read at the start, and
// again by SIGHUP and refresh_certs. A connection keeps those it began with.
type certificates struct {
	config  *config.TLS
	tickets bool
	suites  []uint16 // of TLS 1.2 and before; nil: Go's

	mu          sync.Mutex // one reads at a time
	current     atomic.Pointer[policies]
	refreshedMS atomic.Int64 // of the last time they were read again; 0: they never were

	// bases are what listeners hand to crypto/tls, for as long as the node
	// lives: tickets that one certificate's sessions were given are good under
	// the next.
	bases policies
}

// policies are settings by how a listener is protected.
type policies [config.PolicyTLS + 1]*tls.Config

// loadCertificates reads what -Z needs; nil without it. The error is memcached's
// sentence.
func loadCertificates(c *config.Config) (*certificates, error) {
	if c.TLS == nil {
		return nil, nil
	}
	// memcached's sessions can be resumed whatever ssl_session_cache says, by
	// tickets.
	certs := &certificates{config: c.TLS, tickets: c.TLS.SessionCache || c.AsMemcached}
	read := func(name string) ([]byte, error) {
		if early, ok := c.TLS.Early[name]; ok {
			return early, nil
		}
		return os.ReadFile(name)
	}
	if _, err := readTLSFiles(c.TLS, read); err != nil { // first, as with memcached
		return nil, err
	}
	var err error
	if certs.suites, err = cipherSuites(c.TLS.Ciphers); err != nil {
		return nil, err
	}
	if err := certs.load(read); err != nil {
		return nil, err
	}
	for s := range certs.bases {
		certs.bases[s] = certs.policy(config.Security(s), nil)
		certs.bases[s].GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return certs.current.Load()[s], nil
		}
	}
	return certs, nil
}

// base is what a listener of this kind hands to crypto/tls; nil: plain text.
func (c *certificates) base(s config.Security) *tls.Config {
	if c == nil || s == config.PlainText {
		return nil
	}
	return c.bases[s]
}

// load reads the files, and has new connections use what is in them. When
// something is wrong with one, everything stays as it was.
func (c *certificates) load(read func(string) ([]byte, error)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	files, err := readTLSFiles(c.config, read)
	if err != nil {
		return err
	}
	next := new(policies)
	for s := range next {
		next[s] = c.policy(config.Security(s), files)
	}
	c.current.Store(next)
	return nil
}

// policy is the settings of listeners that are protected in one way.
func (c *certificates) policy(s config.Security, files *tlsFiles) *tls.Config {
	p := &tls.Config{
		MinVersion:             uint16(tls.VersionTLS10 + c.config.MinVersion),
		CipherSuites:           c.suites,
		SessionTicketsDisabled: !c.tickets,
		// A reply leaves in one write, so that cutting it into records of a
		// segment each would only cost.
		DynamicRecordSizingDisabled: true,
	}
	if files == nil {
		return p
	}
	p.Certificates = []tls.Certificate{files.certificate}
	p.ClientCAs = files.authorities
	switch {
	case c.config.NeedsCertificate(s):
		p.ClientAuth = tls.RequireAndVerifyClientCert
	case s == config.PolicyTLS && c.config.VerifyMode == 1:
		p.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return p
}

// refresh reads the certificates again.
func (c *certificates) refresh() error {
	err := c.load(os.ReadFile)
	if err == nil {
		c.refreshedMS.Store(time.Now().UnixMilli())
	}
	return err
}

// readEarly keeps what the files hold now, since the user that the process is
// about to become may not be allowed to read the key, as with memcached.
func readEarly(c *config.TLS) {
	if c == nil {
		return
	}
	c.Early = map[string][]byte{}
	for _, name := range []string{c.ChainCert, c.Key, c.CACert} {
		if b, err := os.ReadFile(name); err == nil { // else it is read again, and complained of
			c.Early[name] = b
		}
	}
}

// refreshCertificates is the refresh_certs command: "", or what it answers. It
// takes a millisecond of the loop that asks.
func (n *Node) refreshCertificates() string {
	if err := n.tls.refresh(); err != nil {
		n.log.Error("the certificates stay as they are", "error", err)
		return err.Error() + "\r\n"
	}
	n.log.Info("the certificates were read again")
	return ""
}

// reloadCertificates is SIGHUP's part of it.
func (n *Node) reloadCertificates() {
	if n.tls != nil {
		n.refreshCertificates()
	}
}

// refresher is what sessions know of it.
func (n *Node) refresher() *memcache.Certificates {
	if n.tls == nil {
		return nil
	}
	return &memcache.Certificates{Refresh: n.refreshCertificates, RefreshedMS: n.tls.refreshedMS.Load}
}
