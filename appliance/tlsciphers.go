package appliance

import (
	"crypto/tls"
	"slices"
	"strings"
)

// cipher is one of TLS 1.2 or before that Go knows, by OpenSSL's name.
type cipher struct {
	name string
	id   uint16
	tags string // OpenSSL's words for groups that it is in
}

// ciphers are those that Go knows. TLS 1.3's are not chosen, with OpenSSL's
// list neither.
var ciphers = [...]cipher{
	{"ECDHE-ECDSA-AES256-GCM-SHA384", tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "ECDHE kECDHE aECDSA ECDSA AESGCM AES AES256 SHA384 HIGH TLSv1.2"},
	{"ECDHE-RSA-AES256-GCM-SHA384", tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "ECDHE kECDHE aRSA AESGCM AES AES256 SHA384 HIGH TLSv1.2"},
	{"ECDHE-ECDSA-CHACHA20-POLY1305", tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE kECDHE aECDSA ECDSA CHACHA20 SHA256 HIGH TLSv1.2"},
	{"ECDHE-RSA-CHACHA20-POLY1305", tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE kECDHE aRSA CHACHA20 SHA256 HIGH TLSv1.2"},
	{"ECDHE-ECDSA-AES128-GCM-SHA256", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "ECDHE kECDHE aECDSA ECDSA AESGCM AES AES128 SHA256 HIGH TLSv1.2"},
	{"ECDHE-RSA-AES128-GCM-SHA256", tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "ECDHE kECDHE aRSA AESGCM AES AES128 SHA256 HIGH TLSv1.2"},
	{"ECDHE-ECDSA-AES256-SHA", tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, "ECDHE kECDHE aECDSA ECDSA AES AES256 SHA SHA1 HIGH TLSv1"},
	{"ECDHE-RSA-AES256-SHA", tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, "ECDHE kECDHE aRSA AES AES256 SHA SHA1 HIGH TLSv1"},
	{"ECDHE-ECDSA-AES128-SHA256", tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, "ECDHE kECDHE aECDSA ECDSA AES AES128 SHA256 HIGH TLSv1.2"},
	{"ECDHE-RSA-AES128-SHA256", tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, "ECDHE kECDHE aRSA AES AES128 SHA256 HIGH TLSv1.2"},
	{"ECDHE-ECDSA-AES128-SHA", tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, "ECDHE kECDHE aECDSA ECDSA AES AES128 SHA SHA1 HIGH TLSv1"},
	{"ECDHE-RSA-AES128-SHA", tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, "ECDHE kECDHE aRSA AES AES128 SHA SHA1 HIGH TLSv1"},
	{"AES256-GCM-SHA384", tls.TLS_RSA_WITH_AES_256_GCM_SHA384, "RSA kRSA aRSA AESGCM AES AES256 SHA384 HIGH TLSv1.2"},
	{"AES128-GCM-SHA256", tls.TLS_RSA_WITH_AES_128_GCM_SHA256, "RSA kRSA aRSA AESGCM AES AES128 SHA256 HIGH TLSv1.2"},
	{"AES256-SHA", tls.TLS_RSA_WITH_AES_256_CBC_SHA, "RSA kRSA aRSA AES AES256 SHA SHA1 HIGH TLSv1"},
	{"AES128-SHA256", tls.TLS_RSA_WITH_AES_128_CBC_SHA256, "RSA kRSA aRSA AES AES128 SHA256 HIGH TLSv1.2"},
	{"AES128-SHA", tls.TLS_RSA_WITH_AES_128_CBC_SHA, "RSA kRSA aRSA AES AES128 SHA SHA1 HIGH TLSv1"},
}

// cipherSuites reads a list as OpenSSL does: names and groups with colons,
// commas or spaces between, each added, or with "-" or "!" taken out, the
// latter for good. What OpenSSL or Go does not know is passed over; a list that
// names nothing is an error. "" is what Go thinks is safe.
func cipherSuites(list string) ([]uint16, error) {
	if list == "" {
		return nil, nil
	}
	var chosen, never []uint16
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(":, ;", r) }) {
		name := strings.TrimLeft(word, "!-+")
		if strings.HasPrefix(name, "@") {
			continue // @STRENGTH, @SECLEVEL=1: Go orders by itself, and has no levels
		}
		for i := range ciphers {
			c := &ciphers[i]
			if !c.named(name) {
				continue
			}
			switch at := slices.Index(chosen, c.id); {
			case word[0] == '!':
				never = append(never, c.id)
				fallthrough
			case word[0] == '-':
				if at >= 0 {
					chosen = slices.Delete(chosen, at, at+1)
				}
			case word[0] != '+' && at < 0 && !slices.Contains(never, c.id): // "+" only changes the order
				chosen = append(chosen, c.id)
			}
		}
	}
	if len(chosen) == 0 {
		return nil, &cipherError{list}
	}
	return chosen, nil
}

// named reports whether a word of a list, groups with "+" between, means c.
func (c *cipher) named(word string) bool {
	switch word {
	case "":
		return false
	case c.name, "ALL", "DEFAULT":
		return true
	}
	for _, group := range strings.Split(word, "+") {
		if !slices.Contains(strings.Fields(c.tags), group) {
			return false
		}
	}
	return true
}
