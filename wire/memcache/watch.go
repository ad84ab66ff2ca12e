package memcache

import (
	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// traceStreams are watch's arguments, in the order in which the new dialect
// takes a beginning of one for it.
var traceStreams = [...]struct {
	name    string
	streams stream
	new     bool // not in the old dialect
}{
	{"rawcmds", streamSilent, false},
	{"evictions", streamEvictions, false},
	{"fetchers", streamFetchers, false},
	{"mutations", streamMutations, false},
	{"sysevents", streamSilent, false},
	{"connevents", streamConnections, false},
	{"proxyreqs", streamSilent, false},
	{"proxyevents", streamSilent, false},
	{"proxyuser", streamSilent, false},
	{"deletions", streamDeletions, true},
}

// watch makes the session a watcher: from here on it says nothing but lines of
// the trace, and what it hears is dropped.
func watch(w *worker, s *session) progress {
	if w.dialect == ascii.Old {
		w.noteNoreply()
	}
	if w.server.config.WatchDisabled || s.conn.datagrams != nil {
		return w.reply("CLIENT_ERROR watch commands not allowed\r\n")
	}
	if w.pipelined() {
		return w.reply("ERROR cannot pipeline other commands before watch\r\n")
	}
	r := &w.request
	streams := streamFetchers
	if r.Len() > 1 {
		streams = 0
	}
	for i := 1; i < r.Len(); i++ {
		one := w.streamNamed(r.Token(i))
		if one == 0 {
			return w.reply(replyError)
		}
		streams |= one
	}
	t := &w.server.trace
	if s.watcher = t.add(w.server, w.loop, streams); s.watcher == nil {
		return w.reply("WATCHER_TOO_MANY log watcher limit reached\r\n")
	}
	s.state = stateWatch
	w.say(replyOK)
	return watching
}

func (w *worker) streamNamed(token []byte) stream {
	for i := range traceStreams {
		if k := &traceStreams[i]; w.is(token, k.name) && (!k.new || w.dialect == ascii.New) {
			return k.streams
		}
	}
	return 0
}

// pipelined reports whether the request that runs follows another whose reply,
// were it only that there is none, is not on its way yet. mn has replies sent.
func (w *worker) pipelined() bool {
	return w.requests != w.server.turnRequests && w.requests != w.sentAt || w.start > 0
}

// Resume implements wire.Parked.
func (s *session) Resume(out *wire.Out) wire.Next {
	if s.state != stateWatch {
		if s.awaits() {
			return wire.Wait
		}
		return wire.More
	}
	s.worker.server.trace.drain(s.watcher, out)
	return wire.Park
}

// traceClosed tells that the conversation is over.
func (s *session) traceClosed(why wire.Reason) {
	w, reason := s.worker, traceReasons[why]
	switch {
	case s.watcher != nil:
		w.server.trace.remove(w.server, s.watcher)
		s.watcher = nil
		reason = traceReasons[wire.ByError] // as in memcached
	case why == wire.BySession:
		reason = traceReasons[s.ending]
	}
	w.traceClose(&s.conn.peer, reason)
}
