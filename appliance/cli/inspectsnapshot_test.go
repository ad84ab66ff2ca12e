package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/effectlog"
	"github.com/pandabeardb/panda/disk/snapshot"
)

// inspectedSnapshot is a folder with a snapshot of two frames, and the snapshot.
func inspectedSnapshot(t *testing.T) (folder, file string) {
	t.Helper()
	folder = t.TempDir()
	disk, err := dio.Folder(folder)
	if err != nil {
		t.Fatal(err)
	}
	w, err := snapshot.Create(disk, ".", snapshot.Options{Begin: 7, CreatedMS: 1_800_000_000_123})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []effectlog.Record{
		{Kind: effectlog.KindSet, Stamp: 3<<14 | 5, Key: []byte("key"), Value: []byte("value"), Flags: 7},
		{Kind: effectlog.KindSet, Stamp: 4<<14 | 5, Key: []byte("\xff \"key\""), Value: []byte{0, 0xfe, '"'}},
		{Kind: effectlog.KindSet, Stamp: 5<<14 | 6, Key: []byte("large"), Value: make([]byte, 1<<20)}, // has a frame of its own
	} {
		if err := w.Append(effectlog.AppendRecord(nil, &r), 1); err != nil {
			t.Fatal(err)
		}
	}
	seqs := make([]uint64, snapshot.Slots)
	seqs[5], seqs[6] = 4, 5
	if err := w.Finish(9, seqs); err != nil {
		t.Fatal(err)
	}
	if err := w.Publish(); err != nil {
		t.Fatal(err)
	}
	return folder, filepath.Join(folder, "0000000000000001.snapshot")
}

func TestInspectSnapshot(t *testing.T) {
	folder, file := inspectedSnapshot(t)
	for name, args := range map[string][]string{
		"inspectsnapshot.txt":  {folder},
		"inspectsnapshot.json": {file, "--json"},
	} {
		code, text, notes := run(t, append([]string{"inspect", "snapshot"}, args...)...)
		if code != 0 || notes != "" {
			t.Errorf("exit code %d, %q", code, notes)
		}
		golden(t, name, regexp.MustCompile(`(identity(?:":"| ))[0-9a-f]{16}`).ReplaceAllString(text, "${1}0123456789abcdef"))
	}
	_, text, _ := run(t, "inspect", "snapshot", "--json", "--values", folder)
	for line := range strings.Lines(text) {
		if !json.Valid([]byte(line)) {
			t.Errorf("%s", line)
		}
	}
	if !strings.Contains(text, `"value":"value"`) {
		t.Errorf("no values:\n%.2000s", text)
	}
}

// TestInspectDamagedSnapshot: damage is named, the rest is shown, and the exit code is 1.
func TestInspectDamagedSnapshot(t *testing.T) {
	folder, file := inspectedSnapshot(t)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		offset int
		damage string
		end    string
	}{
		{4096 + 64 + 30, "offset 4160, record 0: effectlog: damaged record", "2 frames, 2 records; 1 damaged"},
		{20, "offset 0: snapshot: not a snapshot, or its head is damaged", "2 frames, 3 records; 1 damaged"},
		{len(b) - 5000, "snapshot: its trailer is damaged or missing", "2 frames, 3 records; 1 damaged"},
	} {
		b[c.offset] ^= 1
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		b[c.offset] ^= 1
		for _, path := range []string{file, folder} {
			code, text, notes := run(t, "inspect", "snapshot", path)
			if code != 1 || notes != "panda: inspect: "+path+": damaged places: 1\n" ||
				!strings.Contains(text, "damage: 0000000000000001.snapshot, ") || !strings.Contains(text, c.damage+"\n") || !strings.HasSuffix(text, "\n"+c.end+"\n") {
				t.Errorf("exit code %d, %q\n%s", code, notes, text)
			}
		}
	}
	if code, _, notes := run(t, "inspect", "snapshot", t.TempDir()); code != 1 || !strings.Contains(notes, "no snapshot") {
		t.Errorf("an empty folder: exit code %d, %q", code, notes)
	}
	if code, _, _ := run(t, "inspect", "snapshot"); code != 64 {
		t.Errorf("no argument: exit code %d", code)
	}
}
