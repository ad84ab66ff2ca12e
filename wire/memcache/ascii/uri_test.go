package ascii

import (
	"fmt"
	"net/url"
	"testing"
)

func TestAppendURI(t *testing.T) {
	for _, c := range [][2]string{
		{"", ""}, {"foo", "foo"}, {"a~b-c.d_e\"%25", "a~b-c.d_e%22%2525"}, {"#", "%23"}, {"\x00\xff ", "%00%FF%20"}, {"b%20c", "b%2520c"},
	} {
		if got := string(AppendURI([]byte("key="), []byte(c[0]))); got != "key="+c[1] {
			t.Errorf("%q: %q", c[0], got)
		}
	}
	for b := range 256 {
		key := []byte{'x', byte(b), 'y'}
		got := string(AppendURI(nil, key))
		if back, err := url.PathUnescape(got); err != nil || back != string(key) {
			t.Errorf("byte %d: %q, which reads %q, %v", b, got, back, err)
		}
		if want := fmt.Sprintf("x%%%02Xy", b); len(got) > 3 && got != want {
			t.Errorf("byte %d: %q, want %q", b, got, want)
		}
	}
}
