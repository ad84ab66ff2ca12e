package admin

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/appliance/status"
	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache"
)

// TestStatus: /status is what the statistics commands say, with the store's own
// memory and what the node adds.
func TestStatus(t *testing.T) {
	from := source()
	from.Version = "0.2"
	from.Memory = func() slab.Stats { return slab.Stats{LimitBytes: 100, UsedBytes: 30, IndexBytes: 10, Bytes: 15} }
	from.Snapshot = func() memcache.Snapshot {
		return memcache.Snapshot{
			General:  []memcache.Stat{{Name: "version", Value: "1.6.45"}, {Name: "libevent", Value: "none"}, {Name: "get_hits", Value: "5"}, {Name: "limit_maxbytes", Value: "7"}},
			Items:    []memcache.Stat{{Name: "items:3:number", Value: "8"}},
			Slabs:    []memcache.Stat{{Name: "3:chunk_size", Value: "152"}, {Name: "total_malloced", Value: "1048576"}},
			Settings: []memcache.Stat{{Name: "auth_enabled_sasl", Value: "yes"}},
		}
	}
	from.Status = func(r *status.Reading) {
		r.TimeMS = 1234
		r.HotKeys = &status.HotKeys{Samples: 4, Keys: []status.HotKey{{Key: "a", Share: 0.5}}}
	}
	s := start(t, from)
	code, text := get(t, s, "/status")
	var r status.Reading
	if err := json.Unmarshal([]byte(text), &r); code != 200 || err != nil || !strings.HasSuffix(text, "}\n") {
		t.Fatalf("%d %v %s", code, err, text)
	}
	if r.Format != status.Format || r.TimeMS != 1234 || r.Server.Name != "panda" || r.Server.Version != "0.2" || r.Commands.Get.Hits != 5 ||
		r.Memory != (status.Memory{Limit: 100, Used: 30, Items: 15, Index: 10}) || r.HotKeys.Keys[0].Key != "a" || r.Auth == nil || r.TLS != nil ||
		len(r.Classes) != 1 || r.Classes[0].Items != 8 || r.Classes[0].ChunkBytes != 152 {
		t.Errorf("%s", text)
	}
	s.Detach()
	if code, text := get(t, s, "/status"); code != http.StatusServiceUnavailable || text != "the node stops\n" {
		t.Errorf("once the node stops: %d %q", code, text)
	}
}

// TestTransportMetrics: logins, TLS and datagrams have metrics of ours.
func TestTransportMetrics(t *testing.T) {
	from := source()
	from.Snapshot = func() memcache.Snapshot {
		return memcache.Snapshot{General: []memcache.Stat{{Name: "auth_cmds", Value: "9"}, {Name: "auth_errors", Value: "4"}}}
	}
	from.Transport = func() wire.Transport {
		return wire.Transport{TLSHandshakeErrors: 2, TLSRecordErrors: 3, TLSNewSessions: 5, Datagrams: wire.DatagramCounts{Read: 6, Refused: 7}}
	}
	_, text := get(t, start(t, from), "/metrics")
	for _, line := range []string{
		`panda_authentications_total{outcome="success"} 5`, `panda_authentications_total{outcome="failure"} 4`,
		`panda_tls_events_total{event="handshake_error"} 2`, `panda_tls_events_total{event="record_error"} 3`, `panda_tls_events_total{event="new_session"} 5`,
		`panda_udp_datagrams_total{fate="read"} 6`, `panda_udp_datagrams_total{fate="refused"} 7`, `panda_udp_datagrams_total{fate="unsent"} 0`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}
