package warmup

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
)

// keyOf is the key number i: of many lengths and bytes.
func keyOf(i int) []byte {
	return fmt.Appendf(bytes.Repeat([]byte{byte(i)}, i%200), "%d", i)
}

// drain takes blocks until it has seen the key before last, and returns the
// number of the key that comes next. It fails t unless all come in order.
func drain(t *testing.T, s *spool, first, last int) int {
	t.Helper()
	i := first
	for i < last {
		block, err := s.take()
		if block == nil || err != nil {
			t.Fatalf("key %d of %d: nothing to take, %v", i, last, err)
		}
		for key, rest := nextKey(block); key != nil; key, rest = nextKey(rest) {
			if !bytes.Equal(key, keyOf(i)) {
				t.Fatalf("key %d is %q, want %q", i, key, keyOf(i))
			}
			i++
		}
	}
	return i
}

const manyKeys = 100_000 // some 10 MB, of which 4 stay in memory

func TestSpoolKeepsOrderThroughTheFile(t *testing.T) {
	dir := t.TempDir()
	s := newSpool(dir)
	defer s.remove()
	for i := range manyKeys {
		s.put(keyOf(i))
	}
	if len(s.memory) != blocksInMemory || s.written == 0 || s.failure() != nil {
		t.Fatalf("%d blocks in memory, %d in the file (%v): the file was to be used", len(s.memory), s.written, s.failure())
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 0 {
		t.Errorf("the file has a name: %v", left)
	}
	next := drain(t, s, 0, manyKeys/2) // into the file, not through it
	for i := range manyKeys {
		s.put(keyOf(manyKeys + i))
	}
	next = drain(t, s, next, 2*manyKeys) // the file is empty now, and used again
	for i := range manyKeys {
		s.put(keyOf(2*manyKeys + i))
	}
	s.close()
	if drain(t, s, next, 3*manyKeys) != 3*manyKeys || s.read != s.written {
		t.Errorf("there is more than was put")
	}
	if block, err := s.take(); block != nil || err != nil {
		t.Errorf("after the end: %d bytes, %v", len(block), err)
	}
}

func TestSpoolOfFewKeys(t *testing.T) {
	s := newSpool(filepath.Join(t.TempDir(), "nowhere")) // no file can be made, and none is
	s.put(keyOf(0))
	s.put(keyOf(1))
	next := drain(t, s, 0, 2) // a block that is not full
	s.put(keyOf(2))
	s.close()
	drain(t, s, next, 3)
	if block, err := s.take(); block != nil || err != nil || s.failure() != nil {
		t.Errorf("after the end: %d bytes, %v, %v", len(block), err, s.failure())
	}
}

// TestSpoolWithoutFile: put waits for take, and memory stays bounded.
func TestSpoolWithoutFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nowhere")
	synctest.Test(t, func(t *testing.T) {
		s := newSpool(dir)
		go func() {
			for i := range manyKeys {
				s.put(keyOf(i))
			}
			s.close()
		}()
		synctest.Wait()
		if len(s.memory) != blocksInMemory || s.failure() == nil {
			t.Fatalf("put waits with %d blocks in memory, for %v", len(s.memory), s.failure())
		}
		drain(t, s, 0, manyKeys)
		if block, err := s.take(); block != nil || err != nil {
			t.Errorf("after the end: %d bytes, %v", len(block), err)
		}
	})
}

// TestSpoolStop: nobody waits any more.
func TestSpoolStop(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nowhere")
	synctest.Test(t, func(t *testing.T) {
		full, empty := newSpool(dir), newSpool(dir)
		wanted := make(chan bool)
		taken := make(chan []byte)
		go func() {
			i := 0
			for full.put(keyOf(i)) {
				i++
			}
			wanted <- false
		}()
		go func() {
			block, _ := empty.take()
			taken <- block
		}()
		synctest.Wait()
		full.stop()
		empty.stop()
		if <-wanted || <-taken != nil {
			t.Error("something came of it")
		}
	})
}
