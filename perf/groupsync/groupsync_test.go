package groupsync_test

import (
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/pandabeardb/panda/perf/groupsync"
)

func TestRun(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: the loop writes by Linux's O_DIRECT")
	}
	program, err := groupsync.Build(t.TempDir())
	if errors.Is(err, groupsync.ErrNoCompiler) {
		t.Skip("SKIP: no C compiler (cc) on this machine")
	}
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, kind := range []groupsync.Kind{groupsync.Appended, groupsync.Allocated, groupsync.Overwritten} {
		rate, err := groupsync.Run(t.Context(), program, folder, 5000, 100*time.Millisecond, kind)
		if err != nil || rate < 1 {
			t.Errorf("%s: %g a second, %v", kind, rate, err)
		}
		t.Logf("%s: %.0f groups a second", kind, rate)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	if _, err := groupsync.Run(t.Context(), program, folder, 2<<20, time.Millisecond, groupsync.Allocated); err == nil {
		t.Error("a group that is too large was written")
	}
}
