package credentials

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// place is a SASL of a test: its files are where the test puts them.
type place struct {
	*SASL
	t   *testing.T
	dir string
	log bytes.Buffer
}

// open opens SASL with these files; "" leaves one out.
func open(t *testing.T, config, passwords string) *place {
	t.Helper()
	p := &place{t: t, dir: t.TempDir()}
	var env []string
	if config != "" {
		p.write("memcached.conf", strings.ReplaceAll(config, "DIR", p.dir))
		env = append(env, "SASL_CONF_PATH="+p.dir)
	}
	if passwords != "" {
		p.write("pwdb", passwords)
		env = append(env, "MEMCACHED_SASL_PWDB="+filepath.Join(p.dir, "pwdb"))
	}
	var err error
	if p.SASL, err = OpenSASL(environment(env...), slog.New(slog.NewTextHandler(&p.log, nil))); err != nil {
		t.Fatal(err)
	}
	p.hostname = "vm"
	return p
}

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for _, pair := range pairs {
			if key, value, _ := strings.Cut(pair, "="); key == name {
				return value
			}
		}
		return ""
	}
}

func (p *place) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// copy puts one of testdata's databases in place.
func (p *place) copy(database string) {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", database))
	if err != nil {
		p.t.Fatal(err)
	}
	p.write("db", string(text))
}

func (p *place) plain(identity, user, password string, want bool) {
	p.t.Helper()
	if got := p.Plain([]byte(identity), []byte(user), []byte(password)); got != want {
		p.t.Errorf("%q as %q with %q: %v", identity, user, password, got)
	}
}

// TestPasswords holds MEMCACHED_SASL_PWDB to what memcached 1.6.18 answered on
// a host named vm, but that users without a realm match lines without one, too.
func TestPasswords(t *testing.T) {
	p := open(t, "mech_list: plain\n", "bob@vm:secret\nal@vm:pw:extra\ndup@vm:one\ndup@vm:two\nempty@vm:\nat@vm:x\ncr@vm:pw\r\n"+
		"bare:word\n"+strings.Repeat("l", 300)+":x\nnl@vm:last")
	for _, c := range []struct {
		user, password string
		want           bool
	}{
		{"bob", "secret", true}, {"bob@vm", "secret", true}, {"bob@x", "secret", false}, {"at@vm", "x", true},
		{"al", "pw", true}, {"al", "pw:extra", true}, {"al", "p", false}, {"al:pw", "extra", false}, {"al", "", false},
		{"dup", "one", true}, {"dup", "two", true}, // 1.6.18 knows the first, 1.6.45 both
		{"empty", "", true}, {"cr", "pw", true}, {"nl", "last", true}, {"nl", "las", false},
		{"bob", "secret\n", true}, {"bob", "", false}, {" bob", "secret", true}, {"bob\n", "secret", true}, {"BOB", "secret", false},
		{"bare", "word", true}, {"bare@vm", "word", false}, {"bare@x", "word", false},
		{"bob", "secret" + strings.Repeat("x", 300), false}, {"", "secret", false}, {" ", "secret", false},
		{strings.Repeat("l", 45), "x", true}, // the end of a line that is read in two
	} {
		p.plain("", c.user, c.password, c.want)
	}
	p.plain("bob", "bob", "secret", true)
	p.plain("bob@vm", "bob", "secret", true)
	p.plain(" bob", "bob", "secret", true)
	p.plain("bob@x", "bob", "secret", false)
	p.plain("al", "bob", "secret", false)
}

// TestDatabase reads what saslpasswd2 wrote on Debian 12.
func TestDatabase(t *testing.T) {
	p := open(t, "mech_list: plain cram-md5\nlog_level: 5\nsasldb_path: DIR/db\n", "")
	p.plain("", "bob", "secret", false)
	p.copy("debian12.sasldb") // what appears later is there at once
	p.plain("", "bob", "secret", true)
	p.plain("", "bob@vm", "secret", true)
	p.plain("", "bob", "", false)
	p.plain("", "testuser", "testpass", false)
	p.plain("", "testuser@memcached.realm", "testpass", true)
	p.plain("", "testuser@MEMCACHED.REALM", "testpass", false)
	p.copy("many.sasldb")
	for i := 1; i <= 300; i++ {
		p.plain("", fmt.Sprintf("user%d@realm.example", i), fmt.Sprintf("password-%d", i), i%7 != 1)
	}
	p.plain("", "long@realm.example", strings.Repeat("L", 1500), true)
	p.plain("", "long@realm.example", strings.Repeat("L", 1499), false)
	p.plain("", "bob", "secret", false)
}

// TestDatabaseOfTheOtherByteOrder turns a database's numbers round.
func TestDatabaseOfTheOtherByteOrder(t *testing.T) {
	text := readDatabase(t, "many.sasldb")
	d := newDigester()
	want, err := parseDatabase(d, text)
	if err != nil {
		t.Fatal(err)
	}
	turned := turn(text)
	got, err := parseDatabase(d, turned)
	if err != nil || len(got.accepted) != len(want.accepted) || len(want.accepted) != 258 {
		t.Fatal(err, len(got.accepted), len(want.accepted))
	}
	for sum := range want.accepted {
		if !got.has(sum) {
			t.Fatal("a user is missing")
		}
	}
}

// turn reverses the bytes of all numbers of a database that are read.
func turn(text []byte) []byte {
	text = bytes.Clone(text)
	swap := func(at, n int) {
		for i := range n / 2 {
			text[at+i], text[at+n-1-i] = text[at+n-1-i], text[at+i]
		}
	}
	db, _ := openDatabase(text)
	for number := 1; number < db.pages; number++ {
		base, page := number*db.size, bytes.Clone(db.page(number))
		entries := db.short(page, pageEntries)
		if page[pageType] == pageHash {
			end := len(page)
			for i := range entries {
				start := db.short(page, pageHead+2*i)
				if page[start] == entryOverflow {
					swap(base+start+4, 4)
					swap(base+start+8, 4)
				}
				swap(base+pageHead+2*i, 2)
				end = start
			}
			_ = end
		}
		swap(base+pageNext, 4)
		swap(base+pageEntries, 2)
		swap(base+pageFree, 2)
	}
	for _, at := range []int{metaMagic, metaVersion, metaPageSize, metaLastPage, metaPartitions} {
		swap(at, 4)
	}
	return text
}

func readDatabase(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestDamage: a database that is cut or spoiled is refused, and refusals name
// what is wrong.
func TestDamage(t *testing.T) {
	good := readDatabase(t, "debian12.sasldb")
	for want, spoil := range map[error]func(b []byte) []byte{
		errNotDatabase: func(b []byte) []byte { b[metaMagic]++; return b },
		errVersion:     func(b []byte) []byte { b[metaVersion] = 99; return b },
		errProtected:   func(b []byte) []byte { b[metaEncryption] = 1; return b },
		errDamaged:     func(b []byte) []byte { b[4096+pageHead+1] = 0xff; return b },
	} {
		if _, err := parseDatabase(newDigester(), spoil(bytes.Clone(good))); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	for _, n := range []int{0, 1, metaEnd - 1} {
		if _, err := parseDatabase(newDigester(), good[:n]); !errors.Is(err, errNotDatabase) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// TestSpoiledFileKeepsUsers: what cannot be understood changes nothing, what is
// gone knows nobody.
func TestSpoiledFileKeepsUsers(t *testing.T) {
	p := open(t, "sasldb_path: DIR/db\n", "")
	p.copy("debian12.sasldb")
	p.plain("", "bob", "secret", true)
	p.write("db", "spoiled")
	p.plain("", "bob", "secret", true)
	p.plain("", "bob", "secret", true)
	if n := strings.Count(p.log.String(), errNotDatabase.Error()); n != 1 {
		t.Errorf("told %d times: %s", n, &p.log)
	}
	os.Remove(filepath.Join(p.dir, "db"))
	p.plain("", "bob", "secret", false)
	p.copy("debian12.sasldb")
	p.plain("", "bob", "secret", true)
}

// TestSettled: a file whose time tells nothing yet is read again; one whose time
// does is not, as long as it looks the same.
func TestSettled(t *testing.T) {
	p := open(t, "", "bob:one\n")
	name, reads := filepath.Join(p.dir, "pwdb"), 0
	parse := p.passwords.parse
	p.passwords.parse = func(text []byte) (*accounts, error) { reads++; return parse(text) }
	stamp := time.Unix(1_700_000_000, 0)
	later := func(d time.Duration) { p.passwords.now = func() time.Time { return stamp.Add(d) } }
	again := func(text string) { p.write("pwdb", text); os.Chtimes(name, stamp, stamp) }

	again("bob:one\n")
	later(time.Second)
	p.plain("", "bob", "one", true)
	again("bob:two\n") // within the same step of the clock
	p.plain("", "bob", "two", true)
	later(3 * time.Second)
	p.plain("", "bob", "two", true)
	if reads != 2 {
		t.Errorf("parsed %d times", reads)
	}
	again("bob:six\n") // nothing shows that it has changed
	p.plain("", "bob", "two", true)
	p.Reload()
	p.plain("", "bob", "six", true)
	os.WriteFile(name, []byte("bob:seven\n"), 0o600)
	p.plain("", "bob", "seven", true)
}

// TestCRAM holds CRAM-MD5 to what memcached 1.6.18 answered.
func TestCRAM(t *testing.T) {
	p := open(t, "sasldb_path: DIR/db\n", "pw@vm:word:more\n")
	p.copy("debian12.sasldb")
	respond := func(user, password string, change func(answer string) string) bool {
		challenge := p.Challenge()
		mac := hmac.New(md5.New, []byte(password))
		mac.Write(challenge)
		return p.Response(challenge, []byte(change(user+" "+hex.EncodeToString(mac.Sum(nil)))))
	}
	same := func(answer string) string { return answer }
	for _, c := range []struct {
		name, user, password string
		change               func(string) string
		want                 bool
	}{
		{"good", "bob", "secret", same, true},
		{"realm", "bob@vm", "secret", same, true},
		{"other realm", "testuser@memcached.realm", "testpass", same, true},
		{"of MEMCACHED_SASL_PWDB", "pw", "word", same, true},
		{"wrong", "bob", "secrex", same, false},
		{"nobody", "bobx", "secret", same, false},
		{"nobody without a password", "bobx", "", same, false},
		{"capitals", "bob", "secret", func(a string) string { return a[:4] + strings.ToUpper(a[4:]) }, false},
		{"more behind", "bob", "secret", func(a string) string { return a + "x" }, true},
		{"NUL behind", "bob", "secret", func(a string) string { return a + "\x00" }, true},
		{"no user", "bob", "secret", func(a string) string { return a[4:] }, false},
		{"empty", "bob", "secret", func(string) string { return "" }, false},
		{"short", "bob", "secret", func(a string) string { return a[:len(a)-1] }, false},
		{"long", "bob", "secret", func(string) string { return strings.Repeat("x", 2000) }, false},
	} {
		if got := respond(c.user, c.password, c.change); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if bytes.Equal(p.Challenge(), p.Challenge()) {
		t.Error("two challenges are the same")
	}
}

func TestOpenSASL(t *testing.T) {
	if len(configPlaces) != 2 {
		t.Fatal("other places")
	}
	for _, place := range configPlaces {
		if exists(filepath.Join(place, configName)) {
			t.Skipf("this host has a SASL configuration of memcached's in %s", place)
		}
	}
	if _, err := OpenSASL(environment(), slog.New(slog.DiscardHandler)); !errors.Is(err, ErrNoConfig) {
		t.Error(err)
	}
	if p := open(t, "", "a:b\n"); p.Mechanisms() != "PLAIN" || p.database != nil {
		t.Error(p.Mechanisms())
	}
	s, err := OpenSASL(environment("SASL_CONF_PATH=/nonexistent"), slog.New(slog.DiscardHandler))
	if err != nil || s.Mechanisms() != "CRAM-MD5 PLAIN" || s.database.path != databaseDefault {
		t.Error(err, s)
	}
}

func TestConfig(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "[] /etc/sasldb2",
		"mech_list: plain cram-md5\n":           "[PLAIN CRAM-MD5] /etc/sasldb2",
		"mech_list: CRAM-MD5 scram-sha-1 plain": "[CRAM-MD5 PLAIN] /etc/sasldb2",
		"# mech_list: x\n\n sasldb_path:/a/b \r\nlog_level: 5\n":      "[] /a/b",
		"pwcheck_method: saslauthd\n":                                 "not supported",
		"pwcheck_method: auxprop saslauthd\nauxprop_plugin: sasldb\n": "[] /etc/sasldb2",
		"auxprop_plugin: sql\n":                                       "not supported",
		"mech_list: gssapi\n":                                         "not supported",
	} {
		c, err := parseConfig([]byte(text))
		got := fmt.Sprint(c.mechanisms, " ", c.database)
		if errors.Is(err, ErrUnsupported) {
			got = "not supported"
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// TestConfigPlaces: a folder, a file, or a list of them.
func TestConfigPlaces(t *testing.T) {
	empty, full := t.TempDir(), t.TempDir()
	name := filepath.Join(full, configName)
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for list, want := range map[string]string{full: name, name: name, empty + ":" + full: name, empty: ""} {
		if got, found := findConfig(environment("SASL_CONF_PATH=" + list)); got != want || !found {
			t.Errorf("%s: %s, %v", list, got, found)
		}
	}
}

func FuzzSASLDatabase(f *testing.F) {
	for _, name := range []string{"debian12.sasldb", "many.sasldb"} {
		f.Add(readDatabase(f, name))
		f.Add(turn(readDatabase(f, name)))
	}
	d := newDigester()
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := parseDatabase(d, text)
		if err != nil {
			return
		}
		if len(a.secrets) > len(a.accepted) {
			t.Fatalf("%d users, %d passwords", len(a.secrets), len(a.accepted))
		}
		for _, password := range a.secrets {
			if len(password) == 0 || len(password) > max(pageSizeMax, entryMax) {
				t.Fatalf("a password of %d bytes", len(password))
			}
		}
	})
}

func FuzzPasswords(f *testing.F) {
	f.Add([]byte("bob:secret\nal:pw:extra\r\n"), "al", "pw")
	f.Add([]byte(strings.Repeat(":", 600)), "", ":")
	d := newDigester()
	f.Fuzz(func(t *testing.T, text []byte, user, password string) {
		a, err := parsePasswords(d, text)
		if err != nil || strings.ContainsRune(user+password, 0) {
			return
		}
		line := user + ":" + password
		if got, want := a.has(d.of(kindLine, []byte(line))), matches(text, line); got != want {
			t.Fatalf("%q in %q: %v", line, text, got)
		}
	})
}

// matches is memcached's search, line by line.
func matches(text []byte, line string) bool {
	for len(text) > 0 {
		var piece []byte
		piece, text = record(text)
		end := strings.IndexByte(string(piece)+"\x00", 0)
		rest, ok := strings.CutPrefix(string(piece[:end]), line)
		if ok && (rest == "" || strings.ContainsRune(":\r\n", rune(rest[0]))) {
			return true
		}
	}
	return false
}

func FuzzSASLConfig(f *testing.F) {
	f.Add([]byte("mech_list: plain\nsasldb_path: /x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, err := parseConfig(text); err == nil && strings.ContainsAny(c.database, "\n") {
			t.Fatalf("%q", c.database)
		}
	})
}
