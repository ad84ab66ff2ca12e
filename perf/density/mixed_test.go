package density

import (
	"bufio"
	"errors"
	"math"
	"net"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/perf/peer"
)

func TestSizesAreLogUniform(t *testing.T) {
	m := mixed{low: 50, high: 50_000}
	const n = 100_000
	below, sum := 0, 0
	for i := range n {
		size := m.size(i)
		if size < m.low || size > m.high {
			t.Fatalf("size %d", size)
		}
		if sum += size; float64(size) < math.Sqrt(50*50_000) {
			below++
		}
	}
	if share := float64(below) / n; share < 0.49 || share > 0.51 {
		t.Errorf("%.3f are below the middle", share)
	}
	if mean := sum / n; mean < 7000 || mean > 7500 {
		t.Errorf("mean %d", mean)
	}
	if a, b := (mixed{low: 10, high: 1000, seed: 1}), (mixed{low: 10, high: 1000, seed: 2}); a.size(7) == b.size(7) && a.size(8) == b.size(8) {
		t.Error("the seed changes nothing")
	}
}

// answers is a line whose server says a text.
func answers(text string) *line {
	client, server := net.Pipe()
	server.Close()
	client.Close()
	return &line{conn: client, in: bufio.NewReader(strings.NewReader(text))}
}

// What comes back is compared byte for byte.
func TestValuesAreCompared(t *testing.T) {
	m := mixed{low: 50, high: 60}
	value := string(m.appendMixed(nil, 3))
	whole := "VALUE " + string(mixedKey(nil, 3)) + " 0 " + itoa(len(value)) + "\r\n" + value + "\r\nEND\r\n"
	for _, c := range []struct {
		text   string
		there  bool
		failed bool
	}{
		{whole, true, false},
		{"END\r\n", false, false},
		{strings.Replace(whole, value[20:24], "!!!!", 1), false, true},
		{"VALUE other 0 1\r\nx\r\nEND\r\n", false, true},
	} {
		there, err := m.receive(answers(c.text), 3)
		if there != c.there || errors.Is(err, ErrServer) != c.failed {
			t.Errorf("%.40q: %v, %v", c.text, there, err)
		}
	}
}

func itoa(n int) string { return string([]byte{byte('0' + n/10), byte('0' + n%10)}) }

// A small load through a real server: what is stored comes back.
func TestMixedLoad(t *testing.T) {
	s, err := peer.Start(peer.Spec{Kind: peer.Memcached, MemoryMB: 64})
	if errors.Is(err, peer.ErrMissing) {
		t.Skip("SKIP: memcached is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}()
	m := mixed{low: 50, high: 5000}
	const n = 300
	err = each(t.Context(), s, n, func(l *line, numbers []int) error {
		refused, err := m.set(l, numbers)
		if refused > 0 {
			t.Errorf("%d refused", refused)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	stats, err := statistics(s)
	if err != nil || stats["curr_items"] != n {
		t.Fatalf("%d items, %v", stats["curr_items"], err)
	}
	l, err := dialLine(s)
	if err != nil {
		t.Fatal(err)
	}
	defer l.conn.Close()
	items, size, err := m.get(l, []int{0, 1, n - 1, n})
	if want := int64(m.size(0) + m.size(1) + m.size(n-1) + 3*keyLength); err != nil || items != 3 || size != want {
		t.Errorf("%d items of %d bytes, want 3 of %d: %v", items, size, want, err)
	}
}
