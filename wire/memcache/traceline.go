package memcache

import (
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// Lines of the trace, memcached's to the byte (logger.c), but for two: what a
// store command tells of an item that is too large or finds no memory has class
// and connection where memcached prints what lies on its stack.

// The words of lines.
var (
	traceCommands = [...]string{
		modeSet: "set", modeAdd: "add", modeReplace: "replace", modeAppend: "append", modePrepend: "prepend", modeCAS: "cas",
		modeNone: "null",
	}
	traceOutcomes = [...]string{
		stored: "stored", notStored: "not_stored", exists: "exists", notFound: "not_found", noMemory: "no_memory",
		tooLarge: "too_large",
	}
	traceLookups = [...]string{
		slab.Miss: "not_found", slab.Hit: "found", slab.Flushed: "flushed", slab.Expired: "expired",
	}
	traceReasons = [...]string{
		wire.BySession: "error", wire.ByPeer: "normal", wire.ByError: "error", wire.ByIdle: "idle_timeout", wire.ByStop: "shutdown",
	}
)

// traceLine begins a line, up to its type.
func (w *worker) traceLine(s stream) []byte {
	t := &w.trace
	if len(t.lines)+traceLineMax > cap(t.lines) {
		w.traceRoom()
	}
	if len(t.stamp) == 0 {
		t.stamp = appendStamp(t.stamp, time.Now())
	}
	t.at = len(t.lines)
	gid := w.server.trace.number.Add(1)
	b := append(appendTraceHead(t.lines, s, gid), t.stamp...)
	return ascii.AppendUint(b, gid)
}

// traceRoom makes room for a line.
func (w *worker) traceRoom() {
	if cap(w.trace.lines) == 0 {
		w.trace.lines = make([]byte, 0, w.server.traceBuffer())
	} else {
		w.handOver()
	}
}

// traceWrite ends the line that traceLine began.
func (w *worker) traceWrite(b []byte) {
	w.trace.lines = endTraceLine(b, w.trace.at)
	w.trace.written++
}

func appendTraceHead(b []byte, s stream, gid uint64) []byte {
	b = append(b, 0, 0, byte(s), byte(s>>8))
	return binary.LittleEndian.AppendUint64(b, gid)
}

// endTraceLine ends the line whose head stands at at.
func endTraceLine(b []byte, at int) []byte {
	b = append(b, '\n')
	binary.LittleEndian.PutUint16(b[at:], uint16(len(b)-at))
	return b
}

// appendStamp appends the time up to the line's number. As in memcached, the
// microseconds have no leading zeros.
func appendStamp(b []byte, now time.Time) []byte {
	b = strconv.AppendInt(append(b, "ts="...), now.Unix(), 10)
	b = strconv.AppendInt(append(b, '.'), int64(now.Nanosecond()/1000), 10)
	return append(b, " gid="...)
}

// appendSize appends the tail that most lines have.
func appendSize(b []byte, fd int32, size int) []byte {
	b = strconv.AppendInt(append(b, " cfd="...), int64(fd), 10)
	return ascii.AppendUint(append(b, " size="...), uint64(size))
}

// classOf is the slab class that memcached would keep the item in.
func (s *Server) classOf(it slab.Item) uint64 {
	return uint64(s.class(s.itemTotal(len(it.Key()), it.Flags(), it.ValueLen())))
}

// traceFetch tells that a key was looked up.
func (w *worker) traceFetch(key []byte, it slab.Item, found slab.Lookup) {
	class, size := uint64(0), 0
	if found == slab.Hit {
		class, size = w.server.classOf(it), it.ValueLen()
	}
	b := append(w.traceLine(streamFetchers), " type=item_get key="...)
	b = ascii.AppendURI(b, key)
	b = append(append(b, " status="...), traceLookups[found]...)
	b = ascii.AppendUint(append(b, " clsid="...), class)
	w.traceWrite(appendSize(b, w.trace.fd, size))
}

// traceStore tells what a store command did with a key.
func (w *worker) traceStore(key []byte, m mode, status string, expiresAtMS int64, class, size int) {
	ttl := uint32(0)
	if expiresAtMS != 0 {
		ttl = uint32(ttlSeconds(expiresAtMS, w.now))
	}
	b := append(w.traceLine(streamMutations), " type=item_store key="...)
	b = ascii.AppendURI(b, key)
	b = append(append(b, " status="...), status...)
	b = append(append(b, " cmd="...), traceCommands[m]...)
	b = ascii.AppendUint(append(b, " ttl="...), uint64(ttl))
	b = ascii.AppendUint(append(b, " clsid="...), uint64(class))
	w.traceWrite(appendSize(b, w.trace.fd, size))
}

// traceRefused tells that a store command's data finds no room. As in memcached,
// a binary one has no name then, and an append or prepend no line.
func (w *worker) traceRefused(st *store, key []byte, o outcome) {
	m := st.mode
	if st.packet {
		if m == modeAppend || m == modePrepend {
			return
		}
		m = modeNone
	}
	w.traceStore(key, m, traceOutcomes[o], 0, 0, 0)
}

// traceDelete tells that an item is being removed.
func (w *worker) traceDelete(it slab.Item, command string) {
	b := append(w.traceLine(streamDeletions), " type=deleted key="...)
	b = ascii.AppendURI(b, it.Key())
	b = append(append(b, " cmd="...), command...)
	b = ascii.AppendUint(append(b, " clsid="...), w.server.classOf(it))
	w.traceWrite(ascii.AppendUint(append(b, " size="...), uint64(it.ValueLen())))
}

// appendEviction appends what is told of an evicted item.
func (s *Server) appendEviction(b []byte, it slab.Item, nowMS int64) []byte {
	b = ascii.AppendURI(append(b, " type=eviction key="...), it.Key())
	if it.Fetched() {
		b = append(b, " fetch=yes ttl="...)
	} else {
		b = append(b, " fetch=no ttl="...)
	}
	ttl := int64(-1)
	if at := it.ExpiresAtMS(); at != 0 {
		ttl = ttlSeconds(at, nowMS)
	}
	b = strconv.AppendInt(b, ttl, 10)
	b = ascii.AppendUint(append(b, " la="...), uint64(it.IdleMS(nowMS)/1000))
	b = ascii.AppendUint(append(b, " clsid="...), s.classOf(it))
	return ascii.AppendUint(append(b, " size="...), uint64(it.ValueLen()))
}

// traceOpen and traceClose tell of a connection. They happen outside a turn.
func (w *worker) traceOpen(p *wire.Peer) {
	if w.traceTurn(); w.trace.streams&streamConnections != 0 {
		b := append(w.traceLine(streamConnections), " type=conn_new"...)
		w.traceWrite(strconv.AppendInt(append(appendPeer(b, p), " cfd="...), int64(p.FD), 10))
	}
}

func (w *worker) traceClose(p *wire.Peer, reason string) {
	if w.traceTurn(); w.trace.streams&streamConnections != 0 {
		b := append(w.traceLine(streamConnections), " type=conn_close"...)
		b = append(append(appendPeer(b, p), " reason="...), reason...)
		w.traceWrite(strconv.AppendInt(append(b, " cfd="...), int64(p.FD), 10))
	}
}

func appendPeer(b []byte, p *wire.Peer) []byte {
	if p.Network == "unix" {
		return append(b, " rip=unix rport=0 transport=local"...)
	}
	host, port := p.Remote, "0"
	if at := strings.LastIndexByte(p.Remote, ':'); at >= 0 {
		host, port = p.Remote[:at], p.Remote[at+1:]
	}
	b = append(append(b, " rip="...), strings.Trim(host, "[]")...)
	return append(append(append(b, " rport="...), port...), " transport=tcp"...)
}
