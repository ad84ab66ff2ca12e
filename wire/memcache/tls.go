package memcache

import (
	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// Certificates are what sessions know of TLS, which the layer below speaks.
type Certificates struct {
	// Refresh reads them again: "" when it could, or what refresh_certs is to
	// answer. Called on loops.
	Refresh func() string

	// RefreshedMS is the Unix time when they were last; 0: at the start.
	RefreshedMS func() int64
}

// refreshCerts has new connections use certificates that are read now.
func refreshCerts(w *worker, _ *session) progress {
	c := w.server.env.Certificates
	if c == nil {
		return w.say("Error TLS not enabled\r\n")
	}
	if text := c.Refresh(); text != "" {
		return w.say(text)
	}
	return w.reply(replyOK)
}

// appendTLS appends what `stats` shows of TLS, if there is any. Sessions are
// handshakes that resumed none; memcached counts those whose ticket it sent.
func (s *Server) appendTLS(l *statList, nowMS int64, t *wire.Transport) {
	c := s.env.Certificates
	if c == nil {
		return
	}
	if s.config.Settings.SSLSessionCache {
		l.n("ssl_new_sessions", t.TLSNewSessions)
	}
	l.n("ssl_handshake_errors", t.TLSHandshakeErrors)
	if s.dialect == ascii.New {
		l.n("ssl_proto_errors", t.TLSRecordErrors)
	}
	since := c.RefreshedMS()
	if since == 0 {
		since = s.env.StartedAtMS - startSlackMS // memcached's clock says so from its start
	}
	l.n("time_since_server_cert_refresh", max(nowMS/1000-since/1000, 0))
}
