package netio_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/netio/netiotest"
)

// updater is the sending half of a client of TLS 1.3 that changes its keys,
// which crypto/tls's never does: RFC 8446, 4.6.3, 5.2 and 7.
type updater struct {
	t      testing.TB
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

// newUpdater shakes hands. What the client sends goes through the updater.
func newUpdater(t testing.TB, l *netiotest.Loop) (*netiotest.TLSClient, *updater) {
	var log bytes.Buffer
	config := clientTLS()
	config.MinVersion, config.KeyLogWriter = tls.VersionTLS13, &log
	c := l.DialTLS(config)
	for line := range strings.Lines(log.String()) {
		if f := strings.Fields(line); f[0] == "CLIENT_TRAFFIC_SECRET_0" {
			secret, err := hex.DecodeString(f[2])
			if err != nil || len(secret) != sha256.Size {
				t.Skipf("a cipher whose hash is not SHA-256: %q, %v", line, err)
			}
			u := &updater{t: t}
			u.rekey(secret)
			return c, u
		}
	}
	t.Fatal("no secret in the log")
	return nil, nil
}

func (u *updater) expand(label string, n int) []byte {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(append(append(info, byte(len(label))), label...), 0)
	key, err := hkdf.Expand(sha256.New, u.secret, string(info), n)
	if err != nil {
		u.t.Fatal(err)
	}
	return key
}

func (u *updater) rekey(secret []byte) {
	u.secret, u.seq = secret, 0
	block, err := aes.NewCipher(u.expand("key", 16))
	if err == nil {
		u.aead, err = cipher.NewGCM(block)
	}
	if err != nil {
		u.t.Fatal(err)
	}
	u.iv = u.expand("iv", 12)
}

// seal makes a record, of application data or of the handshake.
func (u *updater) seal(kind byte, plain string) string {
	nonce := bytes.Clone(u.iv)
	for i, b := range binary.BigEndian.AppendUint64(nil, u.seq) {
		nonce[4+i] ^= b
	}
	u.seq++
	record := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(plain)+1+u.aead.Overhead()))
	return string(u.aead.Seal(record, nonce, append([]byte(plain), kind), record))
}

func (u *updater) data(plain string) string { return u.seal(23, plain) }

// update is a record that changes the keys, and asks for the same.
func (u *updater) update() string {
	record := u.seal(22, "\x18\x00\x00\x01\x01")
	u.rekey(u.expand("traffic upd", sha256.Size))
	return record
}

// updates are n key updates.
func (u *updater) updates(n int) (records string) {
	for range n {
		records += u.update()
	}
	return records
}

// updatesMax are those between two records of data that crypto/tls bears, the
// client's as well as the server's, whose answers are key updates.
const updatesMax = 15

func TestTLSKeyUpdates(t *testing.T) {
	l, _ := newTLSToys(t, 0, netiotest.Options{})
	for _, piece := range []int{1000, 7, 1} {
		c, u := newUpdater(t, l)
		for range 20 {
			records := u.data("echo a\n") + u.updates(5) + u.data("echo ") + u.update() + u.data("b\n") + u.updates(5)
			c.Client.SendSplit(records, piece)
			wantString(t, "replies", c.Recv(), "a\nb\n")
		}
	}
	wantInt(t, "errors", int(l.TLS.Errors.Load()), 0)
}

// TestTLSTooManyKeyUpdates: who only changes keys is cut off.
func TestTLSTooManyKeyUpdates(t *testing.T) {
	l, _ := newTLSToys(t, 0, netiotest.Options{})
	c, u := newUpdater(t, l)
	c.Client.Send(u.updates(updatesMax + 2))
	if !c.Closed() {
		t.Error("it is open")
	}
	wantInt(t, "errors", int(l.TLS.Errors.Load()), 1)
}

// TestTLSKeyUpdatesOwed: answers to key updates that nobody takes are bounded,
// and reading goes on when they are taken.
func TestTLSKeyUpdatesOwed(t *testing.T) {
	const pieces, size, answer = 100, 100, 27
	l, _ := newTLSToys(t, 0, netiotest.Options{ReadMax: 500})
	c, u := newUpdater(t, l)
	c.SetWindow(0)
	script := "put 10000\n" + strings.Repeat("p", pieces*size)
	sent := u.data(script[:10])
	for i := range pieces {
		sent += u.updates(updatesMax) + u.data(script[10+i*size:][:size])
	}
	c.Client.Send(sent)
	read := len(sent) - c.Unread()
	if most := (4<<10/answer + 3*updatesMax) * (size + 50); read > most {
		t.Errorf("%d bytes were read, want %d at most, since nobody takes the answers", read, most)
	}
	c.SetWindow(1000)
	answers := ""
	for records := c.RecvOnce(); records != ""; records = c.RecvOnce() {
		answers += records
	}
	wantInt(t, "unread", c.Unread(), 0)
	wantInt(t, "commands", c.Session().(*toy).ran, 1)
	wantInt(t, "records", recordsIn(answers), pieces*updatesMax+1)
}
