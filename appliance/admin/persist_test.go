package admin

import (
	"bufio"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pandabeardb/panda/appliance/status"
)

// kept is a source of a keyspace that is kept.
func kept() Source {
	from := source()
	from.Persist = func() *status.Persist {
		return &status.Persist{
			Mode: "log", Fsync: "always", PendingBytes: 1, UndurableBytes: 2, UndurableEpochs: 3, UndurableMS: 4500, Waiting: 5, Deferred: 6,
			LogBytes: 7, Segments: 8, SegmentBytes: 9, DiskFree: 10, DiskTotal: 11, DiskFull: true, DiskLow: true, DiskFullTimes: 12,
			Syncs:           &status.Latency{Count: 3, SumNS: 2_500_000_000, Buckets: []status.Bucket{{UpToNS: 1_000_000, Count: 1}, {UpToNS: 2_000_000, Count: 2}, {Count: 4}}},
			Waits:           &status.Latency{Count: 1, SumNS: 500_000_000, Buckets: []status.Bucket{{UpToNS: 1_000_000}, {Count: 1}}},
			Snapshot:        status.Snapshot{Running: true, Done: 1, Of: 4, TimeMS: 1000, Seconds: 13, Bytes: 14, Items: 15, Taken: 16, Failures: 17},
			RecoverySeconds: 18, RecoveredSnapshot: 19, RecoveredLog: 20,
		}
	}
	return from
}

// TestPersistMetrics: each has its value, and none is there when nothing is kept.
func TestPersistMetrics(t *testing.T) {
	_, text := get(t, start(t, kept()), "/metrics")
	for _, line := range []string{
		`panda_persist_info{fsync="always",mode="log"} 1`, `panda_persist_disk_full 1`, `panda_persist_disk_low 1`, `panda_persist_disk_full_total 12`,
		`panda_persist_disk_free_bytes 10`, `panda_persist_disk_total_bytes 11`, `panda_persist_pending_bytes 1`, `panda_persist_undurable_bytes 2`,
		`panda_persist_undurable_epochs 3`, `panda_persist_undurable_seconds 4.5`, `panda_persist_waiting_connections 5`,
		`panda_persist_deferred_requests_total 6`, `panda_persist_log_written_bytes_total 7`, `panda_persist_log_segments 8`, `panda_persist_log_bytes 9`,
		`panda_persist_snapshot_running 1`, `panda_persist_snapshot_progress_ratio 0.25`, `panda_persist_snapshot_duration_seconds 13`,
		`panda_persist_snapshot_bytes 14`, `panda_persist_snapshot_items 15`, `panda_persist_snapshots_total{outcome="success"} 16`,
		`panda_persist_snapshots_total{outcome="failure"} 17`, `panda_persist_recovery_duration_seconds 18`,
		`panda_persist_recovered_records{from="snapshot"} 19`, `panda_persist_recovered_records{from="log"} 20`,
		`panda_persist_fsync_duration_seconds_bucket{le="0.001"} 1`, `panda_persist_fsync_duration_seconds_bucket{le="0.002"} 3`,
		`panda_persist_fsync_duration_seconds_bucket{le="+Inf"} 7`, `panda_persist_fsync_duration_seconds_sum 2.5`,
		`panda_persist_wait_duration_seconds_count 1`, `panda_test_seconds_count 12`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if !strings.Contains(text, "\npanda_persist_snapshot_age_seconds 1.") {
		t.Error("a snapshot of 1970 has no age")
	}
	if t.Failed() {
		t.Log(text)
	}
	if _, text := get(t, start(t, source()), "/metrics"); strings.Contains(text, "panda_persist") {
		t.Error("metrics of a keyspace that is not kept")
	}
	if _, text := get(t, start(t, kept()), "/status"); !strings.Contains(text, `"persist":{"mode":"log","fsync":"always","pending_bytes":1,`) {
		t.Errorf("%s", text)
	}
}

// post asks for a snapshot.
func post(t *testing.T, s *Server, header, value string) *http.Response {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://"+s.Addr().String()+status.SnapshotPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(header, value)
	client := http.Client{Timeout: patience}
	t.Cleanup(client.CloseIdleConnections)
	reply, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reply.Body.Close() })
	return reply
}

// snapshotLines are those of an answer to the end.
func snapshotLines(t *testing.T, reply *http.Response) (list []status.SnapshotLine) {
	t.Helper()
	for lines := bufio.NewScanner(reply.Body); lines.Scan(); {
		var l status.SnapshotLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		list = append(list, l)
	}
	return list
}

// TestSnapshot: progress, then what became of it.
func TestSnapshot(t *testing.T) {
	result := make(chan error)
	var asked atomic.Int64
	from := kept()
	from.TakeSnapshot = func() (<-chan error, error) {
		asked.Add(1)
		return result, nil
	}
	s := start(t, from)
	for _, end := range []error{nil, errors.New("no beans left")} {
		reply := post(t, s, status.SnapshotHeader, status.SnapshotValue)
		if reply.StatusCode != http.StatusOK {
			t.Fatal(reply.Status)
		}
		first, err := bufio.NewReader(reply.Body).ReadString('\n') // before it is done
		if err != nil || first != `{"done_items":1,"of_items":4}`+"\n" {
			t.Errorf("%q, %v", first, err)
		}
		result <- end
		lines := snapshotLines(t, reply)
		last := lines[len(lines)-1]
		want := status.SnapshotLine{DoneItems: 15, OfItems: 15, Done: true, Seconds: 13, Bytes: 14, Items: 15}
		if end != nil {
			want = status.SnapshotLine{Error: "no beans left"}
		}
		if last != want {
			t.Errorf("%+v, want %+v", last, want)
		}
	}
	if asked.Load() != 2 {
		t.Errorf("asked %d times", asked.Load())
	}
}

// TestSnapshotIsRefused to web pages, to who comes while one is taken, and where
// nothing is kept.
func TestSnapshotIsRefused(t *testing.T) {
	busy := kept()
	busy.TakeSnapshot = func() (<-chan error, error) { return nil, ErrBusy }
	s := start(t, busy)
	check := func(s *Server, header string, code int, text string) {
		t.Helper()
		reply := post(t, s, header, status.SnapshotValue)
		got, _ := bufio.NewReader(reply.Body).ReadString('\n')
		if reply.StatusCode != code || strings.TrimSpace(got) != text {
			t.Errorf("%s: %d %q, want %d %q", header, reply.StatusCode, got, code, text)
		}
	}
	check(s, status.SnapshotHeader, 409, "a snapshot is being taken already")
	check(s, "Content-Type", 403, "a snapshot wants the header X-Panda: snapshot")
	check(start(t, source()), status.SnapshotHeader, 409, "this node keeps nothing on disk: persist.mode is off")
	for method, want := range map[string]int{"GET": 405, "HEAD": 405, "OPTIONS": 405, "PUT": 405} {
		if got, text := do(t, s, method, status.SnapshotPath, ""); got != want {
			t.Errorf("%s: %d %s", method, got, text)
		}
	}
	if got, _ := do(t, s, "POST", status.SnapshotPath, "evil.example"); got != 403 {
		t.Errorf("under another name: %d", got)
	}
	s.Detach()
	check(s, status.SnapshotHeader, 503, "the node stops")
}

// TestSnapshotOutlivesTimeouts: the bounds of a request and of its reply are none of
// what the request wants.
func TestSnapshotOutlivesTimeouts(t *testing.T) {
	result := make(chan error)
	from := kept()
	from.TakeSnapshot = func() (<-chan error, error) { return result, nil }
	s, err := Listen("localhost:0", from, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.http.ReadTimeout, s.http.ReadHeaderTimeout, s.http.WriteTimeout = status.SnapshotEvery, status.SnapshotEvery, status.SnapshotEvery
	s.Start()
	t.Cleanup(func() { s.Close() })
	reply := post(t, s, status.SnapshotHeader, status.SnapshotValue)
	r := bufio.NewReader(reply.Body)
	for range 4 { // four times the bound
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case result <- nil:
	case <-time.After(patience): // of a failure only
		t.Fatal("nobody waits for the snapshot any more")
	}
	if last, err := r.ReadString('\n'); err != nil || !strings.Contains(last, `"done":true`) {
		t.Errorf("%q, %v", last, err)
	}
}
