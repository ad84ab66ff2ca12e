package memcache

import (
	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// metaDelete is md.
func metaDelete(w *worker, _ *session) progress {
	if !w.metaShape(2) {
		return w.say(replyFormat)
	}
	if text, inFlags := w.metaStart(2, replyFlagsTooMany); text != "" {
		if w.dialect == ascii.Old && inFlags {
			text = replyFlags
		}
		return w.say(text)
	}
	if w.badOpaque(2) < w.request.Len() {
		return w.say(replyOpaque)
	}
	hk := w.key(w.flags.Key)
	o := retry
	for o == retry {
		o = w.strike(hk)
	}
	switch {
	case o == noMemory:
		return w.say(replyOutOfMemory)
	case o == stored && w.flags.Quiet:
		return finished
	}
	w.out.Buf = append(w.appendEcho(append(w.out.Buf, metaOutcomes[o]...), 2), '\r', '\n')
	return finished
}

// strike removes an item, or empties it, or makes it stale. stored means that
// it is done.
func (w *worker) strike(hk *slab.Key) outcome {
	f := &w.flags
	l := w.handle.Lock(hk)
	it, found := w.find(&l)
	var o outcome
	switch {
	case !found:
		o = notFound
	case f.HasCAS && f.CAS != w.cas(it):
		o = exists
	case f.RemoveValue:
		return w.strikeValue(hk, &l, it)
	case f.Invalidate:
		return w.invalidate(&l, it)
	default:
		w.countItem(it, deleteHits)
		w.removeTraced(&l, it, "md")
		l.Unlock()
		return stored
	}
	l.Unlock()
	w.count(deleteMisses)
	return o
}

func (w *worker) invalidate(l *slab.Locked, it slab.Item) outcome {
	f := &w.flags
	ok := true
	if f.HasTTL {
		it, ok = l.Touch(it, w.server.expiresAtMS(f.TTL, w.now))
	}
	if ok {
		_, ok = l.MarkStale(it, f.NewCAS)
	}
	if !ok {
		return w.roomAndRetry(l)
	}
	l.Unlock()
	return stored
}

// strikeValue puts an empty item in the place of one that md x names. It keeps
// the token unless E or I say otherwise, but neither flags nor expiry.
func (w *worker) strikeValue(hk *slab.Key, l *slab.Locked, it slab.Item) outcome {
	f := &w.flags
	seen, cas := versionOf(it), it.CAS()
	l.Unlock()
	spec := slab.Spec{Flags: f.ClientFlags, CAS: f.NewCAS}
	if f.HasTTL {
		spec.ExpiresAtMS = w.server.expiresAtMS(f.TTL, w.now)
	}
	if !f.HasNewCAS && !f.Invalidate {
		spec.CAS = cas
	}
	spec.Evictable = w.evictable(spec.ExpiresAtMS)
	empty, err := w.handle.Reserve(hk, spec)
	if err != nil {
		return w.strikeWhole(hk, seen, spec)
	}
	return w.putEmpty(hk, seen, empty)
}

// putEmpty puts an empty item in the place of the one that was seen.
func (w *worker) putEmpty(hk *slab.Key, seen itemVersion, empty slab.Item) outcome {
	f := &w.flags
	empty.SetStale(f.Invalidate)
	again := w.handle.Lock(hk)
	now, found := w.find(&again) // in memcached a store of its own
	if !found || versionOf(now) != seen {
		again.Unlock()
		w.handle.Discard(empty)
		return retry
	}
	expiresAtMS, class := empty.ExpiresAtMS(), int(w.server.classOf(empty))
	cas := again.Put(empty, w.now)
	if w.trace.streams&streamMutations != 0 {
		w.traceStore(hk.Bytes, modeSet, traceOutcomes[placed(cas)], expiresAtMS, class, 0)
	}
	if !f.Invalidate {
		w.countClass(class, deleteHits)
		if w.trace.streams&streamDeletions != 0 && cas != 0 {
			w.traceDelete(empty, "md")
		}
	}
	again.Unlock()
	return placed(cas)
}

// strikeWhole is strikeValue without memory for the empty item: what md x names
// must not outlive it, so that the whole item goes. What it was made of may be
// enough for the empty one; if not, the item is as one that was evicted.
func (w *worker) strikeWhole(hk *slab.Key, seen itemVersion, spec slab.Spec) outcome {
	l := w.handle.Lock(hk)
	now, found := w.findAgain(&l)
	if found != slab.Hit || versionOf(now) != seen {
		l.Unlock()
		return retry
	}
	w.countItem(now, deleteHits)
	w.removeTraced(&l, now, "md")
	l.Unlock()
	empty, err := w.handle.Reserve(hk, spec)
	if err != nil {
		return stored
	}
	empty.SetStale(w.flags.Invalidate)
	again := w.handle.Lock(hk)
	if _, found := w.findAgain(&again); found == slab.Hit { // another client was faster
		again.Unlock()
		w.handle.Discard(empty)
		return stored
	}
	again.Put(empty, w.now)
	again.Unlock()
	return stored
}

// metaArithmetic is ma.
func metaArithmetic(w *worker, _ *session) progress {
	if !w.metaShape(2) {
		return w.say(replyFormat)
	}
	if text, inFlags := w.metaStart(2, replyFlagsTooMany); text != "" {
		if w.dialect == ascii.New || inFlags {
			text = replyFlags
		}
		return w.say(text)
	}
	f := &w.flags
	d := delta{by: f.Delta, wanted: f.CAS, newCAS: f.NewCAS}
	switch f.Mode {
	case 0, 'I', '+':
	case 'D', '-':
		d.down = true
	default:
		return w.say("CLIENT_ERROR invalid mode for ma M token\r\n")
	}
	end := w.badOpaque(2)
	for i := 2; i < end; i++ {
		d.touch = d.touch || w.request.Token(i)[0] == 'T'
	}
	if d.touch {
		d.newMS = w.server.expiresAtMS(f.TTL, w.now)
	}
	hk := w.key(f.Key)
	return w.answerArithmetic(hk, &d, end)
}

func (w *worker) answerArithmetic(hk *slab.Key, d *delta, end int) progress {
	f := &w.flags
	o := w.add(hk, d)
	created := false
	if o == notFound && f.Vivify {
		if o, created = w.seed(hk, d, end); o == exists {
			return w.answerArithmetic(hk, d, end) // another client was faster
		}
	}
	switch {
	case o == notNumeric:
		return w.say(replyNonNumeric)
	case o == noMemory && created:
		return w.say("SERVER_ERROR Out of memory allocating new item\r\n")
	case o == noMemory:
		return w.say(replyOutOfMemory)
	case o == notFound:
		w.countNoDelta(d.down)
	}
	if end < w.request.Len() {
		return w.say(replyOpaque)
	}
	if o != stored {
		w.out.Buf = append(w.appendEcho(append(w.out.Buf, metaOutcomes[o]...), 2), '\r', '\n')
		return finished
	}
	if f.Quiet && !(created && w.dialect == ascii.Old) {
		return finished
	}
	w.appendNumber(d, created)
	return finished
}

// seed stores the number that ma's N and J ask for where there is none. exists:
// by now there is one. created tells, with noMemory, whose memory it was.
func (w *worker) seed(hk *slab.Key, d *delta, end int) (o outcome, created bool) {
	f, r := &w.flags, &w.request
	spec := slab.Spec{CAS: f.NewCAS}
	for i := 2; i < end; i++ {
		switch r.Token(i)[0] {
		case 'N':
			spec.ExpiresAtMS = w.server.expiresAtMS(f.VivifyTTL, w.now)
		case 'T':
			spec.ExpiresAtMS = d.newMS
		}
	}
	return w.plant(hk, d, f.Initial, spec)
}

// plant is seed with the number and what else the item has.
func (w *worker) plant(hk *slab.Key, d *delta, initial uint64, spec slab.Spec) (o outcome, created bool) {
	digits := ascii.AppendUint(w.scratch[:0], initial)
	w.scratch = digits
	spec.ValueLen, spec.Evictable = len(digits), w.evictable(spec.ExpiresAtMS)
	it, err := w.handle.Reserve(hk, spec)
	if err != nil {
		return noMemory, true
	}
	it.WriteAt(digits, 0)
	l := w.handle.Lock(hk)
	if _, found := w.find(&l); found {
		l.Unlock()
		w.handle.Discard(it)
		return exists, false
	}
	class := int(w.server.classOf(it))
	cas := l.Put(it, w.now)
	l.Unlock()
	if w.trace.streams&streamMutations != 0 {
		w.traceStore(hk.Bytes, modeAdd, traceOutcomes[placed(cas)], spec.ExpiresAtMS, class, spec.ValueLen)
	}
	d.value, d.cas, d.beforeMS = initial, w.shown(cas), 0
	return placed(cas), true
}

// appendNumber answers ma: t shows the expiry as the flags before it left it.
func (w *worker) appendNumber(d *delta, created bool) {
	f, r := &w.flags, &w.request
	var number [numberMax]byte
	digits := ascii.AppendUint(number[:0], d.value)
	b := append(w.out.Buf, "HD"...)
	if f.Value {
		b = ascii.AppendUint(append(b[:len(b)-2], "VA "...), uint64(len(digits)))
	}
	expiresAtMS := d.beforeMS
	for i := 2; i < r.Len(); i++ {
		switch t := r.Token(i); t[0] {
		case 'c':
			b = ascii.AppendFlag(b, 'c', d.cas)
		case 't':
			b = w.appendTTL(b, expiresAtMS)
		case 'T':
			expiresAtMS = d.newMS
		case 'N':
			if created {
				expiresAtMS = w.server.expiresAtMS(f.VivifyTTL, w.now)
			}
		case 'O':
			b = append(append(b, ' '), t...)
		case 'k':
			b = ascii.AppendFlagKey(b, f.Key, f.KeyEncoded)
		}
	}
	b = append(b, '\r', '\n')
	if f.Value {
		b = append(append(b, digits...), '\r', '\n')
	}
	w.out.Buf = b
}
