package credentials

import "bytes"

// passwordsMax is the longest user and password together that
// MEMCACHED_SASL_PWDB can hold (MAX_ENTRY_LEN - 4).
const passwordsMax = 252

// parsePasswords takes MEMCACHED_SASL_PWDB apart: lines of user:password, behind
// which more may follow after a colon. memcached looks for a line that begins
// with what a client sent and goes on with a colon or an end, so that each colon
// of a line but the first may end the password. A line longer than fgets reads
// at once counts as two.
func parsePasswords(d *digester, text []byte) (*accounts, error) {
	a := newAccounts()
	for len(text) > 0 {
		var line []byte
		line, text = record(text)
		if end := bytes.IndexByte(line, 0); end >= 0 {
			line = line[:end]
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			continue
		}
		first := len(line)
		for end := len(line); end > colon; end-- {
			if end == len(line) || line[end] == ':' || line[end] == '\n' || line[end] == '\r' {
				a.accepted[d.of(kindLine, line[:end])] = struct{}{}
				first = end
			}
		}
		user := d.of(kindUser, line[:colon])
		if _, known := a.secrets[user]; !known {
			a.secrets[user] = line[colon+1 : first : first]
		}
		if len(a.accepted) > accountsMax {
			return nil, errTooMany
		}
	}
	return a, nil
}
