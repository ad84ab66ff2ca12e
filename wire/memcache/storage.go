package memcache

import (
	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// mode is what a store command does with what is there.
type mode uint8

const (
	modeSet mode = iota
	modeAdd
	modeReplace
	modeAppend
	modePrepend
	modeCAS
	modeNone // of lines of the trace
)

// outcome is how a store command ended.
type outcome uint8

const (
	stored outcome = iota
	notStored
	exists
	notFound
	noMemory
	notNumeric
	tooLarge
	retry // not an outcome: what was looked at has changed, look again
)

// store is a store command whose data is on its way.
type store struct {
	item    slab.Item // reserved; its key is the command's
	hash    uint64    // of the key
	slot    uint16
	mode    mode
	noreply bool
	packet  bool // a binary request: nothing comes behind the value
	meta    bool // ms: answer is mark
	stale   bool // ms I with C: a token below the item's is good enough
	vivify  bool // ms N with MA or MP: store when there is nothing to add to
	marks   metaMarks
	end     [valueEndBytes]byte // what came after the value
	len     int                 // of the value
	got     int                 // bytes of value and end that came
	cas     uint64              // 0: no token was given
	newCAS  uint64              // ms E, 0: the store chooses
}

func storeSet(w *worker, s *session) progress     { return w.update(s, modeSet) }
func storeAdd(w *worker, s *session) progress     { return w.update(s, modeAdd) }
func storeReplace(w *worker, s *session) progress { return w.update(s, modeReplace) }
func storeAppend(w *worker, s *session) progress  { return w.update(s, modeAppend) }
func storePrepend(w *worker, s *session) progress { return w.update(s, modePrepend) }
func storeCAS(w *worker, s *session) progress     { return w.update(s, modeCAS) }

// update begins a classic store command. When its line is wrong the new
// dialect skips the data if it knows its length; the old one takes the data
// for commands.
func (w *worker) update(s *session, m mode) progress {
	r := &w.request
	if w.dialect == ascii.Old {
		w.noteNoreply()
	}
	n, ok := w.valueLen(r.Token(4))
	if w.dialect == ascii.New {
		if !ok {
			return w.say(replyFormat)
		}
		w.noteNoreply()
	}
	key := r.Token(1)
	flags, flagsOK := w.dialect.Strtoul(r.Token(2))
	exptime, exptimeOK := ascii.Strtol(r.Token(3))
	var cas uint64
	casOK := true
	if m == modeCAS {
		cas, casOK = w.dialect.Uint64(r.Token(5))
		casOK = casOK && r.Len() > 5
	}
	if !ok || len(key) > ascii.MaxKey || !flagsOK || !exptimeOK || !casOK {
		w.reply(replyFormat)
		if w.dialect == ascii.Old {
			return finished
		}
		return s.skipData(n)
	}
	if w.server.prefixes.enabled.Load() {
		w.server.prefixes.set(w.server.config.StatsPrefix, key)
	}
	st := &s.store
	st.begin(m, cas)
	expiresAtMS := w.server.expiresAtMS(exptime, w.now)
	return w.reserve(s, key, slab.Spec{
		ValueLen:    n,
		Flags:       flags,
		ExpiresAtMS: expiresAtMS,
		Evictable:   w.evictable(expiresAtMS),
	})
}

// begin forgets what the last store command was.
func (st *store) begin(m mode, cas uint64) {
	st.mode, st.packet, st.meta, st.stale, st.vivify, st.cas, st.newCAS = m, false, false, false, false, cas, 0
}

// valueLen reads the length of a data block.
func (w *worker) valueLen(token []byte) (n int, ok bool) {
	v, ok := w.dialect.Int32(token)
	return int(v), ok && v >= 0 && v <= valueLenMax
}

// skipData leaves a failed command's data block unread.
func (s *session) skipData(n int) progress {
	s.skip = n + valueEndBytes
	s.state = stateSkip
	return working
}

// reserve gets memory for the data of a store command, of which s.store knows
// the rest.
func (w *worker) reserve(s *session, key []byte, spec slab.Spec) progress {
	st := &s.store
	st.noreply = w.noreply
	o := w.allocate(st, key, spec, st.mode == modeSet || st.meta)
	switch {
	case o == stored:
		s.state = stateBody
		return working
	case st.meta:
		w.say(outcomeReplies[o])
	default:
		w.reply(outcomeReplies[o])
	}
	return s.skipData(spec.ValueLen)
}

// refusals count the stores of the text protocol that found no room.
var refusals = [...]counter{noMemory: storeNoMemory, tooLarge: storeTooLarge}

// allocate is reserve without an answer: stored, tooLarge or noMemory. A command
// that replaces, and fails, removes what it was meant to replace. Without CAS an
// item cannot keep the token that it was sent with, so that it has none.
func (w *worker) allocate(st *store, key []byte, spec slab.Spec, replaces bool) (o outcome) {
	hk := w.key(key)
	if w.server.config.CASDisabled {
		st.cas = 0
	}
	if w.server.fits(len(key), spec.Flags, spec.ValueLen) {
		it, err := w.handle.Reserve(hk, spec)
		if err == nil {
			st.item, st.hash, st.slot = it, hk.Hash, hk.Slot
			st.len, st.got = spec.ValueLen, 0
			return stored
		}
		o = noMemory
	} else {
		o = tooLarge
	}
	if !st.packet { // as in memcached
		w.count(refusals[o])
	}
	if w.trace.streams&streamMutations != 0 {
		w.traceRefused(st, key, o)
	}
	if replaces {
		w.remove(hk)
	}
	return o
}

// remove takes a key out and reports whether it was there.
func (w *worker) remove(hk *slab.Key) bool {
	l := w.handle.Lock(hk)
	it, found := w.find(&l)
	if found {
		l.Remove(it)
	}
	l.Unlock()
	return found
}

// room appends the memory in which the next bytes of the value belong.
func (st *store) room(dst [][]byte) [][]byte {
	for off := st.got; off < st.len && len(dst) < cap(dst); {
		segment := st.item.Segment(off)
		dst = append(dst, segment)
		off += len(segment)
	}
	return dst
}

// body takes the data of a store command as it comes.
func (s *session) body(in []byte) (n int, p progress) {
	st := &s.store
	s.worker.copied(min(st.len-st.got, len(in)))
	for st.got < st.len {
		if n == len(in) {
			return n, starved
		}
		c := copy(st.item.Segment(st.got), in[n:])
		st.got += c
		n += c
	}
	if st.packet {
		return n, s.finishPacket()
	}
	c := copy(st.end[st.got-st.len:], in[n:])
	st.got += c
	n += c
	if st.got < st.len+valueEndBytes {
		return n, starved
	}
	s.state = stateLine
	return n, s.worker.finish(st)
}

// finish stores what has come, and answers.
func (w *worker) finish(st *store) progress {
	w.countItem(st.item, setCommands)
	if st.end != [valueEndBytes]byte{'\r', '\n'} {
		w.handle.Discard(st.item)
		st.item = slab.Item{}
		w.noreply = st.noreply && !st.meta
		return w.reply(replyBadData)
	}
	hk := slab.Key{Bytes: st.item.Key(), Hash: st.hash, Slot: st.slot}
	if st.meta {
		return w.finishMeta(st, &hk)
	}
	o, _, _ := w.put(st, &hk)
	st.item = slab.Item{}
	if st.noreply {
		return finished
	}
	return w.say(outcomeReplies[o])
}

var outcomeReplies = [...]string{
	stored:    replyStored,
	notStored: replyNotStored,
	exists:    replyExists,
	notFound:  replyNotFound,
	noMemory:  replyNoMemory,
	tooLarge:  replyTooLarge,
}

// put stores a filled item as its mode says, or discards it. cas and size are
// those of the item that was stored.
func (w *worker) put(st *store, hk *slab.Key) (o outcome, cas uint64, size int) {
	if w.trace.streams&streamMutations == 0 {
		return w.place(st, hk)
	}
	t := &w.trace
	t.key = append(t.key[:0], hk.Bytes...) // the item may be gone behind place
	t.expiryMS, t.flags = st.item.ExpiresAtMS(), st.item.Flags()
	o, cas, size = w.place(st, hk)
	class := w.server.class(w.server.itemTotal(len(t.key), t.flags, size))
	w.traceStore(t.key, st.mode, traceOutcomes[o], t.expiryMS, class, size)
	return o, cas, size
}

// place is put without a line of the trace.
func (w *worker) place(st *store, hk *slab.Key) (o outcome, cas uint64, size int) {
	if st.mode == modeAppend || st.mode == modePrepend {
		return w.extend(st, hk)
	}
	for {
		l := w.handle.Lock(hk)
		keepMS := int64(0)
		o = stored
		if st.mode != modeSet || w.trace.streams&streamFetchers != 0 {
			o, keepMS = w.admit(st, &l)
		}
		if o == stored {
			cas = l.Put(st.item, w.now)
			l.Unlock()
			return placed(cas), cas, st.len
		}
		l.Unlock()
		if o == retry {
			if w.remake(st, hk, keepMS) {
				continue
			}
			o = noMemory
		}
		w.handle.Discard(st.item)
		return o, 0, st.len
	}
}

// placed is the outcome of a Put: an index that is full takes no new item.
func placed(cas uint64) outcome {
	if cas == 0 {
		return noMemory
	}
	return stored
}

// admit decides whether a filled item may be stored. retry: it must be made
// again first, to live until keepMS.
func (w *worker) admit(st *store, l *slab.Locked) (o outcome, keepMS int64) {
	old, found := w.find(l)
	switch st.mode {
	case modeAdd:
		if found {
			return notStored, 0
		}
	case modeReplace:
		if !found {
			return notStored, 0
		}
	case modeCAS:
		if !found {
			w.count(casMisses)
			return notFound, 0
		}
		have := w.cas(old)
		switch {
		case st.cas == 0:
		case st.cas == have:
			w.countItem(old, casHits)
			return stored, 0
		case st.stale && st.cas < have:
			return w.admitStale(st, old)
		}
		w.countItem(old, casBadValue)
		return exists, 0
	}
	return stored, 0
}

// admitStale lets an item in by an old token: it keeps the expiry of what it
// replaces, and is stale.
func (w *worker) admitStale(st *store, old slab.Item) (o outcome, keepMS int64) {
	if keepMS = old.ExpiresAtMS(); keepMS != st.item.ExpiresAtMS() {
		return retry, keepMS
	}
	st.item.SetStale(true)
	st.item.SetTokenSent(old.TokenSent())
	w.countItem(old, casHits)
	return stored, 0
}

// remake reserves the filled item again with another expiry.
func (w *worker) remake(st *store, hk *slab.Key, expiresAtMS int64) bool {
	it, err := w.handle.Reserve(hk, slab.Spec{
		ValueLen: st.len, Flags: st.item.Flags(), ExpiresAtMS: expiresAtMS, CAS: st.newCAS, Evictable: w.evictable(expiresAtMS),
	})
	if err != nil {
		return false
	}
	it.SetKeyEncoded(st.item.KeyEncoded())
	w.trace.expiryMS = expiresAtMS
	w.copied(st.len)
	it.CopyValue(0, st.item)
	hk.Bytes = it.Key()
	w.handle.Discard(st.item)
	st.item = it
	return true
}

// itemVersion tells whether an item is still the one that was seen. Its token
// would not: clients may choose the same one twice.
type itemVersion struct {
	version     uint64
	expiresAtMS int64
}

func versionOf(it slab.Item) itemVersion { return itemVersion{it.Version(), it.ExpiresAtMS()} }

// extension is an append or prepend between its two locks.
type extension struct {
	seen   itemVersion
	len    int         // of the value that is there
	spec   slab.Spec   // of the longer item
	value  slab.Pinned // what is there, when it is large
	pinned bool
}

// extend adds the filled item's value to what is there. The longer item is
// reserved while nothing is locked, so what is there may change meanwhile.
func (w *worker) extend(st *store, hk *slab.Key) (o outcome, cas uint64, size int) {
	for {
		var x extension
		o, cas = w.extendLook(st, hk, &x)
		if o != retry {
			return o, cas, st.len
		}
		o, cas = w.extendPut(st, hk, &x)
		if x.pinned {
			w.handle.Release(x.value.Token())
		}
		switch o {
		case stored:
			w.handle.Discard(st.item)
			w.trace.expiryMS, w.trace.flags = x.spec.ExpiresAtMS, x.spec.Flags
			return o, cas, x.spec.ValueLen
		case retry:
		default:
			w.handle.Discard(st.item)
			return o, 0, st.len
		}
	}
}

// extendLook sees what is there. An outcome other than retry is final, and the
// filled item is gone.
func (w *worker) extendLook(st *store, hk *slab.Key, x *extension) (o outcome, cas uint64) {
	l := w.handle.Lock(hk)
	old, found := w.find(&l)
	switch {
	case !found && st.vivify:
		cas = l.Put(st.item, w.now)
		l.Unlock()
		return placed(cas), cas
	case !found:
		o = notStored
	case old.OnTier():
		o = notStored // as in memcached
	case st.cas != 0 && st.cas != w.cas(old):
		o = exists
	default:
		x.seen, x.len, x.pinned = versionOf(old), old.ValueLen(), old.Large()
		x.spec = slab.Spec{
			ValueLen: x.len + st.len, Flags: old.Flags(), ExpiresAtMS: x.seen.expiresAtMS, CAS: st.newCAS,
			Evictable: w.evictable(x.seen.expiresAtMS),
		}
		if x.pinned {
			x.value = l.Pin(old)
		}
		l.Unlock()
		return retry, 0
	}
	l.Unlock()
	w.handle.Discard(st.item)
	return o, 0
}

// extendPut makes the longer item and stores it, if what was there still is. A
// pinned value is copied without the lock.
func (w *worker) extendPut(st *store, hk *slab.Key, x *extension) (o outcome, cas uint64) {
	if !w.server.fits(len(hk.Bytes), x.spec.Flags, x.spec.ValueLen) {
		return notStored, 0
	}
	longer, err := w.handle.Reserve(hk, x.spec)
	if err != nil {
		return notStored, 0
	}
	oldAt, addedAt := st.around(x.len)
	w.copied(x.spec.ValueLen)
	longer.CopyValue(addedAt, st.item)
	if x.pinned {
		longer.CopyPinned(oldAt, x.value)
	}
	l := w.handle.Lock(hk)
	old, found := w.findAgain(&l)
	if found != slab.Hit || versionOf(old) != x.seen || old.OnTier() && !x.pinned { // which the room for longer may have cost
		l.Unlock()
		w.handle.Discard(longer)
		return retry, 0
	}
	if !x.pinned {
		longer.CopyValue(oldAt, old)
	}
	cas = l.Put(longer, w.now)
	l.Unlock()
	return placed(cas), cas
}

// around is where in the longer value the old one, of n bytes, and the new one go.
func (st *store) around(n int) (old, added int) {
	if st.mode == modeAppend {
		return 0, n
	}
	return st.len, 0
}
