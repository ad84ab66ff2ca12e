package memcache

import (
	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// numberMax is the longest number: 20 digits of 2^64-1. INCR_MAX_STORAGE_LEN
const numberMax = 20

func deleteKey(w *worker, _ *session) progress {
	r := &w.request
	key := r.Token(1)
	if w.dialect == ascii.New {
		w.noteNoreply()
	} else if r.Len() > 2 {
		w.noteNoreply()
		zero := string(r.Token(2)) == "0"
		if !(r.Len() == 3 && (zero || w.noreply) || r.Len() == 4 && zero && w.noreply) {
			return w.reply("CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n")
		}
	}
	if len(key) > ascii.MaxKey {
		return w.reply(replyFormat)
	}
	if w.drop(key, 0, "delete") == stored {
		return w.reply("DELETED\r\n")
	}
	return w.reply(replyNotFound)
}

// drop removes a key, if it has the wanted token; 0: any. The outcome is stored,
// notFound or exists. The trace calls it what name says; "": it does not tell.
func (w *worker) drop(key []byte, wanted uint64, name string) (o outcome) {
	if w.server.prefixes.enabled.Load() {
		w.server.prefixes.delete(w.server.config.StatsPrefix, key)
	}
	l := w.handle.Lock(w.key(key))
	it, found := w.find(&l)
	switch {
	case !found:
		o = notFound
		w.count(deleteMisses)
	case wanted != 0 && wanted != w.cas(it):
		o = exists
	default:
		w.countItem(it, deleteHits)
		w.removeTraced(&l, it, name)
	}
	l.Unlock()
	return o
}

// removeTraced removes a locked item as a client's command says.
func (w *worker) removeTraced(l *slab.Locked, it slab.Item, command string) {
	if w.trace.streams&streamDeletions != 0 && command != "" {
		w.traceDelete(it, command)
	}
	l.Remove(it)
}

func touch(w *worker, _ *session) progress {
	r := &w.request
	w.noteNoreply()
	key := r.Token(1)
	if len(key) > ascii.MaxKey {
		return w.reply(replyFormat)
	}
	exptime, ok := w.dialect.Int32(r.Token(2))
	if !ok {
		return w.reply(replyExptime)
	}
	switch o, _, _ := w.postpone(key, w.server.expiresAtMS(exptime, w.now)); o {
	case stored:
		return w.reply("TOUCHED\r\n")
	case noMemory:
		return w.reply(replyNoMemory)
	}
	return w.reply(replyNotFound)
}

// postpone gives a key a new expiry. The outcome is stored, notFound or noMemory.
func (w *worker) postpone(key []byte, expiresAtMS int64) (o outcome, flags uint32, cas uint64) {
	hk := w.key(key)
	for {
		l := w.handle.Lock(hk)
		it, found := w.find(&l)
		if !found {
			l.Unlock()
			w.count(touchMisses)
			return notFound, 0, 0
		}
		if it, ok := l.Touch(it, expiresAtMS); ok {
			l.Accessed(it, w.now)
			w.countItem(it, touchHits)
			flags, cas = it.Flags(), w.cas(it)
			l.Unlock()
			return stored, flags, cas
		}
		l.Unlock()
		if w.handle.MakeRoom() != nil {
			return noMemory, 0, 0
		}
	}
}

func increment(w *worker, _ *session) progress { return w.arithmetic(false) }
func decrement(w *worker, _ *session) progress { return w.arithmetic(true) }

func (w *worker) arithmetic(down bool) progress {
	r := &w.request
	w.noteNoreply()
	key := r.Token(1)
	if len(key) > ascii.MaxKey {
		return w.reply(replyFormat)
	}
	by, ok := w.dialect.Uint64(r.Token(2))
	if !ok {
		return w.reply("CLIENT_ERROR invalid numeric delta argument\r\n")
	}
	d := delta{by: by, down: down}
	hk := w.key(key)
	switch w.add(hk, &d) {
	case stored:
		if !w.noreply {
			w.out.Buf = append(ascii.AppendUint(w.out.Buf, d.value), '\r', '\n')
		}
		return finished
	case notNumeric:
		return w.reply(replyNonNumeric)
	case noMemory:
		return w.reply(replyOutOfMemory)
	}
	w.countNoDelta(down)
	return w.reply(replyNotFound)
}

// countNoDelta counts an incr or decr that found nothing.
func (w *worker) countNoDelta(down bool) {
	if down {
		w.count(decrMisses)
	} else {
		w.count(incrMisses)
	}
}

// delta is an incr or decr, and what became of it.
type delta struct {
	by     uint64
	down   bool
	wanted uint64 // the token that the item must have; 0: any
	newCAS uint64 // the token that it gets; 0: the store chooses
	touch  bool   // with a new expiry
	newMS  int64  // which

	value    uint64
	cas      uint64
	beforeMS int64 // the expiry that the item had
}

// add adds to a number. The outcome is stored, notFound, exists, notNumeric or
// noMemory.
func (w *worker) add(hk *slab.Key, d *delta) outcome {
	for {
		if o := w.addOnce(hk, d); o != retry {
			return o
		}
	}
}

func (w *worker) addOnce(hk *slab.Key, d *delta) outcome {
	l := w.handle.Lock(hk)
	it, found := w.find(&l)
	o := d.look(w, it, found)
	if o != stored {
		l.Unlock()
		return o
	}
	d.beforeMS = it.ExpiresAtMS()
	digits := ascii.AppendUint(w.scratch[:0], d.value)
	w.scratch = digits
	if it.Large() || len(digits) > it.ValueLen() {
		return w.addMoved(hk, d, &l, it)
	}
	var ok bool
	if d.touch {
		if it, ok = l.Touch(it, d.newMS); !ok {
			return w.roomAndRetry(&l)
		}
	}
	for len(w.scratch) < it.ValueLen() {
		w.scratch = append(w.scratch, ' ')
	}
	if it, ok = l.SetValue(it, w.scratch, d.newCAS); !ok {
		return w.roomAndRetry(&l)
	}
	read := it.Fetched()
	l.Accessed(it, w.now)
	it.SetFetched(read) // that it was used is no read, as in memcached
	d.cas = w.cas(it)
	w.countItem(it, d.counter())
	l.Unlock()
	return stored
}

func (w *worker) roomAndRetry(l *slab.Locked) outcome {
	l.Unlock()
	if w.handle.MakeRoom() != nil {
		return noMemory
	}
	return retry
}

// counter is what counts a hit.
func (d *delta) counter() classCounter {
	if d.down {
		return decrHits
	}
	return incrHits
}

// look computes the new value of a locked item.
func (d *delta) look(w *worker, it slab.Item, found bool) outcome {
	switch {
	case !found:
		return notFound
	case it.ValueLen() == 0 || it.OnTier() || w.server.itemTotal(len(it.Key()), it.Flags(), it.ValueLen()) > w.server.config.Settings.SlabChunkMax:
		return notNumeric // as in memcached, nothing that is longer than a chunk is a number
	case d.wanted != 0 && d.wanted != w.cas(it):
		return exists
	}
	v, ok := w.dialect.Strtoull(it.Segment(0))
	switch {
	case !ok:
		return notNumeric
	case !d.down:
		d.value = v + d.by
	case d.by > v:
		d.value = 0
	default:
		d.value = v - d.by
	}
	return stored
}

// addMoved stores the new value in a new item: it is longer than the old one,
// or the old one is large and may be on its way out of the server. As in
// memcached, a number that grows longer keeps the expiry that it had and loses
// its marks: there, ma's T goes to the item that was replaced, though the reply
// shows it. One that does not grow is changed in place there, and keeps them.
func (w *worker) addMoved(hk *slab.Key, d *delta, l *slab.Locked, it slab.Item) outcome {
	seen, oldLen := versionOf(it), it.ValueLen()
	spec := slab.Spec{
		ValueLen: max(oldLen, len(w.scratch)), Flags: it.Flags(), ExpiresAtMS: seen.expiresAtMS, CAS: d.newCAS,
	}
	inPlace := oldLen >= len(w.scratch)
	if d.touch && inPlace {
		spec.ExpiresAtMS = d.newMS
	}
	spec.Evictable = w.evictable(seen.expiresAtMS)
	if inPlace {
		spec.Evictable = it.Evictable()
	}
	l.Unlock()
	moved, err := w.handle.Reserve(hk, spec)
	if err != nil {
		return noMemory
	}
	w.copied(spec.ValueLen)
	moved.WriteAt(w.scratch, 0)
	pad(moved, len(w.scratch))
	again := w.handle.Lock(hk)
	now, found := w.findAgain(&again)
	if found != slab.Hit || versionOf(now) != seen {
		again.Unlock()
		w.handle.Discard(moved)
		return retry
	}
	if inPlace {
		keepMarks(moved, now)
	}
	class := moved.Group()
	d.cas = again.Put(moved, w.now)
	again.Unlock()
	if d.cas == 0 {
		return noMemory
	}
	d.cas = w.shown(d.cas)
	w.countClass(class, d.counter())
	return stored
}

// pad fills a value with spaces from off on.
func pad(it slab.Item, off int) {
	for n := it.ValueLen(); off < n; {
		piece := it.Segment(off)
		piece[0] = ' '
		for done := 1; done < len(piece); done *= 2 {
			copy(piece[done:], piece[:done])
		}
		off += len(piece)
	}
}

// keepMarks gives an item the marks of the one that it replaces.
func keepMarks(it, old slab.Item) {
	it.SetStale(old.Stale())
	it.SetTokenSent(old.TokenSent())
	it.SetKeyEncoded(old.KeyEncoded())
	it.SetFetched(old.Fetched())
}
