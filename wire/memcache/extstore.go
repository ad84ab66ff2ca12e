package memcache

import "github.com/pandabeardb/panda/wire/memcache/ascii"

// extstore sets what the tier goes by. As in memcached these settings are taken
// whether there is one or not.
func extstore(w *worker, _ *session) progress {
	w.noteNoreply()
	r := &w.request
	sub, arg := r.Token(1), r.Token(2)
	ok := false
	switch {
	case r.Len() < 3:
	case w.is(sub, "free_memchunks") && r.Len() > 3: // accepted and ignored since 1.6.0
		ok = w.extFreeChunks()
	case w.is(sub, "item_size"):
		ok = w.extSet(arg, func(set *Settings, v uint32) { set.ExtItemSize = int(v) })
	case w.is(sub, "item_age"):
		ok = w.extSet(arg, func(set *Settings, v uint32) { set.ExtItemAge = v })
	case w.is(sub, "low_ttl"):
		ok = w.extSet(arg, func(set *Settings, v uint32) { set.ExtLowTTL = int(v) })
	case w.is(sub, "recache_rate"):
		ok = w.extSet(arg, func(set *Settings, v uint32) { set.ExtRecacheRate = int(v) })
	case w.is(sub, "compact_under"):
		ok = w.extSet(arg, func(set *Settings, v uint32) { set.ExtCompactUnder = int(v) })
	case w.is(sub, "drop_under"):
		ok = w.extSet(arg, func(set *Settings, v uint32) { set.ExtDropUnder = int(v) })
	case w.is(sub, "max_sleep"):
		ok = w.extSet(arg, func(set *Settings, v uint32) { set.ExtMaxSleep = int(v) })
	case w.is(sub, "max_frag"):
		ok = w.extMaxFrag(arg)
	case w.is(sub, "drop_unread"):
		if w.extIs(arg) {
			ok = w.extSet(arg, func(set *Settings, v uint32) { set.ExtDropUnread = v != 0 })
		}
	}
	w.server.applyTier()
	if !ok {
		return w.reply(replyError)
	}
	return w.reply(replyOK)
}

// extSet sets a number. What is none leaves a 0 behind in the old dialect.
func (w *worker) extSet(arg []byte, put func(*Settings, uint32)) bool {
	v, ok := w.dialect.Uint32(arg)
	if !ok {
		v = 0
	}
	if ok || w.dialect == ascii.Old {
		w.server.knobs.change(func(set *Settings) { put(set, v) })
	}
	return ok
}

// extMaxFrag sets a fraction. What is none leaves a 0 behind, in either dialect
// that looks at it.
func (w *worker) extMaxFrag(arg []byte) bool {
	v, ok := w.dialect.Float64(arg)
	if !ok {
		v = 0
	}
	if ok || w.dialect == ascii.Old || len(arg) <= ascii.FloatLenMax {
		w.server.knobs.change(func(set *Settings) { set.ExtMaxFrag = v })
	}
	return ok
}

// extIs reports whether a token is a number.
func (w *worker) extIs(arg []byte) bool {
	_, ok := w.dialect.Uint32(arg)
	return ok
}

func (w *worker) extFreeChunks() bool {
	class, ok1 := w.dialect.Uint32(w.request.Token(2))
	_, ok2 := w.dialect.Uint32(w.request.Token(3))
	return ok1 && ok2 && class < slabClassMax
}
