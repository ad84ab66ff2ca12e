package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/pandabeardb/panda/appliance/status"
)

// POST /snapshot has a node take a snapshot. The answer is lines of JSON while it is
// taken, the last of which says what became of it; the request may end before, which
// does not end the snapshot.

// snapshotWriteTimeout is for each line: a reader that takes none is given up.
const snapshotWriteTimeout = 10 * time.Second

// ErrBusy is what Source.TakeSnapshot returns when one is being taken.
var ErrBusy = errors.New("a snapshot is being taken already")

var errNotKept = errors.New("this node keeps nothing on disk: persist.mode is off")

// snapshot answers POST /snapshot.
func (s *Server) snapshot(w http.ResponseWriter, r *http.Request) {
	if s.source.TakeSnapshot == nil {
		http.Error(w, errNotKept.Error(), http.StatusConflict)
		return
	}
	var result <-chan error
	var err error
	if detached := s.ask(func() { result, err = s.source.TakeSnapshot() }); detached != nil {
		http.Error(w, detached.Error(), http.StatusServiceUnavailable)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	tick := time.NewTicker(status.SnapshotEvery)
	defer tick.Stop()
	for {
		select {
		case err = <-result:
			s.snapshotLine(w, s.snapshotEnd(err))
			return
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
		line := status.SnapshotLine{}
		s.ask(func() {
			p := s.source.Persist()
			line = status.SnapshotLine{DoneItems: p.Snapshot.Done, OfItems: p.Snapshot.Of}
		})
		if !s.snapshotLine(w, line) {
			return
		}
	}
}

// snapshotEnd is the last line.
func (s *Server) snapshotEnd(err error) (line status.SnapshotLine) {
	if err != nil {
		return status.SnapshotLine{Error: err.Error()}
	}
	line.Done = true
	s.ask(func() {
		of := s.source.Persist().Snapshot
		line = status.SnapshotLine{DoneItems: of.Items, OfItems: of.Items, Done: true, Seconds: of.Seconds, Bytes: of.Bytes, Items: of.Items}
	})
	return line
}

// snapshotLine writes a line, and reports whether somebody takes it.
func (s *Server) snapshotLine(w http.ResponseWriter, line status.SnapshotLine) bool {
	c := http.NewResponseController(w)
	if c.SetWriteDeadline(time.Now().Add(snapshotWriteTimeout)) != nil {
		return false
	}
	return json.NewEncoder(w).Encode(line) == nil && c.Flush() == nil
}

// allowed refuses a request's method, with what to do. Only a snapshot is a change.
func allowed(r *http.Request) (allow string, err error) {
	switch {
	case r.URL.Path != status.SnapshotPath:
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			return "", nil
		}
		return "GET, HEAD", errors.New("only GET and HEAD")
	case r.Method != http.MethodPost:
		return "POST", errors.New("only POST")
	case r.Header.Get(status.SnapshotHeader) != status.SnapshotValue:
		return "", fmt.Errorf("a snapshot wants the header %s: %s", status.SnapshotHeader, status.SnapshotValue)
	}
	return "", nil
}

// persisted is what the node keeps; nil: nothing. It is asked within Server.ask.
func (s *Source) persisted() *status.Persist {
	if s.Persist == nil {
		return nil
	}
	return s.Persist()
}
