package appliance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/keyspace"
)

// Data folders on file systems of their own, which root may mount on Linux.

// mounted is a file system of its own.
func mounted(t *testing.T, kind, options string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	if err := unix.Mount("none", folder, kind, 0, options); err != nil {
		t.Skipf("skipped: no %s can be mounted here (%v)", kind, err)
	}
	t.Cleanup(func() { unix.Unmount(folder, unix.MNT_DETACH) })
	return folder
}

// TestDataFolderReadOnly: it is said what may be done.
func TestDataFolderReadOnly(t *testing.T) {
	folder := mounted(t, "tmpfs", "")
	keepSome(t, folder)
	if err := unix.Mount("none", folder, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	_, err := keep(t, folder, silent)
	if err == nil || !strings.Contains(err.Error(), "(it is read-only: another folder, or a mount that may be written") {
		t.Errorf("%v", err)
	}
}

// TestWithoutDirectIO: a file system that has none, nor allocates, nor says how full
// it is, keeps all the same.
func TestWithoutDirectIO(t *testing.T) {
	folder := mounted(t, "ramfs", "")
	disk, err := dio.Folder(folder)
	if err != nil {
		t.Fatal(err)
	}
	f, err := disk.Open("probe", dio.Create|dio.Direct)
	if err != nil {
		t.Fatal(err)
	}
	if f.Direct() {
		t.Skip("skipped: ramfs has direct I/O here")
	}
	if err := errors.Join(f.Close(), disk.Remove("probe")); err != nil {
		t.Fatal(err)
	}
	keepSome(t, folder)
	n := startKept(t, folder, silent)
	exchange(t, dial(t, n.Addrs()[0]), "get key7\r\n", "VALUE key7 0 5\r\nvalue\r\nEND\r\n")
	if k := n.keyspace.Stats(); k.DiskLow {
		t.Errorf("%+v", k)
	}
	stop(t, n)
}

// TestFullDisk: while there is no room, what changes something waits and reads go on.
func TestFullDisk(t *testing.T) {
	folder := mounted(t, "tmpfs", "size=300m") // a segment of the log, and parts of one
	var printed safeBuffer
	log, _ := newLog(&printed, "text", slog.LevelInfo)
	n := startKept(t, folder, log, "persist.snapshot_after", "100GB", "memcache.item_max", "2MB")
	c := dial(t, n.Addrs()[0])
	value := strings.Repeat("v", 1<<20)
	stored := make(chan error, 1)
	const sets = 320
	go func() { // ends with the replies, or the connection
		go func() {
			for i := range sets {
				fmt.Fprintf(c, "set key%d 0 0 %d\r\n%s\r\n", i, len(value), value)
			}
		}()
		_, err := io.ReadFull(c, make([]byte, sets*len("STORED\r\n")))
		stored <- err
	}()
	until(t, "a disk that is full", func() bool { return n.keyspace.Stats().DiskFull })
	exchange(t, dial(t, n.Addrs()[0]), "get nothing\r\n", "END\r\n")
	if got := talkBriefly(n.Addrs()[0].String(), "set more 0 0 1\r\nx\r\n"); got != "" {
		t.Errorf("on a full disk: %q", got)
	}
	select {
	case err := <-stored:
		t.Errorf("all was stored on a disk that is full (%v)", err)
	default:
	}
	if text := printed.String(); !strings.Contains(text, "level=ERROR msg=\"[persist] the disk is full: what changes something waits until there is room, reads go on\"") ||
		!strings.Contains(text, "level=WARN msg=\"[persist] the disk is nearly full: ") {
		t.Errorf("%s", text)
	}
	if err := unix.Mount("none", folder, "tmpfs", unix.MS_REMOUNT, "size=1g"); err != nil {
		t.Fatal(err)
	}
	if err := <-stored; err != nil {
		t.Error(err)
	}
	if text := printed.String(); !strings.Contains(text, "there is room on the disk again") {
		t.Errorf("%s", text)
	}
	stop(t, n)
}

// TestSmallDisk: a node starts on a disk that has no room for a whole segment.
func TestSmallDisk(t *testing.T) {
	folder := mounted(t, "tmpfs", "size=4m")
	for range 2 {
		n := startKept(t, folder, silent)
		exchange(t, dial(t, n.Addrs()[0]), "set key 0 0 5\r\nvalue\r\nget key\r\n", "STORED\r\nVALUE key 0 5\r\nvalue\r\nEND\r\n")
		if k := n.keyspace.Stats(); !k.DiskLow || k.DiskFull {
			t.Errorf("%+v", k)
		}
		stop(t, n)
	}
	n := startKept(t, folder, silent)
	defer stop(t, n)
	exchange(t, dial(t, n.Addrs()[0]), "get key\r\n", "VALUE key 0 5\r\nvalue\r\nEND\r\n")
	if _, err := keep(t, mounted(t, "tmpfs", "size=4k"), silent); err == nil || !strings.Contains(err.Error(), "(a start needs a little room on the disk: 1 MB)") {
		t.Errorf("%v", err)
	}
}

// talkBriefly sends text, and returns what comes back at once.
func talkBriefly(address, text string) string {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	io.WriteString(c, text)
	c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	got, _ := io.ReadAll(c)
	return string(got)
}

// fillDisk stores until the disk of a node that keeps its keyspace is full.
func fillDisk(t *testing.T, n *Node) (stored chan int) {
	t.Helper()
	c := dial(t, n.Addrs()[0])
	value := strings.Repeat("v", 1<<20)
	stored = make(chan int, 1)
	go func() { // ends with the connection
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(c, "set key%d 0 0 %d\r\n%s\r\n", i, len(value), value); err != nil {
				stored <- i
				return
			}
			if _, err := io.ReadFull(c, make([]byte, len("STORED\r\n"))); err != nil {
				stored <- i
				return
			}
		}
	}()
	until(t, "a disk that is full", func() bool { return n.keyspace.Stats().DiskFull })
	return stored
}

// takeRoom leaves no room on a folder's disk: the end of a node would write the rest.
func takeRoom(t *testing.T, folder string) {
	t.Helper()
	f, err := os.Create(filepath.Join(folder, "ballast"))
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if f.Close(); !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

// TestSnapshotOnFullDisk: an operator's snapshot makes room, beside the newest one.
func TestSnapshotOnFullDisk(t *testing.T) {
	folder := mounted(t, "tmpfs", "size=300m")
	n := startKept(t, folder, silent, "persist.fsync", "always", "persist.snapshot_after", "100GB")
	defer stop(t, n)
	value := strings.Repeat("v", 100_000)
	fill := func(c net.Conn, count int) (err error) { // until its end, or the connection's
		for i := 0; i < count && err == nil; i++ {
			fmt.Fprintf(c, "set key%d 0 0 %d\r\n%s\r\n", i%100, len(value), value)
			_, err = io.ReadFull(c, make([]byte, len("STORED\r\n")))
		}
		return err
	}
	for range 3 {
		if err := fill(dial(t, n.Addrs()[0]), 100); err != nil {
			t.Fatal(err)
		}
		if err := n.keyspace.Snapshot(); err != nil {
			t.Fatal(err)
		}
	}
	filled, c := make(chan error, 1), dial(t, n.Addrs()[0])
	go func() { filled <- fill(c, 3000) }()
	until(t, "a disk that is full", func() bool { return n.keyspace.Stats().DiskFull })
	if err := n.keyspace.Snapshot(); err != nil {
		t.Error(err)
	}
	if err := <-filled; err != nil {
		t.Error(err)
	}
}

// TestStopOnFullDisk: a connection that waits for room is not waited for beyond the
// stop's time, the end is not in order, and what was acknowledged is there.
func TestStopOnFullDisk(t *testing.T) {
	folder := mounted(t, "tmpfs", "size=300m")
	n := startKept(t, folder, silent, "persist.fsync", "always", "persist.snapshot_after", "100GB", "memcache.item_max", "2MB", "memory.limit", "1GB")
	stored := fillDisk(t, n)
	takeRoom(t, folder)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := n.Stop(ctx)
	if !errors.Is(err, ErrPersist) || !errors.Is(err, keyspace.ErrFull) || !strings.Contains(err.Error(), "connections were cut") {
		t.Errorf("stopped with %v", err)
	}
	count := <-stored
	if err := unix.Mount("none", folder, "tmpfs", unix.MS_REMOUNT, "size=1g"); err != nil {
		t.Fatal(err)
	}
	again := startKept(t, folder, silent, "memcache.item_max", "2MB", "memory.limit", "1GB")
	defer stop(t, again)
	if items := again.store.Stats().Items; count < 200 || items != int64(count) {
		t.Errorf("%d were stored, %d are there", count, items)
	}
}
