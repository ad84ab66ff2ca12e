package appliance

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/pandabeardb/panda/appliance/config"
)

// The reasons that memcached's sentences end with are OpenSSL's, numbers and all.
const (
	reasonAddress   = "error:8000000E:system library::Bad address" // no file is named
	reasonNoPEM     = "error:0480006C:PEM routines::no start line"
	reasonNoKey     = "error:1E08010C:DECODER routines::unsupported"
	reasonPassword  = "error:1400006B:UI routines::processing error"
	reasonNoDER     = "error:0680008E:asn1 encoding routines::not enough data"
	reasonFormat    = "error:0A00007C:SSL routines::bad ssl filetype"
	reasonMismatch  = "error:05800074:x509 certificate routines::key values mismatch"
	reasonOtherKind = "error:0A0000B1:SSL routines::no certificate assigned"
	reasonNoCA      = "error:05800088:x509 certificate routines::no certificate or crl found"
)

const (
	keyPEM = 1 // SSL_FILETYPE_PEM
	keyDER = 2 // SSL_FILETYPE_ASN1
)

// chainMax bounds the issuers that are added to a certificate.
const chainMax = 10

// tlsFiles is what the files of TLS hold.
type tlsFiles struct {
	certificate tls.Certificate
	authorities *x509.CertPool // of clients; empty: none is trusted
}

// readTLSFiles reads them, in memcached's order.
func readTLSFiles(c *config.TLS, read func(string) ([]byte, error)) (*tlsFiles, error) {
	f := &tlsFiles{authorities: x509.NewCertPool()}
	text, reason := readTLSFile(c.ChainCert, read)
	if reason == "" {
		f.certificate.Certificate, f.certificate.Leaf, reason = parseChain(text)
	}
	if reason != "" {
		return nil, &certificateError{"loading the certificate chain", c.ChainCert, reason}
	}
	text, reason = readTLSFile(c.Key, read)
	var key crypto.Signer
	if reason == "" {
		key, reason = parseKey(text, c.KeyFormat)
	}
	if reason == "" {
		reason = matchKey(f.certificate.Leaf, key)
	}
	switch reason {
	case "":
		f.certificate.PrivateKey = key
	case reasonOtherKind:
		return nil, &certificateError{what: "validating the certificate", reason: reason}
	default:
		return nil, &certificateError{"loading the key", c.Key, reason}
	}
	if c.CACert != "" {
		if reason := f.readAuthorities(c.CACert, read); reason != "" {
			return nil, &certificateError{"loading the CA certificate", c.CACert, reason}
		}
	}
	return f, nil
}

// readTLSFile reads one file.
func readTLSFile(name string, read func(string) ([]byte, error)) (text []byte, reason string) {
	if name == "" {
		return nil, reasonAddress
	}
	text, err := read(name)
	var number syscall.Errno
	switch {
	case err == nil, errors.Is(err, syscall.EISDIR): // which OpenSSL finds to be empty
		return text, ""
	case errors.As(err, &number):
		return nil, fmt.Sprintf("error:%08X:system library::%s", 1<<31|uint32(number), errnoText(number))
	}
	return nil, err.Error()
}

// parseChain takes the certificates out of a file, the server's first.
func parseChain(text []byte) (chain [][]byte, leaf *x509.Certificate, reason string) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type == "CERTIFICATE" {
			chain = append(chain, block.Bytes)
		}
	}
	if len(chain) == 0 {
		return nil, nil, reasonNoPEM
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, nil, err.Error()
	}
	return chain, leaf, ""
}

// parseKey takes the private key out of a file.
func parseKey(text []byte, format int) (key crypto.Signer, reason string) {
	switch format {
	case keyPEM:
	case keyDER:
		if key = parseKeyDER(text); key == nil {
			return nil, reasonNoDER
		}
		return key, ""
	default:
		return nil, reasonFormat
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil, reasonNoKey
		}
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY", strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
			return nil, reasonPassword // nobody is there to be asked
		case !strings.HasSuffix(block.Type, "PRIVATE KEY"):
			continue
		}
		if key = parseKeyDER(block.Bytes); key == nil {
			return nil, reasonNoKey
		}
		return key, ""
	}
}

// parseKeyDER reads any of the three forms; nil: it is none.
func parseKeyDER(der []byte) crypto.Signer {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		signer, _ := key.(crypto.Signer)
		return signer
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key
	}
	return nil
}

// matchKey says what is wrong with a key for a certificate.
func matchKey(leaf *x509.Certificate, key crypto.Signer) (reason string) {
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err == nil && bytes.Equal(public, leaf.RawSubjectPublicKeyInfo) {
		return ""
	}
	if same, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); ok && same.Equal(key.Public()) {
		return ""
	}
	if fmt.Sprintf("%T", leaf.PublicKey) != fmt.Sprintf("%T", key.Public()) {
		return reasonOtherKind
	}
	return reasonMismatch
}

// readAuthorities is ssl_ca_cert. The issuers of a certificate that comes alone
// are looked for among them, and sent with it, as OpenSSL does.
func (f *tlsFiles) readAuthorities(name string, read func(string) ([]byte, error)) (reason string) {
	text, reason := readTLSFile(name, read)
	if reason != "" {
		return reason
	}
	var list []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		if one, err := x509.ParseCertificate(block.Bytes); err == nil {
			f.authorities.AddCert(one)
			list = append(list, one)
		}
	}
	if len(list) == 0 {
		return reasonNoCA
	}
	if len(f.certificate.Certificate) == 1 {
		f.certificate.Certificate = appendIssuers(f.certificate.Certificate, f.certificate.Leaf, list)
	}
	return ""
}

// appendIssuers appends what of list leads from a certificate to its root.
func appendIssuers(chain [][]byte, last *x509.Certificate, list []*x509.Certificate) [][]byte {
	for range chainMax {
		issuer := issuerOf(last, list)
		if issuer == nil {
			break
		}
		chain, last = append(chain, issuer.Raw), issuer
	}
	return chain
}

// issuerOf is who signed a certificate; nil: itself, or somebody else.
func issuerOf(c *x509.Certificate, list []*x509.Certificate) *x509.Certificate {
	if bytes.Equal(c.RawIssuer, c.RawSubject) {
		return nil
	}
	for _, one := range list {
		if bytes.Equal(one.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(one) == nil {
			return one
		}
	}
	return nil
}
