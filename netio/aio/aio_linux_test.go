package aio

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pandabeardb/panda/internal/alloctest"
)

// blockBytes is what direct I/O wants offsets and lengths to be multiples of.
const blockBytes = 4096

// pages is memory of whole blocks, that begins at one.
func pages(t testing.TB, n int) []byte {
	t.Helper()
	memory, err := unix.Mmap(-1, 0, n*blockBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(memory) })
	return memory
}

// newQueue is a queue, or the test is skipped where the kernel refuses one.
func newQueue(t testing.TB, depth int) *Queue {
	t.Helper()
	q, err := New(depth)
	if errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EAGAIN) {
		t.Skipf("no kernel queue: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// direct is a file of n blocks, each full of its number, without the page cache.
func direct(t testing.TB, n int) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	var content []byte
	for i := range n {
		content = append(content, bytes.Repeat([]byte{byte(i)}, blockBytes)...)
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR|syscall.O_DIRECT, 0)
	if err != nil {
		t.Skipf("no direct I/O here: %v", err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	return f
}

// wait is all that comes of n reads.
func wait(t *testing.T, q *Queue, n int) (all []Event) {
	t.Helper()
	for len(all) < n {
		var events [8]Event
		got := q.Wait(events[:])
		if got == 0 {
			t.Fatalf("%d of %d have come", len(all), n)
		}
		all = append(all, events[:got]...)
	}
	return all
}

// Each read comes once, with its tag and the bytes of its place, whatever their order. More
// than fit are refused.
func TestQueue(t *testing.T) {
	const reads = 2*addedMax + 3
	q := newQueue(t, reads)
	f, memory := direct(t, reads), pages(t, reads)
	for i := range reads {
		if !q.Add(f.Fd(), memory[i*blockBytes:][:blockBytes], int64(reads-1-i)*blockBytes, uint64(i)) {
			t.Fatalf("read %d was refused", i)
		}
	}
	if q.Add(f.Fd(), memory[:blockBytes], 0, reads) {
		t.Error("one more than the depth was taken")
	}
	q.Flush()
	edge := []unix.PollFd{{Fd: int32(q.FD()), Events: unix.POLLIN}}
	if n, err := unix.Poll(edge, 10_000); n != 1 || err != nil {
		t.Errorf("the descriptor tells nothing: %d, %v", n, err)
	}
	seen := map[uint64]bool{}
	for _, e := range wait(t, q, reads) {
		if seen[e.Tag] || e.Tag >= reads {
			t.Fatalf("tag %d came again, or was never given", e.Tag)
		}
		seen[e.Tag] = true
		if errors.Is(e.Error, syscall.EAGAIN) {
			continue // it would have waited
		}
		want := bytes.Repeat([]byte{byte(reads - 1 - e.Tag)}, blockBytes)
		if e.Error != nil || e.N != blockBytes || !bytes.Equal(memory[e.Tag*blockBytes:][:blockBytes], want) {
			t.Errorf("read %d: %d bytes, %v", e.Tag, e.N, e.Error)
		}
	}
	if n := q.Wait(make([]Event, 1)); n != 0 {
		t.Errorf("%d more than were asked for", n)
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}

// What the kernel refuses is an Event as well, and hides nothing of what it takes.
func TestQueueErrors(t *testing.T) {
	q := newQueue(t, 8)
	defer q.Close()
	f, memory := direct(t, 1), pages(t, 5)
	if q.Add(f.Fd(), nil, 0, 1) {
		t.Error("a read of nothing was taken")
	}
	const noFile = 1 << 30
	for i, at := range []struct {
		fd     uintptr
		offset int64
	}{{noFile, 0}, {f.Fd(), 0}, {f.Fd(), 1}, {noFile, 0}, {f.Fd(), blockBytes}} {
		q.Add(at.fd, memory[i*blockBytes:][:blockBytes], at.offset, uint64(i))
	}
	want := []Event{{0, 0, syscall.EBADF}, {1, blockBytes, nil}, {2, 0, syscall.EINVAL}, {3, 0, syscall.EBADF}, {4, 0, nil}}
	for _, e := range wait(t, q, len(want)) {
		if w := want[e.Tag]; e != w && !errors.Is(e.Error, syscall.EAGAIN) {
			t.Errorf("%v, want %v", e, w)
		}
	}
}

func TestQueueAllocs(t *testing.T) {
	q := newQueue(t, 4)
	defer q.Close()
	f, memory := direct(t, 1), pages(t, 1)
	events := make([]Event, 4)
	fd := f.Fd()
	alloctest.Zero(t, "Add, Flush and Wait", func() {
		if !q.Add(fd, memory, 0, 1) || q.Wait(events) != 1 {
			t.Error("no event")
		}
	})
}
