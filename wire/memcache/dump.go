package memcache

import (
	"strconv"

	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

func (s *session) metadump(arg []byte) progress {
	w := s.worker
	return s.startDump(arg, "ERROR metadump not allowed\r\n", "ERROR cannot pipeline other commands before metadump\r\n", w.appendMeta, replyEnd)
}

func (s *session) mgdump(arg []byte) progress {
	w := s.worker
	return s.startDump(arg, "ERROR key dump not allowed\r\n", "ERROR cannot pipeline other commands before mgdump\r\n", w.appendMetaGet, "EN\r\n")
}

// startDump begins to list items, once memcached's conditions hold. Unlike
// there, any number of dumps can be on their way, none waits for a crawl, and what
// a client sends meanwhile is kept.
func (s *session) startDump(arg []byte, forbidden, pipelined string, show func(slab.Item), end string) progress {
	w := s.worker
	server := w.server
	switch {
	case !server.knobs.crawler.Load():
		return w.reply(replyCrawlerOff)
	case server.config.DumpDisabled, s.conn.datagrams != nil:
		return w.reply(forbidden)
	case w.pipelined():
		return w.reply(pipelined)
	}
	list, ok := w.classList(arg)
	switch {
	case !ok:
		return w.reply(replyBadClass)
	case list.classes == 0:
		return w.reply(replyNotStarted)
	}
	server.crawls.Add(1)
	server.dumps.Add(1)
	if w.dialect == ascii.New {
		w.say(replyOK)
	}
	return s.startWalk(&itemWalk{
		dumps:   true,
		classes: list.classes,
		end:     func(*itemWalk) { w.say(end) },
		visit: func(walk *itemWalk, it slab.Item) bool {
			switch {
			case w.out.Full() || w.workDone():
				return false // it will be shown again
			case w.flushing || walk.classes>>it.Group()&1 == 0:
			default:
				show(it)
			}
			return true
		},
	})
}

// appendMeta appends a line of a metadump, whose end is no more than a newline.
func (w *worker) appendMeta(it slab.Item) {
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
	b = ascii.AppendUint(append(b, " cls="...), uint64(it.Group()))
	b = ascii.AppendUint(append(b, " size="...), uint64(it.Weight()))
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
