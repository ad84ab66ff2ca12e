package load

import "testing"

func TestUniformCoversAllKeys(t *testing.T) {
	c := Config{KeyCount: 100}.withDefaults()
	p := newPicker(&c, nil, 3)
	var seen [100]int
	for range 100_000 {
		seen[p.pick()]++
	}
	for k, n := range seen {
		if n < 800 || n > 1200 {
			t.Errorf("key %d drawn %d times of about 1000", k, n)
		}
	}
}

// Streams of a sequential load store every key exactly once between them.
func TestSequentialCoversEachKeyOnce(t *testing.T) {
	for _, keys := range []int{1, 6, 7, 8, 100} {
		c := Config{KeyCount: keys, Connections: 7, Sequential: true}.withDefaults()
		seen := make([]int, keys)
		for i := range c.Connections {
			p := newPicker(&c, nil, i)
			for range quota(c.Requests, i, c.Connections) {
				seen[p.pick()]++
			}
		}
		for k, n := range seen {
			if n != 1 {
				t.Errorf("%d keys: key %d picked %d times", keys, k, n)
			}
		}
	}
}

func TestPutDigits(t *testing.T) {
	var b [digits]byte
	putDigits(b[:], 1234567)
	if string(b[:]) != "01234567" {
		t.Fatalf("%q", b)
	}
}
