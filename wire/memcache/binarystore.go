package memcache

import (
	"math"

	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire/memcache/binary"
)

// Texts that stand in place of a status's own.
const (
	textNoItem    = "Out of memory allocating item"
	textNoNumber  = "Out of memory incrementing value"
	textNoNewItem = "Out of memory allocating new item"
)

func packetSet(w *worker, s *session, c *binary.Command) progress {
	return w.packetStore(s, c, modeSet)
}

func packetAdd(w *worker, s *session, c *binary.Command) progress {
	return w.packetStore(s, c, modeAdd)
}

func packetReplace(w *worker, s *session, c *binary.Command) progress {
	return w.packetStore(s, c, modeReplace)
}

func packetAppend(w *worker, s *session, c *binary.Command) progress {
	return w.packetUpdate(s, c, modeAppend, slab.Spec{})
}

func packetPrepend(w *worker, s *session, c *binary.Command) progress {
	return w.packetUpdate(s, c, modePrepend, slab.Spec{})
}

// packetStore begins a set, add or replace.
func (w *worker) packetStore(s *session, c *binary.Command, m mode) progress {
	q := &w.asked
	return w.packetUpdate(s, c, m, slab.Spec{
		Flags:       q.Flags(),
		ExpiresAtMS: w.server.momentMS(int64(q.Expiry()), w.now),
	})
}

// packetUpdate begins a store command: its value goes into an item as it comes.
// With a token, a set, add or replace is a cas.
func (w *worker) packetUpdate(s *session, c *binary.Command, m mode, spec slab.Spec) progress {
	q := &w.asked
	if w.server.prefixes.enabled.Load() {
		w.server.prefixes.set(w.server.config.StatsPrefix, q.Key)
	}
	replaces := m == modeSet
	if q.CAS != 0 && m <= modeReplace && !w.server.config.CASDisabled {
		m = modeCAS
	}
	st := &s.store
	st.begin(m, q.CAS)
	st.packet = true
	n := q.ValueLen()
	if spec.ValueLen = n; n < 0 {
		spec.ValueLen = math.MaxInt32
	}
	spec.Evictable = w.evictable(spec.ExpiresAtMS)
	switch w.allocate(st, q.Key, spec, replaces) {
	case tooLarge:
		w.answer(binary.TooLarge)
		return s.swallow(n)
	case noMemory:
		w.explain(binary.OutOfMemory, textNoItem)
		return s.swallow(n)
	}
	s.packet.Reply, s.packet.quiet = q.Reply, c.Quiet
	if n == 0 {
		return s.finishPacket()
	}
	s.state = stateBody
	return working
}

// finishPacket stores what has come, and answers.
func (s *session) finishPacket() progress {
	w, st := s.worker, &s.store
	s.state = s.between
	w.countItem(st.item, setCommands)
	hk := slab.Key{Bytes: st.item.Key(), Hash: st.hash, Slot: st.slot}
	o, cas, _ := w.put(st, &hk)
	st.item = slab.Item{}
	switch o {
	case stored:
		if !s.packet.quiet {
			w.out.Buf = s.packet.AppendHeader(w.out.Buf, binary.Success, 0, 0, 0, w.shown(cas))
		}
		return finished
	case exists:
		return s.answer(binary.Exists)
	case notFound:
		return s.answer(binary.NotFound)
	}
	switch st.mode {
	case modeAdd:
		return s.answer(binary.Exists)
	case modeReplace:
		return s.answer(binary.NotFound)
	}
	return s.answer(binary.NotStored)
}

func packetDelete(w *worker, _ *session, c *binary.Command) progress {
	switch w.drop(w.asked.Key, w.asked.CAS, "") {
	case stored:
		return w.succeed(c)
	case exists:
		return w.answer(binary.Exists)
	}
	return w.answer(binary.NotFound)
}

func packetIncrement(w *worker, _ *session, c *binary.Command) progress {
	return w.packetArithmetic(c, false)
}

func packetDecrement(w *worker, _ *session, c *binary.Command) progress {
	return w.packetArithmetic(c, true)
}

// packetArithmetic is incr and decr, which can store a number where there is none.
func (w *worker) packetArithmetic(c *binary.Command, down bool) progress {
	q := &w.asked
	d := delta{by: q.Delta(), down: down, wanted: q.CAS}
	hk := w.key(q.Key)
	o := w.add(hk, &d)
	for o == notFound {
		if q.SeedExpiry() == binary.NoSeed {
			w.countNoDelta(down)
			return w.answer(binary.NotFound)
		}
		expiresAtMS := w.server.momentMS(int64(q.SeedExpiry()), w.now)
		if o, _ = w.plant(hk, &d, q.Initial(), slab.Spec{ExpiresAtMS: expiresAtMS}); o == noMemory {
			return w.explain(binary.OutOfMemory, textNoNewItem)
		}
		if o == exists { // by now there is one
			o = w.add(hk, &d)
		}
	}
	switch o {
	case notNumeric:
		return w.answer(binary.NotNumeric)
	case exists:
		return w.answer(binary.Exists)
	case noMemory:
		return w.explain(binary.OutOfMemory, textNoNumber)
	}
	if !c.Quiet {
		w.out.Buf = q.AppendNumber(w.out.Buf, d.value, d.cas)
	}
	return finished
}
