package memcache

import (
	"strconv"

	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// oldFlagTokens and newFlagTokens are the tokens that a meta line may have.
// MFLAG_MAX_OPT_LENGTH, which the old dialect compares with one more.
const (
	oldFlagTokens = 19
	newFlagTokens = 20
)

func metaNoop(w *worker, _ *session) progress {
	w.sentAt = w.requests - 1
	return w.say("MN\r\n")
}

// metaStart checks a meta command's line up to its flags, which begin at token
// first, and reads them. text is the error, "" for none; inFlags says that it
// lies in a flag.
func (w *worker) metaStart(first int, tooMany string) (text string, inFlags bool) {
	r := &w.request
	limit := newFlagTokens
	if w.dialect == ascii.Old {
		limit = oldFlagTokens
	} else {
		tooMany = ascii.ErrTooManyFlags
	}
	switch {
	case len(r.Token(1)) > ascii.MaxKey:
		return replyFormat, false
	case r.Len() > limit:
		return tooMany, false
	}
	return w.flags.Parse(r, first, w.dialect), true
}

// metaShape reports whether the new dialect takes the line for a meta command.
func (w *worker) metaShape(first int) bool {
	return w.dialect == ascii.Old || w.request.MetaShape(first)
}

// badOpaque is the first token, from first on, that is an opaque of more than
// MaxOpaque bytes; the number of tokens when there is none.
func (w *worker) badOpaque(first int) int {
	r := &w.request
	if w.flags.Has('O') {
		for i := first; i < r.Len(); i++ {
			if t := r.Token(i); t[0] == 'O' && len(t) > ascii.MaxOpaque {
				return i
			}
		}
	}
	return r.Len()
}

// appendEcho appends what O and k send back, in the order of the request.
func (w *worker) appendEcho(dst []byte, first int) []byte {
	r := &w.request
	for i := first; i < r.Len(); i++ {
		switch t := r.Token(i); t[0] {
		case 'O':
			dst = append(append(dst, ' '), t...)
		case 'k':
			dst = ascii.AppendFlagKey(dst, w.flags.Key, w.flags.KeyEncoded)
		}
	}
	return dst
}

// appendTTL appends t, which memcached prints as an unsigned number even when
// the time is over.
func (w *worker) appendTTL(dst []byte, expiresAtMS int64) []byte {
	if expiresAtMS == 0 {
		return append(dst, " t-1"...)
	}
	return ascii.AppendFlag(dst, 't', uint64(uint32(ttlSeconds(expiresAtMS, w.now))))
}

// metaMarks is what ms sends back, kept until the data has come.
type metaMarks struct {
	letters   [4]byte // of O, k, c, s, in the order of the request
	count     uint8
	opaqueLen uint8
	opaque    [ascii.MaxOpaque]byte // with its O
}

// note keeps the marks of the request.
func (m *metaMarks) note(r *ascii.Request, first int, d ascii.Dialect) {
	m.count, m.opaqueLen = 0, 0
	for i := first; i < r.Len(); i++ {
		t := r.Token(i)
		switch t[0] {
		case 'O':
			m.opaqueLen = uint8(copy(m.opaque[:], t))
		case 's':
			if d == ascii.Old {
				continue
			}
		case 'k', 'c':
		default:
			continue
		}
		m.letters[m.count] = t[0]
		m.count++
	}
}

func (m *metaMarks) wantKey() bool {
	for _, letter := range m.letters[:m.count] {
		if letter == 'k' {
			return true
		}
	}
	return false
}

// metaSet begins ms. From the moment that the length of its data is known the
// data is skipped when something is wrong; in the old dialect some errors come
// before that.
func metaSet(w *worker, s *session) progress {
	r, f, st := &w.request, &w.flags, &s.store
	n, text := w.metaSetLine()
	if text != "" {
		return w.say(text)
	}
	text, longOpaque := w.metaSetFlags(st)
	if text != "" {
		w.say(text)
		return s.skipData(n)
	}
	exptime := f.TTL
	if st.vivify {
		exptime = f.VivifyTTL
	}
	st.marks.note(r, 3, w.dialect)
	w.noreply = f.Quiet
	expiresAtMS := w.server.expiresAtMS(exptime, w.now)
	p := w.reserve(s, f.Key, slab.Spec{
		ValueLen:    n,
		Flags:       f.ClientFlags,
		ExpiresAtMS: expiresAtMS,
		CAS:         f.NewCAS,
		Evictable:   w.evictable(expiresAtMS),
	})
	if s.state != stateBody {
		return p
	}
	if longOpaque {
		w.handle.Discard(st.item)
		w.say(replyOpaque)
		return s.skipData(n)
	}
	st.item.SetKeyEncoded(f.KeyEncoded)
	return p
}

// metaSetLine looks at what of an ms comes before its flags. Behind an error
// the data is taken for commands.
func (w *worker) metaSetLine() (n int, text string) {
	r := &w.request
	old := w.dialect == ascii.Old
	n, ok := w.valueLen(r.Token(2))
	switch {
	case r.Len() < 3 || !w.metaShape(3) || old && len(r.Token(1)) > ascii.MaxKey:
		return 0, replyFormat
	case old && r.Len() > oldFlagTokens:
		return 0, replyFlagsTooMany
	case !ok:
		return 0, replyFormat
	}
	return n, ""
}

// metaSetFlags makes a store command of an ms's flags. The new dialect finds
// out about an opaque that is too long when the item is reserved already.
func (w *worker) metaSetFlags(st *store) (text string, longOpaque bool) {
	if text, _ = w.metaStart(3, replyFlagsTooMany); text != "" {
		return text, false
	}
	f := &w.flags
	var ok bool
	if st.mode, st.vivify, ok = metaMode(f, w.dialect); !ok {
		return "CLIENT_ERROR invalid mode for ms M token\r\n", false
	}
	st.meta, st.cas, st.newCAS = true, f.CAS, f.NewCAS
	st.stale = f.Invalidate && st.mode == modeCAS
	longOpaque = w.badOpaque(3) < w.request.Len()
	if longOpaque && w.dialect == ascii.Old {
		return replyOpaque, true
	}
	return "", longOpaque
}

// metaMode is what M and C make of ms. A token turns a plain set into a cas.
func metaMode(f *ascii.Flags, d ascii.Dialect) (m mode, vivify, ok bool) {
	switch f.Mode {
	case 0, 'S':
		m = modeSet
	case 'E':
		m = modeAdd
	case 'A':
		m, vivify = modeAppend, f.Vivify && d == ascii.New
	case 'P':
		m, vivify = modePrepend, f.Vivify && d == ascii.New
	case 'R':
		m = modeReplace
	default:
		return 0, false, false
	}
	if f.HasCAS && (m == modeSet || m == modeReplace) {
		m = modeCAS
	}
	return m, vivify, true
}

var metaOutcomes = [...]string{stored: "HD", notStored: "NS", exists: "EX", notFound: "NF"}

// finishMeta stores what came for ms, and answers.
func (w *worker) finishMeta(st *store, hk *slab.Key) progress {
	key, encoded := w.scratch[:0], false
	if st.marks.wantKey() {
		key, encoded = append(key, hk.Bytes...), st.item.KeyEncoded()
		w.scratch = key
	}
	o, cas, size := w.put(st, hk)
	st.item = slab.Item{}
	switch {
	case o == noMemory:
		return w.say(replyNoMemory)
	case o == stored && st.noreply:
		return finished
	}
	b := append(w.out.Buf, metaOutcomes[o]...)
	for _, letter := range st.marks.letters[:st.marks.count] {
		switch letter {
		case 'O':
			b = append(append(b, ' '), st.marks.opaque[:st.marks.opaqueLen]...)
		case 'k':
			b = ascii.AppendFlagKey(b, key, encoded)
		case 'c':
			b = ascii.AppendFlag(b, 'c', w.shown(cas))
		case 's':
			b = ascii.AppendFlag(b, 's', uint64(size))
		}
	}
	w.out.Buf = append(b, '\r', '\n')
	return finished
}

// metaDebug is me. The new dialect looks for its b only when another token
// follows, and turned the sign of exp around.
func metaDebug(w *worker, _ *session) progress {
	r := &w.request
	key := r.Token(1)
	if r.Len() < 2 || len(key) > ascii.MaxKey || !w.metaShape(2) {
		return w.say(replyFormat)
	}
	shortest := 3
	if w.dialect == ascii.New {
		shortest = 4
	}
	if r.Len() >= shortest && string(r.Token(2)) == "b" {
		w.scratch = append(w.scratch[:0], key...)
		n := ascii.DecodeKey(w.scratch, key)
		if n == 0 {
			return w.say(replyFormat)
		}
		key = w.scratch[:n]
	}
	w.count(metaCommands)
	hk := w.key(key)
	l := w.handle.Lock(hk)
	if it, found := w.find(&l); found {
		w.appendDebug(&l, it)
	} else {
		w.say("EN\r\n")
	}
	l.Unlock()
	return finished
}

func (w *worker) appendDebug(l *slab.Locked, it slab.Item) {
	b := append(w.out.Buf, "ME "...)
	if it.KeyEncoded() {
		b = ascii.AppendEncoded(b, it.Key())
	} else {
		b = append(b, it.Key()...)
	}
	exp := int64(-1)
	if at := it.ExpiresAtMS(); at != 0 {
		exp = ttlSeconds(at, w.now)
		if w.dialect == ascii.Old {
			exp = -exp
		}
	}
	total := w.server.itemTotal(len(it.Key()), it.Flags(), it.ValueLen())
	b = strconv.AppendInt(append(b, " exp="...), int64(int32(exp)), 10) // %d: binary can ask for 2^32-1 seconds
	b = ascii.AppendUint(append(b, " la="...), uint64(l.IdleMS(it, w.now)/1000))
	b = ascii.AppendUint(append(b, " cas="...), w.cas(it))
	b = append(b, " fetch="...)
	if it.Fetched() {
		b = append(b, "yes"...)
	} else {
		b = append(b, "no"...)
	}
	b = ascii.AppendUint(append(b, " cls="...), uint64(w.server.class(total)))
	b = ascii.AppendUint(append(b, " size="...), uint64(total))
	w.out.Buf = append(b, '\r', '\n')
}
