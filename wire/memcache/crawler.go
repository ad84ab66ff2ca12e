package memcache

import (
	"bytes"

	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

const (
	crawlerSleepMaxUS = 1_000_000
	classListMax      = 511 // bytes of a list of classes that the new dialect looks at

	replyCrawlerOff = "CLIENT_ERROR lru crawler disabled\r\n"
	replyCrawling   = "BUSY currently processing crawler request\r\n"
	replyBadClass   = "BADCLASS invalid class id\r\n"
	replyNotStarted = "NOTSTARTED no items to crawl\r\n"
)

// lruCrawler is early reclaim, and what walks over all items.
func lruCrawler(w *worker, s *session) progress {
	r := &w.request
	sub, arg := r.Token(1), r.Token(2)
	switch {
	case r.Len() == 2 && w.is(sub, "enable"):
		return w.crawlerEnable()
	case r.Len() == 2 && w.is(sub, "disable"):
		w.setCrawler(false)
		return w.reply(replyOK)
	case r.Len() != 3:
	case w.is(sub, "crawl"):
		return w.crawl(arg)
	case w.is(sub, "metadump"):
		return s.metadump(arg)
	case w.dialect == ascii.New && w.is(sub, "mgdump"):
		return s.mgdump(arg)
	case w.is(sub, "tocrawl"):
		return w.crawlerToCrawl(arg)
	case w.is(sub, "sleep"):
		return w.crawlerSleep(arg)
	}
	return w.reply(replyError)
}

// crawlerEnable refuses when the crawler is on already, as memcached does.
func (w *worker) crawlerEnable() progress {
	if w.server.knobs.crawler.Load() {
		return w.reply("ERROR failed to start lru crawler thread\r\n")
	}
	w.setCrawler(true)
	return w.reply(replyOK)
}

func (w *worker) setCrawler(on bool) {
	w.server.knobs.change(func(set *Settings) { set.LRUCrawler = on })
	w.server.crawlAlone(on)
}

func (w *worker) crawlerToCrawl(arg []byte) progress {
	n, ok := w.dialect.Uint32(arg)
	if !ok {
		return w.reply(replyFormat)
	}
	w.server.knobs.change(func(set *Settings) { set.LRUCrawlerToCrawl = int(n) })
	return w.reply(replyOK)
}

func (w *worker) crawlerSleep(arg []byte) progress {
	us, ok := w.dialect.Uint32(arg)
	switch {
	case !ok:
		return w.reply(replyFormat)
	case us > crawlerSleepMaxUS:
		return w.reply("CLIENT_ERROR sleep must be one second or less\r\n")
	}
	w.server.knobs.change(func(set *Settings) { set.LRUCrawlerSleepUS = int(us) })
	return w.reply(replyOK)
}

// crawl has the memory of expired items found by the next ticks.
func (w *worker) crawl(arg []byte) progress {
	server := w.server
	if !server.knobs.crawler.Load() {
		return w.reply(replyCrawlerOff)
	}
	list, ok := w.classList(arg)
	switch {
	case !ok:
		return w.reply(replyBadClass)
	case server.env.Store.Crawling():
		return w.reply(replyCrawling)
	case list.hash:
		return w.reply("ERROR an unknown error happened\r\n")
	case list.classes == 0:
		return w.reply(replyNotStarted)
	}
	if !server.env.Store.Crawl(list.classes >> 1) {
		return w.reply(replyCrawling)
	}
	server.crawls.Add(1)
	return w.reply(replyOK)
}

// classList is what `lru_crawler` walks over.
type classList struct {
	classes uint64 // bit n: slab class n; class 0 is there for all only
	hash    bool   // all, as the index has them
}

const allClasses = ^uint64(0)

// classList reads a list of slab classes: "all", "hash", or numbers with commas.
func (w *worker) classList(arg []byte) (list classList, ok bool) {
	if w.dialect == ascii.New {
		arg = arg[:min(len(arg), classListMax)]
		if end := bytes.IndexByte(arg, 0); end >= 0 {
			arg = arg[:end]
		}
	}
	switch string(arg) {
	case "all":
		return classList{classes: allClasses}, true
	case "hash":
		return classList{classes: allClasses, hash: true}, true
	}
	for len(arg) > 0 {
		number, rest, _ := bytes.Cut(arg, []byte{','})
		if arg = rest; len(number) == 0 {
			continue
		}
		class, ok := w.dialect.Strtoul(number)
		if !ok || class < 1 || class > slabClassesMax {
			return classList{}, false
		}
		list.classes |= 1 << class
	}
	return list, true
}

// appendCrawler appends what stats tells of the crawler.
func (s *Server) appendCrawler(l *statList) {
	running := uint64(0)
	if s.dumps.Load() > 0 || s.env.Store.Crawling() {
		running = 1
	}
	l.u("lru_crawler_running", running)
	l.u("lru_crawler_starts", s.crawls.Load())
}
