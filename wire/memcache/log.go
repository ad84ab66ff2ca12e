package memcache

import (
	"strconv"
	"strings"

	"github.com/pandabeardb/panda/slab"
)

// Log is a loop's side of what makes the store durable: a disk/keyspace.Loop. Only
// the loop's goroutine calls it.
type Log interface {
	// Observe is told, under the shard's lock, what a request has seen of a key of
	// the slot: the stamp of its item, 0 if there is none.
	Observe(slot uint16, stamp uint64)
	// ObserveAll is Observe for a reply that tells of any number of keys.
	ObserveAll()
	// BeginTurn is called before what EndTurn ends.
	BeginTurn()
	// EndTurn returns the barrier of the turn's replies, 0 for none: wire.Out.Barrier.
	EndTurn() (barrier uint64)
	// Full reports whether nothing that changes the store may run before a barrier.
	Full() (barrier uint64, full bool)
}

// Durability is what keeps the store, given by the appliance.
type Durability struct {
	Loop     func(loop int) Log // returns nil if nothing is told what commands do
	Observes bool               // replies wait for what they tell of: Observe is called

	// SetState keeps what State made, in the log's order; nil: nothing is kept.
	SetState func(state []byte)
	// FlushAll is the store's and SetState together: a crash takes back both or neither.
	FlushAll func(state []byte)
}

// observe tells the log what a request has seen of a locked key.
func (w *worker) observe(l *slab.Locked, it slab.Item, found slab.Lookup) {
	stamp := uint64(0)
	if found == slab.Hit {
		stamp = it.Stamp()
	}
	w.log.Observe(l.Slot(), stamp)
}

// behind reports whether a command has to wait, since the log has not taken what
// the loop's commands did before. Nothing of it is used up, and it comes again.
func (w *worker) behind(flags flag) bool {
	if w.log == nil || flags&changes == 0 {
		return false
	}
	barrier, full := w.log.Full()
	if full {
		w.out.Barrier = max(w.out.Barrier, barrier)
	}
	return full
}

// comeAgain leaves the whole request of n bytes unread. A datagram, for which nobody
// waits, is lost.
func (w *worker) comeAgain(s *session, n int) progress {
	if s.conn.datagrams != nil {
		return closing
	}
	w.unread = n
	return full
}

// endLog tells the turn's replies what they wait for.
func (w *worker) endLog() {
	if barrier := w.log.EndTurn(); barrier > 0 {
		w.out.Barrier = max(w.out.Barrier, barrier)
	}
}

// keepsState reports whether a flush_all that is yet to come outlives the process.
func (s *Server) keepsState() bool { return s.env.Durable != nil && s.env.Durable.SetState != nil }

// keepState keeps what a flush_all that is yet to come needs: the items' own state is
// in the log. flushing is held, or nobody else is there.
func (s *Server) keepState() {
	if s.keepsState() {
		s.env.Durable.SetState(s.flushState(s.flushSecond.Load()))
	}
}

// flushStore makes all that is there absent, and leaves second as what is yet to come.
// flushing is held.
func (s *Server) flushStore(second int64) {
	if s.keepsState() {
		s.env.Durable.FlushAll(s.flushState(second))
	} else {
		s.env.Store.FlushAll()
	}
	s.flushSecond.Store(second)
}

// flushState is what is kept of a flush_all that covers second.
func (s *Server) flushState(second int64) []byte {
	return appendState(appendState(nil, stateFlush, second), stateOldest, s.oldestMS.Load())
}

func appendState(b []byte, name string, n int64) []byte {
	b = append(append(b, name...), ' ')
	return append(strconv.AppendInt(b, n, 10), '\n')
}

// KeptState are the fields for Env.Restored of what SetState was given last.
func KeptState(state []byte) (fields []slab.Field) {
	for line := range strings.Lines(string(state)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		fields = append(fields, slab.Field{Name: name, Value: value})
	}
	return fields
}
