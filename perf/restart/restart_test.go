package restart

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/perf/peer"
)

func TestItems(t *testing.T) {
	sum := 0
	for i := range 10_000 {
		n := lengthOf(i)
		if n < valueLeast || n > valueMost || len(appendValue(nil, i)) != n {
			t.Fatalf("value %d has %d bytes", i, n)
		}
		if got := keyNumber(appendKey(nil, i)); got != i {
			t.Fatalf("key %d is of number %d", i, got)
		}
		sum += n
	}
	if mean := sum / 10_000; mean < 95 || mean > 105 {
		t.Errorf("%d bytes in the mean", mean)
	}
	for _, key := range []string{"", "panda:restart:1", "panda:restart:0000000x", "panda:items:00000001"} {
		if n := keyNumber([]byte(key)); n != -1 {
			t.Errorf("%q is of number %d", key, n)
		}
	}
}

// A value that is found is whole, and a text across a step's end is found.
func TestFlip(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	text := make([]byte, 8<<20-30)
	text = appendValue(appendKey(text, 7), 7)
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := flip(name, 8); !errors.Is(err, ErrFile) {
		t.Errorf("item 8: %v", err)
	}
	if err := flip(name, 7); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	changed := 0
	for i := range text {
		if text[i] != after[i] {
			changed++
		}
	}
	if changed != 1 || bytes.Equal(text[8<<20:], after[8<<20:]) {
		t.Errorf("%d bytes are changed, or not those of the value", changed)
	}
}

// TestCourse runs the whole way with memcached, which has its own warm restart.
func TestCourse(t *testing.T) {
	r, err := Run(t.Context(), Options{Dir: t.TempDir(), items: 5000, memoryMB: 64})
	if errors.Is(err, peer.ErrMissing) {
		t.Skip("SKIP: memcached is not installed")
	}
	if err != nil || !r.Held() || !strings.Contains(r.String(), "5000 of 5000 items are there and right") {
		t.Errorf("%v\n%s", err, r)
	}
}

// TestWrongValue is an error, whatever else comes.
func TestWrongValue(t *testing.T) {
	s, err := peer.Start(peer.Spec{Kind: peer.Memcached})
	if errors.Is(err, peer.ErrMissing) {
		t.Skip("SKIP: memcached is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if err := fill(t.Context(), s, 100); err != nil {
		t.Fatal(err)
	}
	if found, missing, err := readAll(t.Context(), s, 110); err != nil || found != 100 || missing != 100 {
		t.Errorf("%d found, %d is missing, %v", found, missing, err)
	}
	l, err := dial(s)
	if err != nil {
		t.Fatal(err)
	}
	defer l.conn.Close()
	l.out = append(l.out, "prepend panda:restart:00000050 0 0 1 noreply\r\nx\r\nmn\r\n"...)
	if err := l.send(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readAll(t.Context(), s, 100); !errors.Is(err, ErrServer) {
		t.Errorf("a value with another length: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := readAll(ended, s, 100); !errors.Is(err, context.Canceled) {
		t.Errorf("behind the end: %v", err)
	}
}

// Recovery from a snapshot and from a log, with few items: what is tested is the whole
// way, and that all is there.
func TestRecover(t *testing.T) {
	panda, err := peer.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	report, err := Recover(t.Context(), Options{Panda: panda, Dir: t.TempDir(), items: 20_000, memoryMB: 64})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", report)
	for _, source := range []string{"snapshot:", "log:"} {
		if !strings.Contains(report.String(), source) {
			t.Errorf("nothing of %s", source)
		}
	}
}
