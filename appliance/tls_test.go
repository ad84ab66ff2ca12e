package appliance

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pandabeardb/panda/appliance/config"
)

// authority is who signs, in a folder of files.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, a.key = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, key
	a.cert = a.sign(a.cert, key.Public())
	a.write("ca.pem", "CERTIFICATE", a.cert.Raw)
	return a
}

func (a *authority) sign(template *x509.Certificate, public any) *x509.Certificate {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(name, kind string, der []byte) {
	a.t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if kind == "" {
		text = der
	}
	if err := os.WriteFile(a.file(name), text, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// issue writes name.pem and name.key, and returns what a client shows.
func (a *authority) issue(name string) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	cert := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, key.Public())
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".pem", "CERTIFICATE", cert.Raw)
	a.write(name+".key", "PRIVATE KEY", der)
	a.write(name+".der", "", der)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

// flags are those of a server with name's certificate.
func (a *authority) flags(name string) string {
	return fmt.Sprintf("-t 1 -p -1 -Z -o ssl_chain_cert=%s,ssl_key=%s", a.file(name+".pem"), a.file(name+".key"))
}

// trusts is the settings of a client that believes a.
func (a *authority) trusts(own ...tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", Certificates: own, MinVersion: tls.VersionTLS10}
}

// dialTLS connects to one of a node's addresses, and asks whether it is served:
// in TLS 1.3 a client that is refused learns it later than its own handshake.
func dialTLS(t *testing.T, a net.Addr, c *tls.Config) (*tls.Conn, error) {
	t.Helper()
	conn := tls.Client(dial(t, a), c)
	if _, err := io.WriteString(conn, "mn\r\n"); err != nil {
		return nil, err
	}
	_, err := io.ReadFull(conn, make([]byte, len("MN\r\n")))
	return conn, err
}

func mustDialTLS(t *testing.T, a net.Addr, c *tls.Config) *tls.Conn {
	t.Helper()
	conn, err := dialTLS(t, a, c)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// shown is the name in the certificate that a server showed.
func shown(c *tls.Conn) string { return c.ConnectionState().PeerCertificates[0].Subject.CommonName }

func TestTLSListeners(t *testing.T) {
	a := newAuthority(t, "authority")
	a.issue("server")
	client, stranger := a.issue("client"), newAuthority(t, "other").issue("client")
	n := start(t, a.flags("server")+",ssl_verify_mode=1,ssl_ca_cert="+a.file("ca.pem")+
		" -l 127.0.0.1:-1,notls:127.0.0.1:-1,btls:127.0.0.1:-1,mtls:127.0.0.1:-1")
	policy, plain, basic, mutual := n.Addrs()[0], n.Addrs()[1], n.Addrs()[2], n.Addrs()[3]
	exchange(t, dial(t, plain), "set a 0 0 1\r\nx\r\n", "STORED\r\n")
	for _, c := range []struct {
		name    string
		addr    net.Addr
		own     []tls.Certificate
		refused bool
	}{
		{"policy, none", policy, nil, false},
		{"policy, ours", policy, []tls.Certificate{client}, false},
		{"policy, other", policy, []tls.Certificate{stranger}, true},
		{"basic, none", basic, nil, false},
		{"basic, other", basic, []tls.Certificate{stranger}, false},
		{"mutual, none", mutual, nil, true},
		{"mutual, ours", mutual, []tls.Certificate{client}, false},
		{"mutual, other", mutual, []tls.Certificate{stranger}, true},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			config := a.trusts()
			config.MaxVersion = version
			if len(c.own) > 0 { // shown whatever authorities the server names
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c.own[0], nil }
			}
			conn, err := dialTLS(t, c.addr, config)
			if (err != nil) != c.refused {
				t.Errorf("%s, %x: %v", c.name, version, err)
			}
			if err == nil {
				exchange(t, conn, "get a\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n")
			}
		}
	}
}

// TestTLSVerifyModes: which clients each ssl_verify_mode lets in.
func TestTLSVerifyModes(t *testing.T) {
	a := newAuthority(t, "authority")
	a.issue("server")
	ours, other := a.issue("client"), newAuthority(t, "other").issue("client")
	const none, known, unknown = 1, 2, 4
	for mode, admitted := range []int{none | known | unknown, none | known, known, known} {
		n := start(t, fmt.Sprint(a.flags("server"), ",ssl_ca_cert=", a.file("ca.pem"), ",ssl_verify_mode=", mode))
		for who, own := range map[int]*tls.Certificate{none: {}, known: &ours, unknown: &other} {
			config := a.trusts()
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own, nil }
			if _, err := dialTLS(t, n.Addrs()[0], config); (err == nil) != (admitted&who != 0) {
				t.Errorf("mode %d, client %d: %v", mode, who, err)
			}
		}
	}
}

func TestTLSWithoutAuthorities(t *testing.T) {
	a := newAuthority(t, "authority")
	client := a.issue("server")
	n := start(t, a.flags("server")+",ssl_verify_mode=2")
	if _, err := dialTLS(t, n.Addrs()[0], a.trusts(client)); err == nil {
		t.Error("a client is believed although no authority is")
	}
}

func TestTLSVersions(t *testing.T) {
	a := newAuthority(t, "authority")
	a.issue("server")
	for least := range 4 {
		n := start(t, fmt.Sprint(a.flags("server"), ",ssl_min_version=", least))
		for version := range 4 {
			config := a.trusts()
			config.MaxVersion = tls.VersionTLS10 + uint16(version)
			if _, err := dialTLS(t, n.Addrs()[0], config); (err == nil) != (version >= least) {
				t.Errorf("at least %d, TLS 1.%d: %v", least, version, err)
			}
		}
	}
}

func TestTLSCiphers(t *testing.T) {
	a := newAuthority(t, "authority")
	a.issue("server")
	n := start(t, a.flags("server")+",ssl_ciphers=ECDHE-ECDSA-AES256-GCM-SHA384:nonsense")
	config := a.trusts()
	config.MaxVersion = tls.VersionTLS12
	c := mustDialTLS(t, n.Addrs()[0], config)
	if got := c.ConnectionState().CipherSuite; got != tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 {
		t.Errorf("cipher %s", tls.CipherSuiteName(got))
	}
	config.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	if _, err := dialTLS(t, n.Addrs()[0], config); err == nil {
		t.Error("a cipher that is not listed was taken")
	}
}

func TestCipherLists(t *testing.T) {
	for list, want := range map[string]string{
		"ECDHE-RSA-AES128-GCM-SHA256":               "ECDHE-RSA-AES128-GCM-SHA256",
		"AES128-SHA:!RSA:AES256-SHA, AES256-SHA256": "",
		"kRSA+AESGCM":                            "AES256-GCM-SHA384 AES128-GCM-SHA256",
		"ECDHE+CHACHA20:@STRENGTH":               "ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305",
		"AESGCM:-kRSA:!ECDSA":                    "ECDHE-RSA-AES256-GCM-SHA384 ECDHE-RSA-AES128-GCM-SHA256",
		"AES128-SHA:+AES128-SHA:AES128-SHA":      "AES128-SHA",
		"HIGH:!aNULL:!MD5:!SHA1:!SHA256:!SHA384": "",
		"foo:bar":                                "",
		"!ALL":                                   "",
		":":                                      "",
	} {
		suites, err := cipherSuites(list)
		var names []string
		for _, id := range suites {
			at := slices.IndexFunc(ciphers[:], func(c cipher) bool { return c.id == id })
			names = append(names, ciphers[at].name)
		}
		if got := strings.Join(names, " "); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %s, %v, want %s", list, got, err, want)
		}
		if err != nil && err.Error() != "Error setting the provided cipher(s): "+list {
			t.Errorf("%s: %v", list, err)
		}
	}
	if all, err := cipherSuites("ALL"); len(all) != len(ciphers) || err != nil {
		t.Errorf("%d of %d, %v", len(all), len(ciphers), err)
	}
	for _, c := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		known := slices.IndexFunc(ciphers[:], func(o cipher) bool { return o.id == c.ID }) >= 0
		outdated := strings.Contains(c.Name, "RC4") || strings.Contains(c.Name, "3DES") // OpenSSL has none of them
		if is13 := c.SupportedVersions[0] == tls.VersionTLS13; known == (is13 || outdated) {
			t.Errorf("%s: known %v", c.Name, known)
		}
	}
}

// TestTLSFilesThatAreWrong compares sentences with those that memcached 1.6.18
// prints, with OpenSSL 3.0.
func TestTLSFilesThatAreWrong(t *testing.T) {
	a := newAuthority(t, "authority")
	a.issue("server")
	a.issue("other")
	_, ed, _ := ed25519.GenerateKey(nil)
	der, err := x509.MarshalPKCS8PrivateKey(ed)
	if err != nil {
		t.Fatal(err)
	}
	a.write("ed.key", "PRIVATE KEY", der)
	a.write("locked.key", "ENCRYPTED PRIVATE KEY", der)
	a.write("text", "", []byte("no certificate\n"))
	cert, key, text, none := a.file("server.pem"), a.file("server.key"), a.file("text"), a.file("none")
	for _, c := range []struct{ options, want string }{
		{"", "Error loading the certificate chain: (null) : error:8000000E:system library::Bad address"},
		{"ssl_chain_cert=" + none, "Error loading the certificate chain: " + none + " : error:80000002:system library::No such file or directory"},
		{"ssl_chain_cert=" + text, "Error loading the certificate chain: " + text + " : error:0480006C:PEM routines::no start line"},
		{"ssl_chain_cert=" + a.dir, "Error loading the certificate chain: " + a.dir + " : error:0480006C:PEM routines::no start line"},
		{"ssl_chain_cert=" + key, "Error loading the certificate chain: " + key + " : error:0480006C:PEM routines::no start line"},
		{"ssl_chain_cert=" + cert, "Error loading the key: (null) : error:8000000E:system library::Bad address"},
		{"ssl_chain_cert=" + cert + ",ssl_key=" + none, "Error loading the key: " + none + " : error:80000002:system library::No such file or directory"},
		{"ssl_chain_cert=" + cert + ",ssl_key=" + text, "Error loading the key: " + text + " : error:1E08010C:DECODER routines::unsupported"},
		{"ssl_chain_cert=" + cert + ",ssl_key=" + cert, "Error loading the key: " + cert + " : error:1E08010C:DECODER routines::unsupported"},
		{"ssl_chain_cert=" + cert + ",ssl_key=" + a.file("locked.key"), "Error loading the key: " + a.file("locked.key") + " : error:1400006B:UI routines::processing error"},
		{"ssl_chain_cert=" + cert + ",ssl_key=" + a.file("other.key"), "Error loading the key: " + a.file("other.key") + " : error:05800074:x509 certificate routines::key values mismatch"},
		{"ssl_chain_cert=" + cert + ",ssl_key=" + a.file("ed.key"), "Error validating the certificate: error:0A0000B1:SSL routines::no certificate assigned"},
		{"ssl_chain_cert=" + cert + ",ssl_key=" + a.file("server.der"), "Error loading the key: " + a.file("server.der") + " : error:1E08010C:DECODER routines::unsupported"},
		{"ssl_chain_cert=" + cert + ",ssl_key=" + text + ",ssl_keyformat=2", "Error loading the key: " + text + " : error:0680008E:asn1 encoding routines::not enough data"},
		{"ssl_chain_cert=" + cert + ",ssl_key=" + key + ",ssl_keyformat=7", "Error loading the key: " + key + " : error:0A00007C:SSL routines::bad ssl filetype"},
		{"ssl_chain_cert=" + cert + ",ssl_key=" + key + ",ssl_ca_cert=" + none, "Error loading the CA certificate: " + none + " : error:80000002:system library::No such file or directory"},
		{"ssl_chain_cert=" + cert + ",ssl_key=" + key + ",ssl_ca_cert=" + text, "Error loading the CA certificate: " + text + " : error:05800088:x509 certificate routines::no certificate or crl found"},
		{"ssl_chain_cert=" + cert + ",ssl_key=" + key + ",ssl_ciphers=foo", "Error setting the provided cipher(s): foo"},
	} {
		args := "-p -1 -Z"
		if c.options != "" {
			args += " -o " + c.options
		}
		n, err := build(t, args)
		if err == nil {
			stop(t, n)
		}
		if err == nil || err.Error() != c.want || !errors.Is(err, ErrTLS) || startCode(err) != config.ExitUsage {
			t.Errorf("%s:\n%v, want\n%s", c.options, err, c.want)
		}
	}
}

// TestKeysOfAllKinds: three forms of key, in both formats.
func TestKeysOfAllKinds(t *testing.T) {
	a := newAuthority(t, "authority")
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := x509.MarshalECPrivateKey(ecKey)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	for kind, key := range map[string]struct {
		public any
		der    []byte
	}{
		"RSA PRIVATE KEY": {rsaKey.Public(), x509.MarshalPKCS1PrivateKey(rsaKey)},
		"EC PRIVATE KEY":  {ecKey.Public(), ec},
		"PRIVATE KEY":     {rsaKey.Public(), pkcs8},
	} {
		cert := a.sign(&x509.Certificate{
			SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: kind}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		}, key.public)
		a.write("kind.pem", "CERTIFICATE", cert.Raw)
		a.write("kind.key", kind, key.der)
		a.write("kind.der", "", key.der)
		for _, flags := range []string{a.flags("kind"), strings.Replace(a.flags("kind"), ".key", ".der", 1) + ",ssl_keyformat=2"} {
			if got := shown(mustDialTLS(t, start(t, flags).Addrs()[0], a.trusts())); got != kind {
				t.Errorf("%s is shown, want %s", got, kind)
			}
		}
	}
}

// TestIssuersAreSent: who signed a certificate that comes alone is found among
// the authorities, as by OpenSSL.
func TestIssuersAreSent(t *testing.T) {
	root := newAuthority(t, "root")
	middle := &authority{t: t, dir: root.dir}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	middle.key = key
	middle.cert = root.sign(&x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "middle"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, key.Public())
	middle.issue("server")
	both := slices.Concat(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.cert.Raw}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: middle.cert.Raw}))
	root.write("both.pem", "", both)
	n := start(t, middle.flags("server")+",ssl_ca_cert="+root.file("both.pem"))
	c := mustDialTLS(t, n.Addrs()[0], root.trusts())
	if sent := c.ConnectionState().PeerCertificates; len(sent) != 3 || !bytes.Equal(sent[2].Raw, root.cert.Raw) {
		t.Errorf("%d certificates", len(sent))
	}
}

func TestTLSRefresh(t *testing.T) {
	a := newAuthority(t, "authority")
	a.issue("server")
	n := start(t, a.flags("server")+",ssl_session_cache")
	addr := n.Addrs()[0]
	config := a.trusts()
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	old := mustDialTLS(t, addr, config)
	files := func(from string) {
		for _, ending := range []string{".pem", ".key"} {
			b, err := os.ReadFile(a.file(from + ending))
			if err == nil {
				err = os.WriteFile(a.file("server"+ending), b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	a.issue("next")
	a.issue("third")
	files("next")
	exchange(t, old, "refresh_certs\r\n", "OK\r\n")
	if got := shown(mustDialTLS(t, addr, a.trusts())); got != "next" {
		t.Errorf("%s is shown, want next", got)
	}
	resumed := mustDialTLS(t, addr, config)
	if !resumed.ConnectionState().DidResume || shown(resumed) != "server" {
		t.Errorf("a session of before: resumed %v, of %s", resumed.ConnectionState().DidResume, shown(resumed))
	}
	if err := os.Remove(a.file("server.key")); err != nil {
		t.Fatal(err)
	}
	exchange(t, old, "refresh_certs\r\nmn\r\n", "Error loading the key: "+a.file("server.key")+
		" : error:80000002:system library::No such file or directory\r\nMN\r\n")
	n.reload()
	if got := shown(mustDialTLS(t, addr, a.trusts())); got != "next" {
		t.Errorf("%s is shown after a failure, want next", got)
	}
	files("third")
	n.reload()
	if got := shown(mustDialTLS(t, addr, a.trusts())); got != "third" {
		t.Errorf("%s is shown, want third", got)
	}
	exchange(t, old, "mn\r\n", "MN\r\n")
}

// TestTLSRefreshDropsNobody: connections are served, and others begin, while
// certificates are read again and again.
func TestTLSRefreshDropsNobody(t *testing.T) {
	const clients, refreshes = 4, 30
	a := newAuthority(t, "authority")
	a.issue("server")
	n := start(t, a.flags("server"))
	ended := make(chan struct{})
	var all sync.WaitGroup
	for range clients {
		c := mustDialTLS(t, n.Addrs()[0], a.trusts())
		all.Go(func() {
			reply := make([]byte, len("MN\r\n"))
			for {
				select {
				case <-ended:
					return
				default:
				}
				if _, err := io.WriteString(c, "mn\r\n"); err != nil {
					t.Error(err)
					return
				}
				if _, err := io.ReadFull(c, reply); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range refreshes {
		if i%2 == 0 {
			n.reload()
		} else {
			exchange(t, mustDialTLS(t, n.Addrs()[0], a.trusts()), "refresh_certs\r\n", "OK\r\n")
		}
	}
	close(ended)
	all.Wait()
}

// TestTLSKeyOfRoot: files that could be read when the process started are good
// until they are read again.
func TestTLSKeyOfRoot(t *testing.T) {
	a := newAuthority(t, "authority")
	a.issue("server")
	c, exit := config.Memcached("memcached", strings.Fields(a.flags("server")))
	if exit != nil {
		t.Fatal(exit)
	}
	readEarly(c.TLS)
	if err := os.Remove(a.file("server.key")); err != nil {
		t.Fatal(err)
	}
	certs, err := loadCertificates(&c)
	if err != nil {
		t.Fatal(err)
	}
	if err := certs.refresh(); err == nil {
		t.Error("what is gone was read again")
	}
}

func TestTLSStatistics(t *testing.T) {
	a := newAuthority(t, "authority")
	a.issue("server")
	for version, want := range map[string]string{
		"1.6.18": "STAT ssl_new_sessions 1\r\nSTAT ssl_handshake_errors 0\r\nSTAT time_since_server_cert_refresh ",
		"1.6.45": "STAT ssl_new_sessions 1\r\nSTAT ssl_handshake_errors 0\r\nSTAT ssl_proto_errors 0\r\nSTAT time_since_server_cert_refresh ",
	} {
		n := start(t, "--compat "+version+" "+a.flags("server")+",ssl_session_cache")
		c := mustDialTLS(t, n.Addrs()[0], a.trusts())
		if _, err := io.WriteString(c, "stats\r\nquit\r\n"); err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(c)
		if err != nil || !strings.Contains(string(all), "STAT log_watchers 0\r\n"+want) {
			t.Errorf("%s: %v\n%s", version, err, all)
		}
	}
}
