package dio

import (
	"errors"
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
