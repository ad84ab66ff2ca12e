package appliance

import (
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pandabeardb/panda/appliance/status"
)

// TestStopUnderSnapshots: a node that is scraped, asked for snapshots and written to
// ends in order, and whoever waits for a snapshot is told.
func TestStopUnderSnapshots(t *testing.T) {
	for range 3 {
		n := startKept(t, filepath.Join(t.TempDir(), "data"), silent, "admin.address", "127.0.0.1:0", "persist.fsync", "always")
		at := n.AdminAddr().String()
		var clients sync.WaitGroup
		taken := make(chan bool, 1)
		clients.Go(func() { // ends with the node
			for {
				_, err := status.TakeSnapshot(t.Context(), at, func(status.SnapshotLine) {})
				if err != nil {
					return
				}
				select {
				case taken <- true:
				default:
				}
			}
		})
		clients.Go(func() {
			for {
				if code, _, err := get(at, "/metrics"); err != nil || code != http.StatusOK {
					return
				}
			}
		})
		for range 50 {
			answers(t, n, "set a 0 0 1000\r\n"+strings.Repeat("v", 1000)+"\r\nget a\r\n")
		}
		<-taken
		_, text, err := get(at, "/metrics")
		got := metricValues(text)
		if err != nil || got["panda_persist_fsync_duration_seconds_count"] == 0 || got[`panda_persist_snapshots_total{outcome="success"}`] == 0 ||
			got["panda_persist_log_written_bytes_total"] < 50_000 || got["panda_persist_pending_bytes"] != 0 || got["panda_persist_disk_free_bytes"] <= 0 {
			t.Errorf("%v\n%s", err, text)
		}
		stop(t, n)
		clients.Wait()
	}
}
