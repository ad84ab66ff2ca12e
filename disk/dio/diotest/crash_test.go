package diotest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/dio/diotest"
)

// What was synced, and a name that was, are there after every kind of crash.
func TestCrashKeepsWhatWasSynced(t *testing.T) {
	disk := diotest.New()
	f := open(t, disk, "a", dio.New)
	must(t, second(f.WriteAt([]byte("synced"), 0)))
	must(t, f.Sync())
	must(t, disk.SyncFolder("."))
	must(t, second(f.WriteAt(bytes.Repeat([]byte("x"), 50_000), 6)))
	must(t, second(open(t, disk, "b", dio.New).WriteAt([]byte("never synced"), 0)))
	for _, tear := range diotest.Tears(1) {
		if got := read(t, disk.Crash(tear), "a"); !bytes.HasPrefix(got, []byte("synced")) {
			t.Errorf("%s: %.20q", tear.Name, got)
		}
	}
}

// Each kind of tear makes of a write what its name says.
func TestTears(t *testing.T) {
	disk := diotest.New()
	f := open(t, disk, "a", dio.New)
	must(t, disk.SyncFolder("."))
	must(t, second(f.WriteAt(bytes.Repeat([]byte("o"), 20_000), 0)))
	must(t, f.Sync())
	must(t, second(f.WriteAt(bytes.Repeat([]byte("n"), 40_000), 100)))
	want := map[string]string{
		"lost":                 "20000 o",
		"lost, sizes kept":     "20000 o, 20100 0",
		"kept":                 "100 o, 40000 n",
		"kept, names lost":     "100 o, 40000 n",
		"first half of 512":    "100 o, 20380 n, 19620 0", // 40 of 79 sectors, to 20,480
		"second half of 512":   "19968 o, 20132 n",
		"first half of 4096":   "100 o, 20380 n, 19620 0",
		"second half of 4096":  "20000 o, 480 0, 19620 n",
		"first half of 16384":  "100 o, 32668 n, 7332 0",
		"second half of 16384": "16384 o, 23716 n",
	}
	for _, tear := range diotest.Tears(1) {
		if text, ok := want[tear.Name]; ok {
			if got := runs(read(t, disk.Crash(tear), "a")); got != text {
				t.Errorf("%s: %s; wanted %s", tear.Name, got, text)
			}
			delete(want, tear.Name)
		}
	}
	if len(want) > 0 {
		t.Errorf("no such tears: %v", want)
	}
}

// runs describes bytes as runs of the same.
func runs(b []byte) (text string) {
	for len(b) > 0 {
		n := 1
		for n < len(b) && b[n] == b[0] {
			n++
		}
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%d %c", n, max(b[0], '0'))
		b = b[n:]
	}
	return text
}

// A name is what it was, or what it is, until its folder is synced; then it is what
// it is.
func TestCrashNames(t *testing.T) {
	disk := diotest.New()
	must(t, disk.MakeFolder("log"))
	must(t, disk.SyncFolder("."))
	for _, name := range []string{"log/a", "log/b"} {
		f := open(t, disk, name, dio.New)
		must(t, second(f.WriteAt([]byte(name), 0)))
		must(t, f.Sync())
	}
	lost, kept := diotest.Tears(1)[0], diotest.Tears(1)[2]
	wantNames(t, disk.Crash(lost), "log")
	wantNames(t, disk.Crash(kept), "log", "a", "b")
	must(t, disk.SyncFolder("log"))
	must(t, disk.Rename("log/a", "log/b"))
	wantNames(t, disk.Crash(lost), "log", "a", "b")
	wantNames(t, disk.Crash(kept), "log", "b")
	must(t, disk.SyncFolder("log"))
	wantNames(t, disk.Crash(lost), "log", "b")
	if got := read(t, disk.Crash(lost), "log/b"); string(got) != "log/a" {
		t.Errorf("the name leads to %q", got)
	}
	must(t, disk.Remove("log/b"))
	wantNames(t, disk.Crash(lost), "log", "b")
	half := lost
	half.Names = 0.5
	must(t, disk.MakeFolder("late"))
	wantNames(t, disk.Crash(half), ".", "log")
	wantNames(t, disk.Crash(half), "log")
}

// A folder whose own name was lost takes what is in it along.
func TestCrashFolder(t *testing.T) {
	disk := diotest.New()
	must(t, disk.MakeFolder("log"))
	open(t, disk, "log/a", dio.New)
	must(t, disk.SyncFolder("log"))
	wantNames(t, disk.Crash(diotest.Tears(1)[0]), ".")
}

// After a Sync that failed nothing it covered becomes durable, nor does the File
// pretend so.
func TestFailedSync(t *testing.T) {
	disk := diotest.New()
	f := open(t, disk, "a", dio.New)
	must(t, disk.SyncFolder("."))
	must(t, second(f.WriteAt([]byte("lost"), 0)))
	broken := errors.New("broken")
	disk.Before(func(e diotest.Event) error {
		if e.Call == "sync" {
			return broken
		}
		return nil
	})
	wantIs(t, f.Sync(), broken)
	disk.Before(nil)
	wantIs(t, f.Sync(), dio.ErrSyncFailed)
	wantIs(t, f.Sync(), broken)
	wantIs(t, second(f.WriteAt([]byte("more"), 4)), dio.ErrSyncFailed)
	wantIs(t, f.Truncate(0), dio.ErrSyncFailed)
	wantIs(t, f.Allocate(0, 1), dio.ErrSyncFailed)
	must(t, open(t, disk, "a", 0).Sync()) // another File's Sync does not bring it back
	if got := read(t, disk.Crash(diotest.Tears(1)[0]), "a"); len(got) != 0 {
		t.Errorf("%q is durable", got)
	}
	if got := read(t, disk, "a"); string(got) != "lost" {
		t.Errorf("read %q", got)
	}
}

// A process that dies at its n-th call has done what came before, half of a write
// that it died in, and nothing after.
func TestStopAt(t *testing.T) {
	program := func(disk *diotest.FS) error {
		f, err := disk.Open("a", dio.New)
		for i := 0; err == nil && i < 3; i++ {
			_, err = f.WriteAt([]byte("0123456789"), int64(i)*10)
		}
		return err
	}
	whole := diotest.New()
	must(t, program(whole))
	if whole.Calls() != 4 {
		t.Fatalf("%d calls", whole.Calls())
	}
	for n, want := range []string{"", "", "01234", "012345678901234", "0123456789012345678901234"} {
		if n == 0 {
			continue
		}
		disk := diotest.New()
		disk.StopAt(n)
		wantIs(t, program(disk), diotest.ErrStopped)
		if _, err := disk.Open("b", dio.New); !errors.Is(err, diotest.ErrStopped) {
			t.Errorf("a call after the end: %v", err)
		}
		after := disk.Crash(diotest.Tears(1)[2])
		if n == 1 {
			wantNames(t, after, ".")
		} else if got := read(t, after, "a"); string(got) != want {
			t.Errorf("stopped at %d: %q, wanted %q", n, got, want)
		}
	}
}

// A process that has died writes no more.
func TestStoppedWritesNothing(t *testing.T) {
	disk := diotest.New()
	f := open(t, disk, "a", dio.New)
	disk.StopAt(1)
	for range 3 {
		wantIs(t, second(f.WriteAt([]byte("0123456789"), 0)), diotest.ErrStopped)
		wantIs(t, second(f.WriteAt([]byte("0123456789"), 100)), diotest.ErrStopped)
	}
	if got := read(t, disk.Crash(diotest.Tears(1)[2]), "a"); string(got) != "01234" {
		t.Errorf("%q", got)
	}
}

func TestFullDisk(t *testing.T) {
	disk := diotest.New()
	disk.SetSpace(1000)
	f := open(t, disk, "a", dio.New)
	must(t, f.Allocate(0, 900))
	wantIs(t, second(f.WriteAt(make([]byte, 101), 900)), syscall.ENOSPC)
	wantIs(t, f.Allocate(0, 1001), syscall.ENOSPC)
	must(t, second(f.WriteAt(make([]byte, 900), 0)))
	if free, total, err := disk.Space(); free != 100 || total != 1000 || err != nil {
		t.Errorf("%d of %d free, %v", free, total, err)
	}
	must(t, disk.Remove("a"))
	must(t, second(open(t, disk, "b", dio.New).WriteAt(make([]byte, 1000), 0)))
}

// What an allocation got of a disk that is full stays the file's, until it is truncated.
func TestAllocateOnFullDisk(t *testing.T) {
	disk := diotest.New()
	disk.SetSpace(10*dio.BlockSize + 1000)
	f := open(t, disk, "a", dio.New)
	must(t, f.Allocate(0, 3*dio.BlockSize))
	wantIs(t, f.Allocate(0, 11*dio.BlockSize), syscall.ENOSPC)
	if size, err := f.Size(); size != 10*dio.BlockSize || err != nil {
		t.Errorf("%d bytes, %v", size, err)
	}
	if free, _, err := disk.Space(); free != 1000 || err != nil {
		t.Errorf("%d bytes are free, %v", free, err)
	}
	must(t, f.Truncate(3*dio.BlockSize))
	must(t, second(open(t, disk, "b", dio.New).WriteAt(make([]byte, 7*dio.BlockSize), 0)))
}

func second(_ int, err error) error { return err }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantIs(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%v; wanted %v", err, target)
	}
}

func open(t *testing.T, disk *diotest.FS, name string, mode dio.Mode) dio.File {
	t.Helper()
	f, err := disk.Open(name, mode)
	must(t, err)
	return f
}

func read(t *testing.T, disk *diotest.FS, name string) []byte {
	t.Helper()
	f := open(t, disk, name, 0)
	size, err := f.Size()
	must(t, err)
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return b
}

func wantNames(t *testing.T, disk *diotest.FS, folder string, want ...string) {
	t.Helper()
	infos, err := disk.List(folder)
	must(t, err)
	var got []string
	for _, info := range infos {
		got = append(got, info.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s holds %v; wanted %v", folder, got, want)
	}
}
