package memcache

import (
	"strconv"

	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// dumpBuckets is how many buckets of the index a step of a dump locks and looks
// at: about 50 items.
const dumpBuckets = 8

// itemDump is a metadump or mgdump on its way. It holds no item and no lock
// between two steps, only the place where it goes on.
type itemDump struct {
	cursor  slab.Cursor
	classes uint64 // bit n: items of slab class n are shown
	meta    bool   // metadump; else mgdump
	visit   func(slab.Item) bool
}

func (s *session) metadump(arg []byte) progress {
	return s.startDump(arg, true, "ERROR metadump not allowed\r\n", "ERROR cannot pipeline other commands before metadump\r\n")
}

func (s *session) mgdump(arg []byte) progress {
	return s.startDump(arg, false, "ERROR key dump not allowed\r\n", "ERROR cannot pipeline other commands before mgdump\r\n")
}

// startDump begins to list items, once memcached's conditions hold. Unlike
// there, any number of dumps can be on their way.
func (s *session) startDump(arg []byte, meta bool, forbidden, pipelined string) progress {
	w := s.worker
	server := w.server
	switch {
	case !server.knobs.crawler.Load():
		return w.reply(replyCrawlerOff)
	case server.config.DumpDisabled:
		return w.reply(forbidden)
	case w.pipelined():
		return w.reply(pipelined)
	}
	list, ok := w.classList(arg)
	switch {
	case !ok:
		return w.reply("BADCLASS invalid class id\r\n")
	case list.classes == 0:
		return w.reply(replyNotStarted)
	}
	server.crawls.Add(1)
	server.dumps.Add(1)
	d := &itemDump{classes: list.classes, meta: meta}
	d.visit = func(it slab.Item) bool { return w.dumpItem(d, it) }
	s.items, s.state = d, stateItems
	w.unread = 1 // the end of the line stays, so that Feed is called until the dump ends
	if w.dialect == ascii.New {
		w.say(replyOK)
	}
	return working
}

// dumpItems goes on with a dump until it is done, or the turn, or the output is
// full.
func (s *session) dumpItems() (n int, p progress) {
	w, d := s.worker, s.items
	for {
		w.work -= dumpBuckets
		done := w.handle.Walk(&d.cursor, w.now, dumpBuckets, d.visit)
		switch {
		case done:
			s.endDump()
			s.state = stateLine
			if d.meta {
				w.say(replyEnd)
			} else {
				w.say("EN\r\n")
			}
			return 1, finished
		case w.out.Full():
			return 0, full
		case w.workDone():
			return 0, spent
		}
	}
}

// endDump forgets a dump, if there is one.
func (s *session) endDump() {
	if s.items != nil {
		s.items = nil
		s.worker.server.dumps.Add(-1)
	}
}

// dumpItem appends the line of an item. false: there is no room or time for it,
// and it has to be shown again.
func (w *worker) dumpItem(d *itemDump, it slab.Item) bool {
	if w.out.Full() || w.workDone() {
		return false
	}
	if w.flushing {
		return true
	}
	total := w.server.itemTotal(len(it.Key()), it.Flags(), it.ValueLen())
	class := w.server.class(total)
	switch {
	case d.classes>>class&1 == 0:
	case d.meta:
		w.appendMeta(it, class, total)
	default:
		w.appendMetaGet(it)
	}
	return true
}

// appendMeta appends a line of a metadump, whose end is no more than a newline.
func (w *worker) appendMeta(it slab.Item, class, total int) {
	b := ascii.AppendURI(append(w.out.Buf, "key="...), it.Key())
	exp := int64(-1)
	if at := it.ExpiresAtMS(); at != 0 {
		exp = at / 1000
	}
	b = strconv.AppendInt(append(b, " exp="...), exp, 10)
	b = strconv.AppendInt(append(b, " la="...), (w.now-it.IdleMS(w.now))/1000, 10)
	b = ascii.AppendUint(append(b, " cas="...), w.cas(it))
	if it.Fetched() {
		b = append(b, " fetch=yes"...)
	} else {
		b = append(b, " fetch=no"...)
	}
	b = ascii.AppendUint(append(b, " cls="...), uint64(class))
	b = ascii.AppendUint(append(b, " size="...), uint64(total))
	if w.dialect == ascii.New {
		b = append(ascii.AppendUint(append(b, " flags="...), uint64(it.Flags())), ' ') // the space is theirs
	}
	w.out.Buf = append(b, '\n')
}

// appendMetaGet appends a line of an mgdump: the command that gets the item.
func (w *worker) appendMetaGet(it slab.Item) {
	b := append(w.out.Buf, "mg "...)
	if it.KeyEncoded() {
		b = append(ascii.AppendEncoded(b, it.Key()), " b"...)
	} else {
		b = append(b, it.Key()...)
	}
	w.out.Buf = append(b, '\r', '\n')
}
