package appliance

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pandabeardb/panda/disk/dio"
)

// TestLossBehindARefusedStart: what flash or the memory file has no more is in the data
// folder, also when the first start without it was refused for another reason, and put the
// memory back.
func TestLossBehindARefusedStart(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, flash, memory string){
		"flash": func(t *testing.T, flash, _ string) {
			if err := os.Remove(flash); err != nil {
				t.Fatal(err)
			}
		},
		"memory": func(t *testing.T, _, memory string) {
			b, err := os.ReadFile(memory)
			if err != nil || !bytes.Contains(b, []byte("key0")) {
				t.Fatal("the first key is not in the memory file", err)
			}
			b = bytes.ReplaceAll(b, []byte("key0"), []byte("key!")) // where it was before, too
			if err := os.WriteFile(memory, b, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) { testLossBehindARefusedStart(t, damage) })
	}
}

func testLossBehindARefusedStart(t *testing.T, damage func(t *testing.T, flash, memory string)) {
	base := t.TempDir()
	flash, memory, data := filepath.Join(base, "flash"), filepath.Join(base, "memory"), filepath.Join(base, "data")
	args := "-m 64 -t 1 -p -1 -l 127.0.0.1 -e " + memory + " -o ext_page_size=4,ext_wbuf_size=2,ext_item_age=0,ext_path=" +
		flash + ":64m,panda_persist=log,panda_data=" + data
	n, err := build(t, args)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UnixMilli()
	fillFlash(t, n, now)
	n.saveAtEnd()
	if err := n.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	damage(t, flash, memory)
	folder, err := dio.Folder(data)
	if err != nil {
		t.Fatal(err)
	}
	held, err := folder.Lock("LOCK")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := build(t, args); err == nil {
		n.Stop(context.Background())
		t.Fatal("a folder that another process has was taken")
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err = build(t, args); err != nil {
		t.Fatal(err)
	}
	defer n.Stop(context.Background())
	h := n.store.Handle(0)
	k := h.Key(0, []byte("key0"))
	l := h.Lock(&k)
	defer l.Unlock()
	if it, _ := l.Find(now); it.IsNil() {
		t.Error("the first value is lost")
	}
}
