package dio

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// The kernel's File remembers that a Sync failed, too.
func TestSyncFailsForGood(t *testing.T) {
	disk, err := Folder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	opened, err := disk.Open("a", New)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	f := opened.(*diskFile)
	f.failSync(syscall.EIO)
	f.failSync(syscall.ENOSPC)
	_, writeErr := f.WriteAt([]byte{1}, 0)
	_, vecErr := f.WriteVec([][]byte{{1}, {2}}, 0)
	for _, err := range []error{f.Sync(), writeErr, vecErr, f.Truncate(0), f.Allocate(0, 1)} {
		if !errors.Is(err, ErrSyncFailed) || !errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%v", err)
		}
	}
	if _, err := f.ReadAt(make([]byte, 1), 0); errors.Is(err, ErrSyncFailed) {
		t.Error("reading is refused")
	}
}

// A folder that is only read is not made, and not changed.
func TestReadOnlyFolder(t *testing.T) {
	root := t.TempDir()
	if _, err := ReadOnlyFolder(filepath.Join(root, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	if err := os.WriteFile(filepath.Join(root, "a"), []byte("text"), 0o440); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadOnlyFolder(filepath.Join(root, "a")); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file: %v", err)
	}
	disk, err := ReadOnlyFolder(root)
	if err != nil {
		t.Fatal(err)
	}
	f, err := disk.Open("a", Direct)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(Aligned(BlockSize), 0); !errors.Is(err, syscall.EBADF) {
		t.Errorf("written: %v", err)
	}
	_, create := disk.Open("b", Create)
	_, lock := disk.Lock("lock")
	for _, err := range []error{create, lock, disk.Rename("a", "b"), disk.Remove("a"), disk.MakeFolder("b"), disk.SyncFolder(".")} {
		if !errors.Is(err, syscall.EROFS) {
			t.Errorf("%v", err)
		}
	}
	if infos, err := disk.List("."); err != nil || len(infos) != 1 || infos[0].Name() != "a" {
		t.Errorf("%v, %v", infos, err)
	}
}
