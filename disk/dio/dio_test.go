package dio_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/dio/diotest"
)

func TestFolder(t *testing.T) {
	course(t, func(t *testing.T) dio.FS { return folder(t, t.TempDir()) })
}

func TestMemory(t *testing.T) { course(t, func(*testing.T) dio.FS { return diotest.New() }) }

func folder(t *testing.T, root string) dio.FS {
	t.Helper()
	disk, err := dio.Folder(root)
	if err != nil {
		t.Fatal(err)
	}
	return disk
}

// course is what every FS does alike.
func course(t *testing.T, open func(*testing.T) dio.FS) {
	for name, test := range map[string]func(*testing.T, dio.FS){
		"names": testNames, "modes": testModes, "bytes": testBytes, "vectors": testVectors,
		"direct": testDirect, "sizes": testSizes, "lock": testLock, "closed": testClosed,
		"read only": testReadOnly,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func testNames(t *testing.T, disk dio.FS) {
	for _, name := range []string{"", "/a", "../a", "a/../b", "a/"} {
		if _, err := disk.Open(name, dio.Create); err == nil {
			t.Errorf("opened %q", name)
		}
	}
	must(t, disk.MakeFolder("log"))
	must(t, disk.MakeFolder("log"))
	write(t, disk, "log/b", "second")
	write(t, disk, "log/a", "first")
	wantList(t, disk, "log", "a 5", "b 6")
	wantList(t, disk, ".", "log/")
	must(t, disk.Rename("log/a", "log/b"))
	wantList(t, disk, "log", "b 5")
	must(t, disk.SyncFolder("log"))
	wantIs(t, disk.Remove("log/a"), fs.ErrNotExist)
	wantIs(t, disk.Remove("log"), syscall.ENOTEMPTY)
	wantIs(t, disk.Rename("log/a", "log/c"), fs.ErrNotExist)
	must(t, disk.Remove("log/b"))
	must(t, disk.Remove("log"))
	_, err := disk.List("log")
	wantIs(t, err, fs.ErrNotExist)
	wantIs(t, disk.SyncFolder("log"), fs.ErrNotExist)
	_, err = disk.Open("log/a", dio.Create)
	wantIs(t, err, fs.ErrNotExist)
	if free, total, err := disk.Space(); err != nil || free <= 0 || total < free {
		t.Errorf("space %d of %d, %v", free, total, err)
	}
}

func testModes(t *testing.T, disk dio.FS) {
	_, err := disk.Open("a", 0)
	wantIs(t, err, fs.ErrNotExist)
	must(t, openFile(t, disk, "a", dio.New).Close())
	_, err = disk.Open("a", dio.New)
	wantIs(t, err, fs.ErrExist)
	openFile(t, disk, "a", 0)
	openFile(t, disk, "a", dio.Create)
	must(t, disk.MakeFolder("folder"))
	if _, err := disk.Open("folder", 0); err == nil {
		t.Error("a folder was opened as a file")
	}
	wantIs(t, disk.MakeFolder("a"), fs.ErrExist)
}

func testReadOnly(t *testing.T, disk dio.FS) {
	write(t, disk, "a", "text")
	for _, mode := range []dio.Mode{dio.ReadOnly, dio.ReadOnly | dio.Direct} {
		f := openFile(t, disk, "a", mode)
		b := dio.Aligned(dio.BlockSize)
		if n, err := f.ReadAt(b, 0); string(b[:n]) != "text" || err != io.EOF {
			t.Errorf("%q, %v", b[:n], err)
		}
		wantIs(t, second(f.WriteAt(b, 0)), syscall.EBADF)
		wantIs(t, second(f.WriteVec([][]byte{b}, 0)), syscall.EBADF)
		wantIs(t, f.Truncate(0), syscall.EBADF)
		wantIs(t, f.Allocate(0, 1), syscall.EBADF)
		wantIs(t, f.Sync(), syscall.EBADF)
	}
	wantBytes(t, openFile(t, disk, "a", 0), 0, "text")
}

func testBytes(t *testing.T, disk dio.FS) {
	f := openFile(t, disk, "a", dio.Create)
	writeAt(t, f, "world", 6)
	writeAt(t, f, "hello", 0)
	must(t, f.Sync())
	wantBytes(t, f, 0, "hello\x00world")
	b := make([]byte, 8)
	n, err := f.ReadAt(b, 6)
	if n != 5 || err != io.EOF {
		t.Errorf("reading past the end: %d, %v", n, err)
	}
	if n, err := f.ReadAt(b, 100); n != 0 || err != io.EOF {
		t.Errorf("reading behind the end: %d, %v", n, err)
	}
	if _, err := f.ReadAt(b, -1); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("reading before the beginning: %v", err)
	}
}

func testVectors(t *testing.T, disk dio.FS) {
	f := openFile(t, disk, "a", dio.Create)
	var buffers [][]byte
	var whole []byte
	for i := range 2500 { // more than one system call takes
		b := bytes.Repeat([]byte{byte(i)}, i%7)
		buffers, whole = append(buffers, b), append(whole, b...)
	}
	if n, err := f.WriteVec(buffers, 3); n != len(whole) || err != nil {
		t.Fatalf("wrote %d of %d, %v", n, len(whole), err)
	}
	wantBytes(t, f, 3, string(whole))
	into := [][]byte{make([]byte, 1000), {}, make([]byte, len(whole)-1000), make([]byte, 5)}
	n, err := f.ReadVec(into, 3)
	if n != len(whole) || err != io.EOF || string(into[0])+string(into[2]) != string(whole) {
		t.Errorf("read %d of %d, %v", n, len(whole), err)
	}
	if n, err := f.ReadVec(into[:3], 3); n != len(whole) || err != nil {
		t.Errorf("read %d of %d, %v", n, len(whole), err)
	}
}

func testDirect(t *testing.T, disk dio.FS) {
	f := openFile(t, disk, "a", dio.Create|dio.Direct)
	block := dio.Aligned(2 * dio.BlockSize)
	copy(block, "start")
	copy(block[dio.BlockSize:], "second")
	if n, err := f.WriteAt(block, 0); n != len(block) || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
	must(t, f.Sync())
	back := dio.Aligned(2 * dio.BlockSize)
	if n, err := f.ReadVec([][]byte{back[dio.BlockSize:], back[:dio.BlockSize]}, 0); n != len(back) || err != nil {
		t.Fatalf("read %d, %v", n, err)
	}
	if !bytes.Equal(back[dio.BlockSize:], block[:dio.BlockSize]) || !bytes.Equal(back[:dio.BlockSize], block[dio.BlockSize:]) {
		t.Error("read something else")
	}
	for name, err := range map[string]error{
		"buffer": second(f.WriteAt(block[8:8+dio.BlockSize], 0)),
		"length": second(f.WriteAt(block[:100], 0)),
		"offset": second(f.ReadAt(block, 512)),
		"vector": second(f.ReadVec([][]byte{block[:dio.BlockSize], block[:5]}, 0)),
	} {
		if !errors.Is(err, dio.ErrUnaligned) {
			t.Errorf("unaligned %s: %v", name, err)
		}
	}
	must(t, f.Truncate(dio.BlockSize+10))
	if n, err := f.ReadAt(back, 0); n != dio.BlockSize+10 || err != io.EOF {
		t.Errorf("an end within a block: %d, %v", n, err)
	}
	if n, err := f.ReadVec([][]byte{back[:dio.BlockSize], back[dio.BlockSize:]}, 0); n != dio.BlockSize+10 || err != io.EOF {
		t.Errorf("an end within a block: %d, %v", n, err)
	}
}

func testSizes(t *testing.T, disk dio.FS) {
	f := openFile(t, disk, "a", dio.Create)
	must(t, f.Allocate(0, 10_000))
	wantSize(t, f, 10_000)
	writeAt(t, f, "end", 9_997)
	must(t, f.Allocate(0, 100))
	wantSize(t, f, 10_000)
	must(t, f.Truncate(9_999))
	must(t, f.Truncate(10_001))
	wantBytes(t, f, 9_997, "en\x00\x00")
	must(t, f.Sync())
	must(t, f.Truncate(0))
	wantSize(t, f, 0)
	if f.Truncate(-1) == nil {
		t.Error("a negative size")
	}
}

func testLock(t *testing.T, disk dio.FS) {
	lock, err := disk.Lock("lock")
	must(t, err)
	_, err = disk.Lock("lock")
	wantIs(t, err, dio.ErrInUse)
	must(t, lock.Close())
	lock, err = disk.Lock("lock")
	must(t, err)
	must(t, lock.Close())
}

func testClosed(t *testing.T, disk dio.FS) {
	f := openFile(t, disk, "a", dio.Create)
	must(t, f.Close())
	for name, err := range map[string]error{
		"read":   second(f.ReadAt(make([]byte, 1), 0)),
		"write":  second(f.WriteAt(make([]byte, 1), 0)),
		"vector": second(f.WriteVec([][]byte{{1}, {2}}, 0)),
		"sync":   f.Sync(),
		"close":  f.Close(),
	} {
		if err == nil {
			t.Errorf("%s on a closed file", name)
		}
	}
}

// TestFolderDirect shows that the page cache is bypassed where the tests run, or says
// why not.
func TestFolderDirect(t *testing.T) {
	f := openFile(t, folder(t, t.TempDir()), "a", dio.Create|dio.Direct)
	if !f.Direct() {
		t.Skip("the file system has no direct I/O")
	}
}

// TestFolderErrorNames holds that an error names the file.
func TestFolderErrorNames(t *testing.T) {
	root := t.TempDir()
	f := openFile(t, folder(t, root), "a", dio.Create|dio.Direct)
	err := second(f.WriteAt([]byte("x"), 1))
	var path *fs.PathError
	if !errors.As(err, &path) || !strings.HasPrefix(path.Path, root) || path.Op != "write" {
		t.Errorf("%v", err)
	}
	if _, err := dio.Folder(root + "/a/b"); err == nil {
		t.Error("a folder below a file")
	}
	if info, err := os.Stat(root + "/a"); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
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

func openFile(t *testing.T, disk dio.FS, name string, mode dio.Mode) dio.File {
	t.Helper()
	f, err := disk.Open(name, mode)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func write(t *testing.T, disk dio.FS, name, text string) {
	t.Helper()
	f := openFile(t, disk, name, dio.Create)
	writeAt(t, f, text, 0)
}

func writeAt(t *testing.T, f dio.File, text string, offset int64) {
	t.Helper()
	if n, err := f.WriteAt([]byte(text), offset); n != len(text) || err != nil {
		t.Fatalf("wrote %d of %d, %v", n, len(text), err)
	}
}

func wantBytes(t *testing.T, f dio.File, offset int64, text string) {
	t.Helper()
	b := make([]byte, len(text))
	if n, err := f.ReadAt(b, offset); n != len(b) || err != nil && err != io.EOF || string(b) != text {
		t.Errorf("read %q, %d, %v; wanted %q", b, n, err, text)
	}
}

func wantSize(t *testing.T, f dio.File, size int64) {
	t.Helper()
	if n, err := f.Size(); n != size || err != nil {
		t.Errorf("%d bytes, %v; wanted %d", n, err, size)
	}
}

func wantList(t *testing.T, disk dio.FS, name string, want ...string) {
	t.Helper()
	infos, err := disk.List(name)
	must(t, err)
	if got := listing(infos); got != strings.Join(want, ", ") {
		t.Errorf("%s holds %s; wanted %s", name, got, strings.Join(want, ", "))
	}
}

func listing(infos []fs.FileInfo) string {
	var words []string
	for _, info := range infos {
		if info.IsDir() {
			words = append(words, info.Name()+"/")
		} else {
			words = append(words, fmt.Sprint(info.Name(), " ", info.Size()))
		}
	}
	return strings.Join(words, ", ")
}

// TestAligned: a buffer of any size is what direct I/O takes, and one in huge pages begins
// where a huge page does.
func TestAligned(t *testing.T) {
	f := openFile(t, folder(t, t.TempDir()), "a", dio.Create|dio.Direct)
	for _, n := range []int{dio.BlockSize, 2<<20 - dio.BlockSize, 2 << 20, 2<<20 + dio.BlockSize, 5 << 20} {
		b := dio.AlignedHuge(n)
		if len(b) != n || cap(b) != n {
			t.Fatalf("%d bytes, room for %d, want %d", len(b), cap(b), n)
		}
		if at := reflect.ValueOf(&b[0]).Pointer(); at%(2<<20) != 0 {
			t.Errorf("%d bytes lie at %#x", n, at)
		}
		must(t, dio.CheckAligned(b, 0))
		b[0], b[n-1] = 1, byte(n>>12)
		must(t, second(f.WriteAt(b, 0)))
		back := dio.Aligned(n)
		if len(back) != n || cap(back) != n {
			t.Fatalf("%d bytes, room for %d, want %d", len(back), cap(back), n)
		}
		if _, err := f.ReadAt(back, 0); err != nil || back[0] != 1 || back[n-1] != byte(n>>12) {
			t.Errorf("%d bytes: %d, %d, %v", n, back[0], back[n-1], err)
		}
	}
}
