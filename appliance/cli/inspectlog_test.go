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
)

// inspected is a folder with a log, and its writer, which has not closed it.
func inspected(t *testing.T) (folder string, w *effectlog.Writer) {
	t.Helper()
	folder = t.TempDir()
	disk, err := dio.Folder(folder)
	if err != nil {
		t.Fatal(err)
	}
	w, err = effectlog.NewWriter(disk, ".", &effectlog.Tail{}, effectlog.Options{SegmentBytes: 1 << 16})
	if err != nil {
		t.Fatal(err)
	}
	epoch := effectlog.Epoch(0)
	for _, records := range [][]effectlog.Record{
		{
			{Kind: effectlog.KindSet, Stamp: 3<<14 | 5, Key: []byte("key"), Value: []byte("value"), ExpiryMS: 1_800_000_000_123,
				CAS: 1<<63 + 1, Flags: 7, Bits: 2, DB: 1},
			{Kind: effectlog.KindSet, Stamp: 4<<14 | 5, Key: []byte("\xff \"key\""), Value: []byte{0, 0xfe, '"'}},
		},
		{
			{Kind: effectlog.KindDelete, Stamp: 5<<14 | 5, Key: []byte("key")},
			{Kind: effectlog.KindFlushAll, Stamp: 6<<14 | 5, Value: effectlog.AppendMark(effectlog.AppendMark(nil, 2<<14|4), 6<<14|5)},
			{Kind: effectlog.KindState, Stamp: 7<<14 | 5, Key: []byte("memcache"), Value: []byte(`{"a":1}`)},
		},
	} {
		c := effectlog.Chunk{Pieces: [][]byte{nil}, Records: len(records)}
		for i := range records {
			c.Pieces[0] = effectlog.AppendRecord(c.Pieces[0], &records[i])
		}
		epoch += 2
		if err := w.Write(epoch, []effectlog.Chunk{c}); err != nil {
			t.Fatal(err)
		}
		if err := w.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	return folder, w
}

// TestInspectLog: a log that is in use, one that was closed, and one segment.
func TestInspectLog(t *testing.T) {
	folder, w := inspected(t)
	code, text, notes := run(t, "inspect", "log", folder)
	if code != 0 || notes != "" || !strings.Contains(text, "\n1 segments, 2 frames, 5 records, up to epoch 4; 0 damaged\n") {
		t.Errorf("in use: exit code %d, %q\n%s", code, notes, text)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"inspectlog.txt":  {folder, "--values"},
		"inspectlog.json": {filepath.Join(folder, "0000000000000001.log"), "--json", "--values"},
	} {
		code, text, notes := run(t, append([]string{"inspect", "log"}, args...)...)
		if code != 0 || notes != "" {
			t.Errorf("exit code %d, %q", code, notes)
		}
		golden(t, name, regexp.MustCompile(`(identity(?:":"| ))[0-9a-f]{16}`).ReplaceAllString(text, "${1}0123456789abcdef"))
	}
	_, text, _ = run(t, "inspect", "log", "--json", folder)
	for line := range strings.Lines(text) {
		if !json.Valid([]byte(line)) {
			t.Errorf("%s", line)
		}
	}
}

// TestInspectDamage: damage is named, the rest is shown, and the exit code is 1.
func TestInspectDamage(t *testing.T) {
	folder, w := inspected(t)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "0000000000000001.log")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[4096+64+56] ^= 1 // in the first record's key or value
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	code, text, notes := run(t, "inspect", "log", folder)
	if code != 1 || notes != "panda: inspect: "+folder+": damaged places: 1\n" ||
		!strings.Contains(text, "\ndamage: 0000000000000001.log, offset 4160, record 0: effectlog: damaged record\n") ||
		!strings.HasSuffix(text, "\n1 segments, 3 frames, 4 records, up to epoch 4; 1 damaged\n") {
		t.Errorf("exit code %d, %q\n%s", code, notes, text)
	}
	if code, _, notes := run(t, "inspect", "log", t.TempDir()); code != 1 || !strings.Contains(notes, "no segment of a log") {
		t.Errorf("an empty folder: exit code %d, %q", code, notes)
	}
	if code, _, _ := run(t, "inspect", "log", filepath.Join(folder, "none")); code != 1 {
		t.Errorf("no folder: exit code %d", code)
	}
	if code, _, _ := run(t, "inspect", "log"); code != 64 {
		t.Errorf("no argument: exit code %d", code)
	}
}
