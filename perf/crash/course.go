package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pandabeardb/panda/perf/peer"
	"github.com/pandabeardb/panda/perf/verdict"
)

// course is the rounds of one check.
type course struct {
	*Options
	folder      string
	keys, depth int
	start       time.Time
	random      *rand.Rand

	server  *peer.Server
	clients []*client
	gate    sync.RWMutex // a flush_all has it alone
	dying   atomic.Bool  // the server is being killed
	flushes []flush      // of this round
	took    time.Duration

	sums struct {
		crashes, stops, recoveries, flushes, snapshots, asked int64
		requests, changes, untold                             int64
		missing, recovery                                     time.Duration // the most
	}
	snapshot string // the name of the last one that was seen
}

// flush is a flush_all: its number at each client.
type flush struct{ numbers []int }

func newCourse(o *Options, folder string) *course {
	c := &course{
		Options: o, folder: folder, keys: keysOf, depth: depthOf, start: time.Now(),
		random: rand.New(rand.NewPCG(o.Seed, 0)),
	}
	for i := range clientsOf {
		c.clients = append(c.clients, newClient(c, i))
	}
	return c
}

func (c *course) now() time.Duration { return time.Since(c.start) }

func (c *course) spec() peer.Spec {
	s := peer.Spec{
		Kind: peer.Panda, Binary: c.Panda, Threads: threads, MemoryMB: memoryMB, StartLimit: stall,
		Persist: &peer.Persist{Mode: "log", Fsync: c.Fsync, Folder: c.folder, SnapshotAfter: snapshotAfter},
		Extra:   []string{"--evictions=false"},
	}
	if c.Flash { // which wants evictions; there is room for all, so that there are none
		s.Persist.FlashMB, s.Extra = flashMB, nil
	}
	return s
}

// stopEvery is how often a round ends by SIGTERM, behind which all must be there that
// was answered, whatever is synced when.
const stopEvery = 10

func (c *course) run(ctx context.Context) (err error) {
	defer func() {
		if c.server != nil {
			c.server.Kill()
		}
		for _, l := range c.clients {
			l.close()
		}
	}()
	if err := c.launch(); err != nil {
		return err
	}
	for round := 1; round <= c.Rounds && ctx.Err() == nil; round++ {
		stops := round%stopEvery == 0
		killed, err := c.load(ctx, stops)
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		if err := c.recover(); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		if err := c.verify(round, killed, stops); err != nil {
			return err
		}
		c.logf("round %d: %d requests, recovery %v", round, c.sums.requests, c.took.Round(time.Millisecond))
	}
	server := c.server
	c.server = nil
	return errors.Join(server.Stop(), context.Cause(ctx))
}

// launch starts the server and waits until it serves.
func (c *course) launch() (err error) {
	from := time.Now()
	if c.server, err = peer.Start(c.spec()); err != nil {
		return fmt.Errorf("%w: %w", ErrServer, err)
	}
	c.took = time.Since(from)
	c.sums.recovery = max(c.sums.recovery, c.took)
	return nil
}

// load has all clients talk, for some time, and ends the server meanwhile.
func (c *course) load(ctx context.Context, stops bool) (killed time.Duration, err error) {
	c.dying.Store(false)
	c.flushes = c.flushes[:0]
	for _, l := range c.clients {
		if err := l.dial(); err != nil {
			return 0, err
		}
	}
	flusher := newClient(c, -1)
	if err := flusher.dial(); err != nil {
		return 0, err
	}
	defer flusher.close()
	errs := make(chan error, len(c.clients)+1)
	var all sync.WaitGroup
	for _, l := range c.clients {
		all.Go(func() { errs <- l.talk() })
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all.Go(func() { errs <- c.flushNowAndThen(ctx, flusher) })
	server := c.server
	all.Go(func() { c.askSnapshot(ctx, server) })
	select {
	case <-time.After(c.between(loadLeast, c.LoadMost)):
	case err = <-errs: // before its time
	}
	killed = c.now()
	err = errors.Join(err, c.end(stops && err == nil))
	cancel()
	all.Wait()
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}
	if err != nil {
		err = fmt.Errorf("%w: %w; it said: %s", ErrServer, err, server.Said())
	}
	return killed, err
}

// end ends the server, by SIGKILL or in order.
func (c *course) end(stops bool) error {
	c.dying.Store(true)
	server := c.server
	c.server = nil
	if stops {
		c.sums.stops++
		return server.Stop()
	}
	server.Kill()
	c.sums.crashes++
	return nil
}

func (c *course) between(low, high time.Duration) time.Duration {
	return low + time.Duration(c.random.Int64N(int64(max(high-low, 1))))
}

// flushEvery is the longest pause between two flush_alls.
const flushEvery = 1500 * time.Millisecond

// flushNowAndThen sends a flush_all now and then, while the clients rest.
func (c *course) flushNowAndThen(ctx context.Context, l *client) error {
	for random := rand.New(rand.NewPCG(c.Seed, uint64(c.sums.requests))); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Duration(random.Int64N(int64(flushEvery)))):
		}
		if err := c.flush(l); err != nil {
			if c.dying.Load() && !isWrong(err) {
				return nil
			}
			return fmt.Errorf("flush_all: %w", err)
		}
	}
}

// flush sends a flush_all.
func (c *course) flush(l *client) error {
	c.gate.Lock()
	defer c.gate.Unlock()
	var f flush
	for _, o := range c.clients {
		n := o.next()
		for _, e := range o.entries {
			e.become(n, &state{})
		}
		o.history.send(c.now())
		f.numbers = append(f.numbers, n)
	}
	c.flushes = append(c.flushes, f)
	l.out, l.batch = append(l.out[:0], "flush_all\r\n"...), append(l.batch[:0], request{"flush_all", -1, l.expect("OK")})
	if err := l.speak(); err != nil {
		return err
	}
	for i, o := range c.clients {
		o.history.answers = append(o.history.answers, answer{f.numbers[i], c.now()})
	}
	c.sums.flushes++
	return nil
}

// askSnapshot asks for a snapshot at some time, as an operator does.
func (c *course) askSnapshot(ctx context.Context, server *peer.Server) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(time.Duration(rand.Int64N(int64(c.LoadMost)))):
	}
	if server.Snapshot(ctx) == nil { // it may be killed meanwhile, or be taking one
		c.sums.asked++
	}
}

// recover starts the server again, after it was killed in the middle of that once or
// twice, or not.
func (c *course) recover() error {
	for range c.random.IntN(3) {
		server, err := peer.Launch(c.spec())
		if err != nil {
			return err
		}
		time.Sleep(c.between(0, c.took*5/4)) // anywhere within its start, or shortly behind it
		server.Kill()
		c.sums.recoveries++
	}
	if err := c.launch(); err != nil {
		return err
	}
	c.countSnapshots()
	return nil
}

// countSnapshots sees whether there is a new one.
func (c *course) countSnapshots() {
	names, _ := filepath.Glob(filepath.Join(c.folder, "*.snapshot"))
	if len(names) > 0 && names[len(names)-1] != c.snapshot {
		c.snapshot = names[len(names)-1]
		c.sums.snapshots++
	}
}

// report is what was done.
func (c *course) report() *verdict.Report {
	r, s := &verdict.Report{}, &c.sums
	r.Say("fsync=%s: %d crashes, %d of recoveries, %d orderly stops; %d clients of %d keys", c.Fsync, s.crashes, s.recoveries, s.stops, len(c.clients), c.keys)
	r.Say("%d requests, %d of them changes; %d flush_all; snapshots in at least %d rounds, %d asked for; slowest start %v",
		s.requests, s.changes, s.flushes, s.snapshots, s.asked, s.recovery.Round(time.Millisecond))
	r.Say("%d changes came back that no reply had told of", s.untold)
	if c.Fsync != "always" {
		r.Say("the oldest change that was told of and is missing was told %v before its crash", s.missing.Round(time.Millisecond))
	}
	return r
}
