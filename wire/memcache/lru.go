package memcache

import "github.com/pandabeardb/panda/wire/memcache/ascii"

const (
	hotWarmPctMax     = 80
	automoveMax       = 2
	automoveWindowMin = 3 // of `slabs automove window`
	automoveWindowMax = 1800
)

// lru sets what memcached's LRUs go by. Of that we have temp_ttl.
func lru(w *worker, _ *session) progress {
	w.noteNoreply()
	r := &w.request
	maintained := w.server.config.Settings.LRUMaintainerThread
	switch sub := r.Token(1); {
	case w.is(sub, "tune") && r.Len() >= 6:
		return w.lruTune()
	case w.is(sub, "mode") && r.Len() >= 3 && maintained:
		return w.lruMode(r.Token(2))
	case w.is(sub, "temp_ttl") && r.Len() >= 3 && maintained:
		return w.lruTempTTL(r.Token(2))
	}
	return w.reply(replyError)
}

func (w *worker) lruTune() progress {
	r := &w.request
	hot, ok1 := w.dialect.Uint32(r.Token(2))
	warm, ok2 := w.dialect.Uint32(r.Token(3))
	hotFactor, ok3 := w.dialect.Float64(r.Token(4))
	warmFactor, ok4 := w.dialect.Float64(r.Token(5))
	switch {
	case !ok1 || !ok2 || !ok3 || !ok4:
		return w.reply(replyError)
	case hot+warm > hotWarmPctMax: // which wraps around, in memcached too
		return w.reply("ERROR hot and warm pcts must not exceed 80\r\n")
	case hotFactor <= 0 || warmFactor <= 0:
		return w.reply("ERROR hot/warm age factors must be greater than 0\r\n")
	}
	w.server.knobs.change(func(set *Settings) {
		set.HotLRUPct, set.WarmLRUPct = int(int32(hot)), int(int32(warm))
		set.HotMaxFactor, set.WarmMaxFactor = hotFactor, warmFactor
	})
	return w.reply(replyOK)
}

func (w *worker) lruMode(name []byte) progress {
	flat := w.is(name, "flat")
	if !flat && !w.is(name, "segmented") {
		return w.reply(replyError)
	}
	w.server.knobs.change(func(set *Settings) { set.LRUSegmented = !flat })
	return w.reply(replyOK)
}

// lruTempTTL takes a number of seconds; a negative one switches temp_lru off.
func (w *worker) lruTempTTL(arg []byte) progress {
	seconds, ok := w.dialect.Int32(arg)
	if !ok {
		return w.reply(replyError)
	}
	w.server.knobs.change(func(set *Settings) {
		if set.TempLRU = seconds >= 0; set.TempLRU {
			set.TemporaryTTL = int(seconds)
		}
	})
	return w.reply(replyOK)
}

// slabs moves pages by hand, and sets how they move by themselves.
func slabs(w *worker, _ *session) progress {
	r := &w.request
	switch sub := r.Token(1); {
	case r.Len() == 4 && w.is(sub, "reassign"):
		return w.slabsReassign()
	case r.Len() >= 3 && w.is(sub, "automove"):
		return w.slabsAutomove(r.Token(2), r.Token(3))
	}
	return w.reply(replyError)
}

// slabsReassign checks what memcached checks, by virtual pages. There is nothing
// to do then: memory goes to the size that asks for it.
func (w *worker) slabsReassign() progress {
	server, r := w.server, &w.request
	if !server.config.Settings.SlabReassign {
		return w.reply("CLIENT_ERROR slab reassignment disabled\r\n")
	}
	source, ok1 := w.dialect.Int32(r.Token(2))
	target, ok2 := w.dialect.Int32(r.Token(3))
	switch {
	case !ok1 || !ok2:
		return w.reply(replyFormat)
	case source == target:
		return w.reply("SAME src and dst class are identical\r\n")
	}
	w.handle.PublishStats()
	pages := server.virtualPages()
	if source == anyClass {
		source = spareClass(pages, target)
	}
	switch last := int32(len(pages)) - 1; {
	case source < 0 || source > last || target < 0 || target > last:
		return w.reply("BADCLASS invalid src or dst class id\r\n")
	case pages[source] < pagesToMove:
		return w.reply("NOSPARE source class has no spare pages\r\n")
	}
	return w.reply(replyOK)
}

const (
	anyClass    = -1 // `slabs reassign -1`: one that can spare a page
	pagesToMove = 2  // that a class must have to lose one
)

// spareClass is a class other than target that can spare a page, or anyClass.
func spareClass(pages []int64, target int32) int32 {
	for class := 1; class < len(pages); class++ {
		if pages[class] >= pagesToMove && int32(class) != target {
			return int32(class)
		}
	}
	return anyClass
}

// slabsAutomove sets a level, or one of the settings by name.
func (w *worker) slabsAutomove(arg, value []byte) progress {
	w.noteNoreply()
	newer := w.dialect == ascii.New
	switch {
	case w.is(arg, "ratio"):
		return w.automoveRatio(value, func(set *Settings, v float64) { set.SlabAutomoveRatio = v })
	case newer && w.is(arg, "freeratio"):
		return w.automoveRatio(value, func(set *Settings, v float64) { set.SlabAutomoveFreeRatio = v })
	case newer && w.is(arg, "window"):
		return w.automoveWindow(value)
	}
	level, ok := w.dialect.Uint32(arg)
	switch {
	case !ok:
		return w.reply(replyFormat)
	case level > automoveMax:
		return w.reply(replyError)
	}
	w.server.knobs.change(func(set *Settings) { set.SlabAutomove = int(level) })
	return w.reply(replyOK)
}

func (w *worker) automoveRatio(value []byte, put func(*Settings, float64)) progress {
	v, ok := w.dialect.Float64(value)
	if !ok || len(value) == 0 {
		return w.reply(replyError)
	}
	w.server.knobs.change(func(set *Settings) { put(set, v) })
	return w.reply(replyOK)
}

func (w *worker) automoveWindow(value []byte) progress {
	seconds, ok := w.dialect.Uint32(value)
	switch {
	case !ok || len(value) == 0:
		return w.reply(replyFormat)
	case seconds < automoveWindowMin || seconds > automoveWindowMax:
		return w.reply("CLIENT_ERROR automove window too low or too high\r\n")
	}
	w.server.knobs.change(func(set *Settings) { set.SlabAutomoveWindow = int(seconds) })
	return w.reply(replyOK)
}
