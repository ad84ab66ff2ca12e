package memcache

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/puzpuzpuz/xsync/v3"

	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
	"github.com/pandabeardb/panda/wire/memcache/binary"
)

// Server makes sessions that share one store, one configuration and one set of
// statistics.
type Server struct {
	config       Config
	env          Env
	dialect      ascii.Dialect
	classes      []int // slab classes of memcached, see size.go
	pastMS       int64 // what a negative exptime means: over before anything began
	turnRequests int   // -R, see turn.go
	workers      []*worker

	verbosity   atomic.Int64
	flushSecond atomic.Int64  // Unix time that the pending flush_all covers, noFlush without
	oldestMS    atomic.Int64  // of the last flush_all, for stats settings
	flushing    sync.Mutex    // a flush_all is planned or done
	limitBytes  atomic.Int64  // maxbytes, as cache_memlimit changed it
	crawls      atomic.Uint64 // crawls and dumps that began since the last `stats reset`
	dumps       atomic.Int64  // that are on their way
	ticks       atomic.Uint64 // lru_maintainer_juggles
	trackSizes  atomic.Bool
	knobs       knobs
	debugging   atomic.Bool // debugtime was used
	clock       debugClock
	prefixes    prefixStats
	baseline    baseline
	connections *connections
	trace       trace

	hashPowerMax atomic.Int64 // the largest hash_power_level that there was
}

// New returns a Server. It starts nothing.
func New(config Config, env Env) (*Server, error) {
	switch {
	case env.Store == nil:
		return nil, ErrNoStore
	case env.Loops < 1:
		return nil, ErrNoLoops
	}
	if config.ItemSizeMax == 0 {
		config.ItemSizeMax = itemSizeMax
	}
	if config.StatsPrefix == 0 {
		config.StatsPrefix = ':'
	}
	set := &config.Settings
	s := &Server{
		config:  config,
		env:     env,
		classes: classSizes(set.GrowthFactor, set.ChunkSize, set.SlabChunkMax),
		pastMS:  (env.StartedAtMS-startSlackMS)/1000*1000 + 1000,
	}
	if s.turnRequests = config.RequestsPerTurn; s.turnRequests == 0 {
		s.turnRequests = math.MaxInt
	}
	if config.Compat == Compat1618 {
		s.dialect = ascii.Old
	}
	s.verbosity.Store(int64(config.Verbosity))
	s.limitBytes.Store(set.MaxBytes)
	s.knobs.open(*set)
	s.crawlAlone(set.LRUCrawler)
	s.trackSizes.Store(set.TrackSizes)
	s.prefixes.enabled.Store(config.StatsDetail)
	s.connections = xsync.NewMapOf[int, *connection]()
	if env.Tier != nil {
		UseTier(env.Store, env.Tier, set, false)
	}
	s.trace.evictions.server = s
	s.trace.evictions.nowMS.Store(env.StartedAtMS)
	for i := range env.Loops {
		w := newWorker(s, env.Store.Handle(i))
		w.loop = i
		if d := env.Durable; d != nil {
			w.log, w.observes = d.Loop(i), d.Observes
		}
		if env.SampleKeys && !config.DumpDisabled {
			w.hot, w.hotWait = newHotKeys(i), 0
		}
		s.workers = append(s.workers, w)
	}
	if err := s.restore(env.Restored); err != nil {
		return nil, err
	}
	s.keepState()
	return s, nil
}

// Open makes the session of a new connection of a loop.
func (s *Server) Open(loop int, peer wire.Peer) wire.Session {
	return s.OpenAs(s.config.Protocol, loop, peer)
}

// OpenAs is Open for a listener that has a protocol of its own.
func (s *Server) OpenAs(protocol Protocol, loop int, peer wire.Peer) wire.Session {
	w := s.workers[loop]
	c := &session{worker: w, fd: int32(peer.FD)}
	c.speak(protocol)
	c.openAuth()
	c.enter(peer, w.seenMS)
	w.traceOpen(&c.conn.peer)
	return c
}

// Tick does a loop's periodic work: a delayed flush_all, the store's small
// steps. Call it on the loop's goroutine, at least once a second.
func (s *Server) Tick(loop int, nowMS int64) {
	now, w := s.now(nowMS), s.workers[loop]
	w.seenMS = nowMS
	s.ticks.Add(1)
	s.flushDue(now)
	w.handle.Tick(now)
	s.trace.evictions.nowMS.Store(now)
	w.traceTick()
	w.hot.tick(nowMS)
}

// worker is what the sessions of one loop share: the loop's way into the
// store, its counters, and the scratch memory of the command that runs.
type worker struct {
	counters // first: its padding keeps loops apart

	server  *Server
	loop    int
	handle  *slab.Handle
	dialect ascii.Dialect
	seenMS  int64 // the loop's time as of the last tick or turn

	// Of the turn that runs, see turn.go.
	out      *wire.Out
	now      int64
	log      Log  // nil: the store is not kept
	observes bool // log wants to know what requests see
	requests int
	work     int
	start    int
	sentAt   int  // requests left when mn had the replies sent
	flushing bool // a flush_all covers this second: nothing is present
	trace    tracer

	// Of the command that runs.
	noreply  bool
	lineLen  int // bytes of the line, with its end
	lineCap  int // capacity of the slice that began with it: capacities tell how far a part of it is in
	unread   int // bytes at the end of the line that the command gave back
	request  ascii.Request
	flags    ascii.Flags
	asked    binary.Request // by a binary session
	encoding statEncoding   // of the statistics that are asked for
	scratch  []byte

	ahead foresight

	current      *session // whose turn it is
	spareFetches []*fetching
	again        bool   // the request that runs has looked its key up before
	recacheHits  uint64 // values from the tier that might have gone back to memory

	hotWait int // keys to the next sample, see hotkeys.go
	hot     *hotKeys
}

func newWorker(s *Server, h *slab.Handle) *worker {
	return &worker{server: s, handle: h, dialect: s.dialect, seenMS: s.env.StartedAtMS, hotWait: math.MaxInt}
}

// reply answers a classic command, which noreply silences, errors too.
func (w *worker) reply(text string) progress {
	if !w.noreply {
		w.out.Buf = append(w.out.Buf, text...)
	}
	return finished
}

// say answers whatever noreply says.
func (w *worker) say(text string) progress {
	w.out.Buf = append(w.out.Buf, text...)
	return finished
}

// noteNoreply looks whether the last token is noreply.
func (w *worker) noteNoreply() { w.noreply = string(w.request.Last()) == "noreply" }

// find looks a locked key up, and counts what it did not find because of its
// age or of flush_all.
func (w *worker) find(l *slab.Locked) (slab.Item, bool) {
	it, found := l.Find(w.now)
	if found != slab.Hit || w.flushing {
		it, found = w.absent(l, it, found)
	}
	if w.observes {
		w.observe(l, it, found)
	}
	if w.trace.streams&streamFetchers != 0 {
		w.traceFetch(l.Key(), it, found)
	}
	return it, found == slab.Hit
}

// findAgain is find for a request that looks once more, of which the trace
// tells once.
func (w *worker) findAgain(l *slab.Locked) (slab.Item, slab.Lookup) {
	it, found := l.Find(w.now)
	if found != slab.Hit || w.flushing {
		it, found = w.absent(l, it, found)
	}
	if w.observes {
		w.observe(l, it, found)
	}
	return it, found
}

// absent is findAgain of what is not there, or is no more.
func (w *worker) absent(l *slab.Locked, it slab.Item, found slab.Lookup) (slab.Item, slab.Lookup) {
	switch found {
	case slab.Hit: // and flushing
		l.Remove(it)
		w.count(getFlushed)
		found = slab.Flushed
	case slab.Expired:
		w.count(getExpired)
	case slab.Flushed:
		w.count(getFlushed)
	case slab.Lost:
		w.count(getExtstore)
		w.count(missExtstore)
	}
	return slab.Item{}, found
}

// cas is an item's token as clients see it.
func (w *worker) cas(it slab.Item) uint64 {
	if w.server.config.CASDisabled {
		return 0
	}
	return it.CAS()
}

// shown is a token that the store gave, as clients see it.
func (w *worker) shown(cas uint64) uint64 {
	if w.server.config.CASDisabled {
		return 0
	}
	return cas
}
