package memcache

import (
	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// metaGet is mg.
func metaGet(w *worker, s *session) progress {
	if !w.metaShape(2) {
		return w.say(replyFormat)
	}
	if text, _ := w.metaStart(2, ascii.ErrTooManyFlags); text != "" {
		return w.say(text)
	}
	if (w.flags.HasTTL || w.flags.Vivify) && w.behind(changes) { // not in the table: most of them only read
		return w.comeAgain(s, w.lineLen)
	}
	g := fetch{end: w.badOpaque(2)}
	g.plan(w)
	hk := w.key(w.flags.Key)
	for {
		if p, ok := w.fetch(hk, &g); ok {
			return p
		}
	}
}

// fetch is an mg on its way.
type fetch struct {
	end      int   // of the flags that count: the request's, or at an opaque that is too long
	ttlMS    int64 // T's expiry
	vivifyMS int64 // N's expiry
	setsTTL  bool  // T is among the flags that count
	vivifies bool  // N is
	stubMS   int64 // expiry of an item that N makes: N's or T's, whichever comes last
	stub     slab.Item
}

// plan works out the expiries, which count up to an opaque that is too long.
func (g *fetch) plan(w *worker) {
	f, r := &w.flags, &w.request
	if !f.HasTTL && !f.Vivify {
		return
	}
	g.ttlMS = w.server.expiresAtMS(f.TTL, w.now)
	g.vivifyMS = w.server.expiresAtMS(f.VivifyTTL, w.now)
	for i := 2; i < g.end; i++ {
		switch r.Token(i)[0] {
		case 'T':
			g.setsTTL, g.stubMS = true, g.ttlMS
		case 'N':
			g.vivifies, g.stubMS = true, g.vivifyMS
		}
	}
}

// fetch looks the key up and answers; ok is false when it must be called again.
func (w *worker) fetch(hk *slab.Key, g *fetch) (p progress, ok bool) {
	f := &w.flags
	l := w.handle.Lock(hk)
	it, found := w.lookUpFor(g, &l)
	if !found {
		return w.fetchMiss(hk, g, &l)
	}
	value, got := w.metaFetched(g, &l, it)
	switch got {
	case awaited:
		l.Unlock()
		w.discardStub(g)
		w.askAhead()
		w.unread = w.lineLen
		return awaiting, true
	case missed:
		if it, found := l.Find(w.now); found == slab.Hit && f.Vivify {
			l.Lose(it) // it is made anew
		}
		return w.fetchMiss(hk, g, &l)
	}
	v := w.viewOf(&l, it)
	if g.setsTTL {
		if it, ok = l.Touch(it, g.ttlMS); !ok {
			l.Unlock()
			if value != nil {
				w.addFetch(w.fetches(), value) // it is not to be read again
			}
			if w.handle.MakeRoom() != nil {
				w.discardStub(g)
				return w.say(replyNoMemory), true
			}
			return finished, false
		}
		v.key = it.Key()
	}
	mark := w.out.Mark()
	withValue := f.Value && !(w.dialect == ascii.New && f.HasCAS && f.CAS == v.cas)
	won := w.appendView(g, &v, withValue)
	if g.end < w.request.Len() {
		if !w.delaysBump() && !f.NoBump {
			l.Accessed(it, w.now)
		}
		l.Unlock()
		w.discardStub(g)
		w.out.Rewind(mark)
		return w.say(replyOpaque), true
	}
	var back refill
	switch {
	case value != nil:
		back = w.appendBack(&l, it, value)
	case withValue:
		w.appendValue(&l, it, v.size)
	}
	if won {
		it.SetTokenSent(true)
	}
	if !f.NoBump {
		l.Accessed(it, w.now)
	}
	w.countFetch(it)
	l.Unlock()
	w.discardStub(g)
	if value != nil {
		w.refillDone(hk, &back)
	}
	return finished, true
}

// lookUpFor is lookUp, or findAgain when an item was made meanwhile.
func (w *worker) lookUpFor(g *fetch, l *slab.Locked) (slab.Item, bool) {
	if g.stub.IsNil() {
		return w.lookUp(l)
	}
	it, again := w.findAgain(l)
	return it, again == slab.Hit
}

// viewOf is what mg shows of a locked item.
func (w *worker) viewOf(l *slab.Locked, it slab.Item) view {
	return view{
		key: it.Key(), encoded: it.KeyEncoded(), size: it.ValueLen(), flags: it.Flags(), cas: w.cas(it),
		expiresAtMS: it.ExpiresAtMS(), idleMS: l.IdleMS(it, w.now), fetched: it.Fetched(), stale: it.Stale(), sent: it.TokenSent(),
	}
}

// metaFetched is the value that an mg wants of an item whose value is in the tier;
// nil and hit: it wants none, or memory has it.
func (w *worker) metaFetched(g *fetch, l *slab.Locked, it slab.Item) (*fetching, keyFate) {
	f := &w.flags
	if !it.OnTier() || !f.Value || g.end < w.request.Len() || w.dialect == ascii.New && f.HasCAS && f.CAS == w.cas(it) {
		return nil, hit
	}
	return w.fetched(l, it)
}

// delaysBump reports whether memcached notes the read after it made the reply,
// and so not at all when that fails.
func (w *worker) delaysBump() bool {
	f := &w.flags
	return f.Vivify || f.HasTTL || f.Has('R') || f.Has('l') || f.Has('h')
}

// fetchMiss answers a miss, or makes the item that N asks for. An item that no
// memory is free for is a miss.
func (w *worker) fetchMiss(hk *slab.Key, g *fetch, l *slab.Locked) (p progress, ok bool) {
	f := &w.flags
	if f.Vivify && g.stub.IsNil() {
		l.Unlock()
		stub, err := w.handle.Reserve(hk, slab.Spec{ExpiresAtMS: g.stubMS, CAS: f.NewCAS, Evictable: w.evictable(g.stubMS)})
		if err != nil {
			return w.fetchNothing(g), true
		}
		g.stub = stub
		return finished, false
	}
	if !f.Vivify {
		l.Unlock()
		return w.fetchNothing(g), true
	}
	g.stub.SetTokenSent(g.vivifies && g.end == w.request.Len())
	class := g.stub.Group()
	cas := l.Put(g.stub, w.now)
	if it, found := l.Find(w.now); found == slab.Hit && !f.NoBump && g.end == w.request.Len() {
		l.Accessed(it, w.now)
	}
	l.Unlock()
	g.stub = slab.Item{}
	if cas == 0 {
		return w.fetchNothing(g), true
	}
	if g.end < w.request.Len() {
		return w.say(replyOpaque), true
	}
	v := view{key: f.Key, cas: w.shown(cas), created: true}
	withValue := f.Value && !(w.dialect == ascii.New && f.HasCAS && f.CAS == v.cas)
	w.appendView(g, &v, withValue)
	if withValue {
		w.out.Buf = append(w.out.Buf, '\r', '\n')
	}
	if f.HasTTL {
		w.countClass(class, touchHits)
	} else {
		w.countClass(class, hotHits)
	}
	return finished, true
}

func (w *worker) discardStub(g *fetch) {
	if !g.stub.IsNil() {
		w.handle.Discard(g.stub)
		g.stub = slab.Item{}
	}
}

// fetchNothing answers a miss. q silences it, an opaque that is too long does not.
func (w *worker) fetchNothing(g *fetch) progress {
	w.count(getMisses)
	if g.end < w.request.Len() {
		return w.say(replyOpaque)
	}
	if w.flags.Quiet {
		return finished
	}
	w.out.Buf = append(w.appendEcho(append(w.out.Buf, "EN"...), 2), '\r', '\n')
	return finished
}

// countFetch counts an mg that found an item; with T it is a touch.
func (w *worker) countFetch(it slab.Item) {
	if w.flags.HasTTL {
		w.countItem(it, touchHits)
	} else {
		w.countGet(it)
	}
}

// view is what mg shows of an item, as it was before the command.
type view struct {
	key         []byte
	encoded     bool
	size        int
	flags       uint32
	cas         uint64
	expiresAtMS int64
	idleMS      int64
	fetched     bool
	stale       bool
	sent        bool // a client has won the right to fill the item
	created     bool // by this command's N
}

// appendView appends the head of an mg's reply, and reports whether the client
// won. t shows the expiry as the flags before it left it.
func (w *worker) appendView(g *fetch, v *view, withValue bool) (won bool) {
	r := &w.request
	b := append(w.out.Buf, "HD"...)
	if withValue {
		b = ascii.AppendUint(append(b[:len(b)-2], "VA "...), uint64(v.size))
	}
	for i := 2; i < g.end; i++ {
		switch t := r.Token(i); t[0] {
		case 'T':
			v.expiresAtMS = g.ttlMS
		case 'N':
			if v.created {
				v.expiresAtMS, won = g.vivifyMS, true
			}
		case 'R':
			won = won || !v.sent && !v.created && w.recache(v.expiresAtMS)
		case 's':
			b = ascii.AppendFlag(b, 's', uint64(v.size))
		case 't':
			b = w.appendTTL(b, v.expiresAtMS)
		case 'c':
			b = ascii.AppendFlag(b, 'c', v.cas)
		case 'f':
			b = ascii.AppendFlag(b, 'f', uint64(v.flags))
		case 'l':
			b = ascii.AppendFlag(b, 'l', uint64(v.idleMS/1000))
		case 'h':
			b = ascii.AppendFlag(b, 'h', 0)
			if v.fetched {
				b[len(b)-1] = '1'
			}
		case 'O':
			b = append(append(b, ' '), t...)
		case 'k':
			b = ascii.AppendFlagKey(b, v.key, v.encoded)
		}
	}
	if v.sent {
		b = append(b, " Z"...)
	}
	if v.stale {
		b = append(b, " X"...)
		won = won || !v.sent
	}
	if won {
		b = append(b, " W"...)
	}
	w.out.Buf = append(b, '\r', '\n')
	return won
}

// recache reports whether less is left to live than R asks for, in whole
// seconds as memcached's clock counts them.
func (w *worker) recache(expiresAtMS int64) bool {
	limitMS := w.server.expiresAtMS(w.flags.RecacheTTL, w.now)
	return expiresAtMS != 0 && limitMS != 0 && ttlSeconds(expiresAtMS, w.now) < ttlSeconds(limitMS, w.now)
}
