package admin

import (
	"encoding/json"
	"net/http"

	"github.com/pandabeardb/panda/appliance/status"
)

// reading is the node's state, as /status answers it: what the statistics
// commands say, and what the node adds.
func (s *Server) reading() (r status.Reading) {
	snapshot := s.source.Snapshot()
	t := status.Tables{General: status.Rows{}, Items: status.Rows{}, Slabs: status.Rows{}, Settings: status.Rows{}}
	for _, row := range snapshot.General {
		t.General[row.Name] = row.Value
	}
	for _, row := range snapshot.Items {
		t.Items[row.Name] = row.Value
	}
	for _, row := range snapshot.Slabs {
		t.Slabs[row.Name] = row.Value
	}
	for _, row := range snapshot.Settings {
		t.Settings[row.Name] = row.Value
	}
	r = status.FromTables(t)
	r.Server.Version = s.source.Version
	memory := s.source.Memory()
	r.Memory = status.Memory{Limit: memory.LimitBytes, Used: memory.UsedBytes, Items: memory.Bytes, Index: memory.IndexBytes}
	r.Persist = s.source.persisted()
	if s.source.Status != nil {
		s.source.Status(&r)
	}
	return r
}

// status answers /status. It is encoding/json's: faster encoders make code at
// run time, which Debian's unit for memcached forbids.
func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	s.readings <- struct{}{}
	defer func() { <-s.readings }()
	var r status.Reading
	if err := s.ask(func() { r = s.reading() }); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	body, err := json.Marshal(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(append(body, '\n'))
}
