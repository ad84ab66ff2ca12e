package memcache

import (
	"bytes"

	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// keys is what a get that was interrupted in its list of keys needs to go on.
type keys struct {
	expiresAtMS int64 // gat: the new expiry
	cas         bool  // gets, gats
	touch       bool  // gat, gats
	any         bool  // a key was seen
	packet      bool  // of the binary protocol, which asks for one at a time
	named       bool  // GetK, GATK: the reply has the key
}

func getPlain(w *worker, s *session) progress    { return w.get(s, "get", keys{}) }
func getCAS(w *worker, s *session) progress      { return w.get(s, "gets", keys{cas: true}) }
func getAncient(w *worker, s *session) progress  { return w.get(s, "bget", keys{}) }
func getTouch(w *worker, s *session) progress    { return w.getTouch(s, keys{touch: true}) }
func getTouchCAS(w *worker, s *session) progress { return w.getTouch(s, keys{touch: true, cas: true}) }

func (w *worker) get(s *session, name string, k keys) progress {
	s.keys = k
	return w.list(s, w.request.Line()[len(name):], w.out.Mark())
}

// getTouch is gat and gats. Without any key the old dialect answers END.
func (w *worker) getTouch(s *session, k keys) progress {
	line := w.request.Line()
	exptime, list := ascii.Key(line[len(ascii.Word(line)):])
	if len(exptime) == 0 {
		return w.missingTokens()
	}
	if first, _ := ascii.Key(list); len(first) == 0 && w.dialect == ascii.New {
		return w.missingTokens()
	}
	seconds, ok := w.dialect.Int32(exptime)
	if !ok {
		return w.say(replyExptime)
	}
	k.expiresAtMS = w.server.expiresAtMS(seconds, w.now)
	k.any = true
	s.keys = k
	return w.list(s, list, w.out.Mark())
}

func (w *worker) missingTokens() progress {
	if w.dialect == ascii.Old {
		return w.say(replyError)
	}
	return w.say(replyFormat)
}

// list answers the keys of a whole list. An overlong key takes back what the
// command answered before. When the output is full or the turn over it stops,
// and leaves the rest of the line unread for moreKeys; by then it is sure that
// no overlong key comes.
func (w *worker) list(s *session, list []byte, start wire.Mark) progress {
	for first := true; ; first = false {
		key, rest := ascii.Key(list)
		switch {
		case len(key) == 0 && !s.keys.any:
			return w.missingTokens()
		case len(key) == 0:
			return w.say(replyEnd)
		case len(key) > ascii.MaxKey:
			w.out.Rewind(start)
			return w.say(replyFormat)
		case len(rest) > 0 && !w.ahead.expects(key):
			w.foreseeList(list)
		}
		got := awaited
		if !first || len(rest) == 0 || !w.askFirst() {
			got = w.value(key, &s.keys)
		}
		stop := working
		switch {
		case got == awaited:
			stop = awaiting
		case len(rest) == 0:
			return w.say(replyEnd)
		default:
			list = rest
		}
		switch {
		case stop == awaiting:
		case w.out.Full():
			stop = full
		case w.workDone():
			stop = spent
		default:
			continue
		}
		if hasLongKey(list) {
			s.abortFetches(list)
			w.out.Rewind(start)
			return w.say(replyFormat)
		}
		w.unread = w.lineLen - (w.lineCap - cap(list))
		s.state = stateKeys
		return stop
	}
}

func hasLongKey(list []byte) bool {
	for {
		key, rest := ascii.Key(list)
		if len(key) > ascii.MaxKey {
			return true
		}
		if len(rest) == 0 {
			return false
		}
		list = rest
	}
}

// value answers one key, if it is there.
func (w *worker) value(key []byte, k *keys) (got keyFate) {
	k.any = true
	if k.touch {
		got = w.valueTouch(key, k)
	} else {
		hk := w.key(key)
		l := w.handle.Lock(hk)
		it, found := w.lookUp(&l)
		switch {
		case found && it.OnTier():
			got = w.valueFetched(hk, &l, it, key, k)
		case found:
			got = hit
			l.Accessed(it, w.now)
			w.countGet(it)
			w.appendItem(&l, it, key, k)
			l.Unlock()
		default:
			l.Unlock()
		}
		if got == missed {
			w.count(getMisses)
			if !k.packet {
				w.discovery(key)
			}
		}
	}
	if w.server.prefixes.enabled.Load() && got != awaited {
		w.server.prefixes.get(w.server.config.StatsPrefix, key, got == hit)
	}
	return got
}

// valueFetched is value of an item whose value is in the tier. It unlocks.
func (w *worker) valueFetched(hk *slab.Key, l *slab.Locked, it slab.Item, key []byte, k *keys) keyFate {
	f, got := w.fetched(l, it)
	if got != hit {
		l.Unlock()
		if got == awaited {
			w.askAhead()
		}
		return got
	}
	p := w.planRefill(l, it, f)
	l.Accessed(it, w.now)
	w.countGet(it)
	w.appendHead(it, key, k)
	w.appendFetched(f)
	if !k.packet {
		w.out.Buf = append(w.out.Buf, '\r', '\n')
	}
	l.Unlock()
	w.refillDone(hk, &p)
	return hit
}

// valueTouch answers one key and gives it a new expiry. If there is no memory
// for one (room false), the value is still there and is answered.
func (w *worker) valueTouch(key []byte, k *keys) keyFate {
	hk := w.key(key)
	for room := true; ; {
		l := w.handle.Lock(hk)
		it, found := w.lookUp(&l)
		if found && it.OnTier() {
			if got, again := w.touchFetched(hk, &l, it, key, k, room); !again {
				return got
			}
			room = w.handle.MakeRoom() == nil
			continue
		}
		if !found {
			l.Unlock()
			w.count(touchMisses)
			return missed
		}
		it, ok := l.Touch(it, k.expiresAtMS)
		if !ok && room {
			l.Unlock()
			room = w.handle.MakeRoom() == nil
			continue
		}
		l.Accessed(it, w.now)
		w.countItem(it, touchHits)
		w.appendItem(&l, it, key, k)
		l.Unlock()
		return hit
	}
}

// touchFetched is valueTouch of an item whose value is in the tier. It unlocks. again:
// there is no memory for a new expiry, and there may be room; without, the old one stays.
func (w *worker) touchFetched(hk *slab.Key, l *slab.Locked, it slab.Item, key []byte, k *keys, room bool) (got keyFate, again bool) {
	f, got := w.fetched(l, it)
	if got != hit {
		l.Unlock()
		if got == awaited {
			w.askAhead()
		} else {
			w.count(touchMisses)
		}
		return got, false
	}
	it, ok := l.Touch(it, k.expiresAtMS)
	if !ok && room {
		l.Unlock()
		w.addFetch(w.fetches(), f)
		return missed, true
	}
	p := w.planRefill(l, it, f)
	l.Accessed(it, w.now)
	w.countItem(it, touchHits)
	w.appendHead(it, key, k)
	w.appendFetched(f)
	if !k.packet {
		w.out.Buf = append(w.out.Buf, '\r', '\n')
	}
	l.Unlock()
	w.refillDone(hk, &p)
	return hit, false
}

// appendItem answers with a locked item: VALUE line, value, end of line.
func (w *worker) appendItem(l *slab.Locked, it slab.Item, key []byte, k *keys) {
	out := w.out
	n := it.ValueLen()
	switch {
	case k.packet:
		w.appendPacketItem(l, it, n, key, k)
		return
	case k.cas:
		out.Buf = ascii.AppendValueHeadCAS(out.Buf, key, it.Flags(), n, w.cas(it))
	default:
		out.Buf = ascii.AppendValueHead(out.Buf, key, it.Flags(), n)
	}
	w.appendValue(l, it, n)
}

// appendHead is appendItem as far as the value.
func (w *worker) appendHead(it slab.Item, key []byte, k *keys) {
	out := w.out
	n := it.ValueLen()
	switch {
	case k.packet:
		w.appendPacketHead(it, n, key, k)
	case k.cas:
		out.Buf = ascii.AppendValueHeadCAS(out.Buf, key, it.Flags(), n, w.cas(it))
	default:
		out.Buf = ascii.AppendValueHead(out.Buf, key, it.Flags(), n)
	}
}

// appendValue answers with the value and \r\n.
func (w *worker) appendValue(l *slab.Locked, it slab.Item, n int) {
	w.appendBytes(l, it, n)
	w.out.Buf = append(w.out.Buf, '\r', '\n')
}

// appendBytes answers with the value: a small one is copied under the lock, a
// large one is pinned and written from where it lies.
func (w *worker) appendBytes(l *slab.Locked, it slab.Item, n int) {
	out := w.out
	switch {
	case !it.Large():
		out.Buf = append(out.Buf, it.Value()...)
	case n < wire.PinMin:
		out.Buf = it.AppendValue(out.Buf)
	default:
		w.pinValue(l, it, n)
	}
}

func (w *worker) pinValue(l *slab.Locked, it slab.Item, n int) {
	pinned := l.Pin(it)
	for off := 0; off < n; {
		piece := pinned.Segment(off)
		if off += len(piece); off < n {
			w.out.Pin(piece, nil, 0)
		} else {
			w.out.Pin(piece, w.handle, pinned.Token())
		}
	}
}

// moreKeys goes on with the list of a get that was interrupted: because the
// output was full, the turn over, or its line longer than what had come. What
// was answered before may be written already, so that an overlong key is an
// error behind it.
func (s *session) moreKeys(in []byte) (n int, p progress) {
	w := s.worker
	if s.keys.touch && w.behind(changes) { // a list has no end
		return 0, w.comeAgain(s, 0)
	}
	w.unread = 0
	if line, n := ascii.Line(in); n > 0 {
		w.lineLen, w.lineCap = n, cap(line)
		s.state = stateLine
		p = w.list(s, w.cut(line), w.out.Mark())
		return n - w.unread, p
	}
	for n < len(in) {
		key, rest := ascii.Key(in[n:])
		if w.dialect == ascii.Old && bytes.IndexByte(key, 0) >= 0 {
			return s.endKeys(key, n, len(in))
		}
		unfinished := len(rest) == 0
		if len(key) > ascii.MaxKey+1 || len(key) > ascii.MaxKey && !unfinished { // one byte may be the \r of the line's end
			s.state, s.verdict = stateDiscard, replyFormat
			return len(in), working
		}
		if unfinished {
			return len(in) - len(key), starved
		}
		if !w.ahead.expects(key) {
			w.foreseeList(in[n:])
		}
		if w.value(key, &s.keys) == awaited {
			return n, awaiting
		}
		n = len(in) - len(rest)
		if w.out.Full() {
			return n, full
		}
		if w.workDone() {
			return n, spent
		}
	}
	return n, starved
}

// endKeys answers the last key of a list that a NUL ends, in the old dialect.
func (s *session) endKeys(key []byte, before, n int) (int, progress) {
	if key = s.worker.cut(key); len(key) > 0 && s.worker.value(key, &s.keys) == awaited {
		return before, awaiting
	}
	s.state, s.verdict = stateDiscard, replyEnd
	return n, working
}

// cut ends a C string at its NUL in the old dialect.
func (w *worker) cut(line []byte) []byte {
	if w.dialect == ascii.Old {
		if end := bytes.IndexByte(line, 0); end >= 0 {
			return line[:end]
		}
	}
	return line
}

// longGet takes the first keys of a line that is longer than what has come.
func (s *session) longGet(in []byte) (n int, p progress) {
	spaces := 0
	for spaces < len(in) && in[spaces] == ' ' {
		spaces++
	}
	name := ascii.Word(in[spaces:])
	plain := string(name) == "get"
	if spaces > ascii.MaxSpaces || !plain && string(name) != "gets" || len(in) == spaces+len(name) {
		return 0, closing
	}
	if spaces > 0 && s.worker.dialect == ascii.New {
		s.state, s.verdict = stateDiscard, replyError
		return spaces, working
	}
	s.keys = keys{cas: !plain}
	s.state = stateKeys
	return spaces + len(name), working
}
