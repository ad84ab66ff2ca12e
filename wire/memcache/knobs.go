package memcache

import (
	"sync"
	"sync/atomic"
)

// knobs are the settings that commands change while the server runs. They are
// checked, remembered and shown as in memcached. What is made of them: items that
// live no longer than temporary_ttl are never evicted, and without the crawler no
// expired item's memory is looked for. The others steer machinery that we do not
// have, and change nothing.
type knobs struct {
	mu       sync.Mutex
	settings Settings // as `stats settings` shows them

	crawler   atomic.Bool  // lru_crawler
	temporary atomic.Int64 // temporary_ttl in seconds; noTemporary: temp_lru is off

	recacheRate atomic.Int64 // ext_recache_rate
}

const noTemporary = -1

// open takes the settings that the server starts with.
func (k *knobs) open(set Settings) {
	k.change(func(now *Settings) { *now = set })
}

// change changes settings.
func (k *knobs) change(f func(set *Settings)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f(&k.settings)
	k.crawler.Store(k.settings.LRUCrawler)
	k.recacheRate.Store(int64(k.settings.ExtRecacheRate))
	if k.settings.TempLRU {
		k.temporary.Store(int64(k.settings.TemporaryTTL))
	} else {
		k.temporary.Store(noTemporary)
	}
}

// get returns the settings of now.
func (k *knobs) get() Settings {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.settings
}

// evictable reports whether an item with this expiry may be evicted. As in
// memcached that is decided when an item gets its memory: a touch, which leaves
// it there, decides nothing, and neither does a change of the setting.
func (w *worker) evictable(expiresAtMS int64) bool {
	seconds := w.server.knobs.temporary.Load()
	return seconds == noTemporary || expiresAtMS < w.now || ttlSeconds(expiresAtMS, w.now) > seconds
}
