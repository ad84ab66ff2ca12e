package ascii

import (
	"bytes"
	"encoding/base64"
	"testing"
)

func TestDecodeKeyRoundTrip(t *testing.T) {
	dst := make([]byte, 200)
	for n := 1; n <= 180; n++ {
		key := bytes.Repeat([]byte{byte(n), 0xff, ' ', 0}, n)[:n]
		coded := AppendEncoded(nil, key)
		if got := dst[:DecodeKey(dst, coded)]; !bytes.Equal(got, key) {
			t.Fatalf("%d bytes: %q, want %q", n, got, key)
		}
	}
}

// TestDecodeKey has what memcached's decoder makes of what is not quite base64.
func TestDecodeKey(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"a", ""},
		{"foo", ""},
		{"Zm9v", "foo"},
		{"Zg==", "f"},
		{"Zm8=", "fo"},
		{"Zm9v!", "foo"},   // bytes outside of the alphabet are passed over
		{"Z-m-9-v", "foo"}, // anywhere
		{"Zg==Zm9v", "f"},  // nothing is read behind a padded group
		{"====", ""},       // too much padding
		{"Z===", ""},       //
		{"Zm9vZ", ""},      // an incomplete group
		{"=m9v", "\x02o"},  // a pad is a zero, and takes a byte off the end
	} {
		dst := make([]byte, 200)
		if got := dst[:DecodeKey(dst, []byte(c.in))]; string(got) != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

func TestDecodeKeyIsBase64(t *testing.T) {
	dst := make([]byte, 200)
	for _, in := range []string{"TWFu", "bGlnaHQgd29yay4=", "bGlnaHQgd28=", "bGlnaHQgdw=="} {
		want, err := base64.StdEncoding.DecodeString(in)
		if got := dst[:DecodeKey(dst, []byte(in))]; err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q: %q, want %q (%v)", in, got, want, err)
		}
	}
}
