package appliance

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"testing"
)

// TestStoreThatCannotBeMadeAnew: when the store that a memory file held is closed, and there
// is no new one, nobody uses it any more.
func TestStoreThatCannotBeMadeAnew(t *testing.T) {
	folder := t.TempDir()
	n, err := build(t, "-m 16 -t 1 -p -1 -l 127.0.0.1 -e "+filepath.Join(folder, "memory"))
	if err != nil {
		t.Fatal(err)
	}
	n.net.Stop(context.Background())
	n.config.MemoryFile = filepath.Join(folder, "none", "memory")
	if err := n.reopenStore(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("made anew in a folder that is not there: %v", err)
	}
	n.saves = true
	n.putBackAtEnd()
	if err := n.closeStore(); err != nil {
		t.Errorf("the end of a node without a store: %v", err)
	}
}

// TestClosedStoreIsGone: whoever ends a node twice does not touch memory that was given back.
func TestClosedStoreIsGone(t *testing.T) {
	n, err := build(t, "-m 16 -t 1 -p -1 -l 127.0.0.1 -e "+filepath.Join(t.TempDir(), "memory"))
	if err != nil {
		t.Fatal(err)
	}
	n.saveAtEnd()
	if err := n.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	n.putBackAtEnd()
	if err := n.closeStore(); err != nil || n.store != nil {
		t.Errorf("closed again: %v, store %v", err, n.store)
	}
}
