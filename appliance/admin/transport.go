package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pandabeardb/panda/wire"
)

// transportMetrics are what no exporter has names for: who could not log in,
// what became of TLS connections and of datagrams.
type transportMetrics struct {
	auth, tls, datagrams *prometheus.Desc
}

func newTransportMetrics() transportMetrics {
	return transportMetrics{
		auth:      prometheus.NewDesc("panda_authentications_total", "Attempts of clients to say who they are.", []string{"outcome"}, nil),
		tls:       prometheus.NewDesc("panda_tls_events_total", "Handshakes that resumed no session, handshakes that failed, connections that a bad record ended.", []string{"event"}, nil),
		datagrams: prometheus.NewDesc("panda_udp_datagrams_total", "Datagrams: read and written; refused, from who may not ask; capped, whose source had its share; unsent, which the system did not take.", []string{"fate"}, nil),
	}
}

func (m *transportMetrics) describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.auth, m.tls, m.datagrams} {
		out <- d
	}
}

// add adds the values.
func (m *transportMetrics) add(t *wire.Transport, g rows, add adder) {
	attempts, _ := number(g["auth_cmds"])
	failures, _ := number(g["auth_errors"])
	add(m.auth, counter, max(0, attempts-failures), "success")
	add(m.auth, counter, failures, "failure")
	for _, v := range []struct {
		desc  *prometheus.Desc
		value int64
		label string
	}{
		{m.tls, t.TLSNewSessions, "new_session"},
		{m.tls, t.TLSHandshakeErrors, "handshake_error"},
		{m.tls, t.TLSRecordErrors, "record_error"},
		{m.datagrams, t.Datagrams.Read, "read"},
		{m.datagrams, t.Datagrams.Written, "written"},
		{m.datagrams, t.Datagrams.Refused, "refused"},
		{m.datagrams, t.Datagrams.Capped, "capped"},
		{m.datagrams, t.Datagrams.Unsent, "unsent"},
	} {
		add(v.desc, counter, float64(v.value), v.label)
	}
}
