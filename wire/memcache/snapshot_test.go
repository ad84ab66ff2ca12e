package memcache

import (
	"strings"
	"testing"
)

// TestSnapshotSaysWhatTheCommandsSay: row for row, but for those that tick.
func TestSnapshotSaysWhatTheCommandsSay(t *testing.T) {
	r := newRig(t, Config{})
	p := r.dial()
	p.send("set a 0 0 3\r\nabc\r\nget a\r\nget b\r\nset big 0 0 1000\r\n" + strings.Repeat("x", 1000) + "\r\n")
	snapshot := r.server.Snapshot(r.nowMS)
	for command, rows := range map[string][]Stat{
		"stats": snapshot.General, "stats settings": snapshot.Settings, "stats items": snapshot.Items, "stats slabs": snapshot.Slabs,
	} {
		want := parseRows([]byte(p.send(command + "\r\n")))
		if len(rows) != len(want) {
			t.Errorf("%s: %d rows, want %d", command, len(rows), len(want))
			continue
		}
		for i, row := range rows {
			if row != want[i] && !strings.HasPrefix(row.Name, "rusage") {
				t.Errorf("%s: %v, want %v", command, row, want[i])
			}
		}
	}
	if len(snapshot.General) < 50 || len(snapshot.Settings) < 50 {
		t.Errorf("%d rows of stats, %d of settings", len(snapshot.General), len(snapshot.Settings))
	}
}
