package appliance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/pandabeardb/panda/appliance/admin"
	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/disk/keyspace"
	"github.com/pandabeardb/panda/disk/tier"
	"github.com/pandabeardb/panda/netio"
	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache"
)

const (
	// tickEvery is how often each loop does its periodic work. Expiry is exact
	// without it; a tenth of a second keeps the steps of the store's background
	// work small and a delayed flush_all close to its time.
	tickEvery = 100 * time.Millisecond

	// reject is what connections over the limit get, memcached's bytes.
	reject = "ERROR Too many open connections\r\n"
)

// A Node is an assembled server: a store, its protocols, and the loops.
type Node struct {
	config   config.Config
	log      *slog.Logger
	level    *slog.LevelVar
	store    *slab.Store        // nil behind its end
	keyspace *keyspace.Keyspace // nil: nothing is kept
	passing  atomic.Pointer[passer]
	memcache *memcache.Server
	tier     *tier.Tier // nil: none
	tierMark string     // what the tier was closed with, for the next process
	heldMark string     // what restoredMark was
	waking   waking
	net      *netio.Server
	tls      *certificates
	addrs    []net.Addr
	reach    reach // of all of them
	auth     authentication
	cluster  string        // this node, for `config get cluster`
	shutdown chan bool     // the shutdown command: true is graceful
	admin    *admin.Server // nil without an admin address
	started  time.Time
	pulse    *pulse
	saves    bool        // see saveAtEnd
	given    inheritance // sockets that the process was started with

	adminSocket *givenSocket // the operator's port, for the next process
}

// New builds a node and binds its addresses; Start makes it serve. level is
// the log's, which the verbosity command changes; nil: nothing changes.
func New(ctx context.Context, c config.Config, log *slog.Logger, level *slog.LevelVar) (*Node, error) {
	return newNode(ctx, c, log, level, nil)
}

// newNode is New, with sockets that are bound already.
func newNode(ctx context.Context, c config.Config, log *slog.Logger, level *slog.LevelVar, given inheritance) (*Node, error) {
	chooseLoops(&c)
	n := &Node{config: c, log: log, level: level, shutdown: make(chan bool, 1), pulse: newPulse(c.Loops), given: given}
	startedMS := time.Now().UnixMilli()
	var err error
	if n.tls, err = loadCertificates(&c); err != nil {
		return nil, err
	}
	if err := n.openStore(startedMS); err != nil {
		return nil, err
	}
	err = n.openTier()
	if err == nil {
		err = n.openKeyspace()
	}
	if err == nil {
		err = n.assemble(ctx, startedMS)
	}
	if err != nil {
		n.putBackAtEnd()
		return nil, errors.Join(err, n.closeStore())
	}
	return n, nil
}

// assemble puts protocols on the store and loops under the protocols.
func (n *Node) assemble(ctx context.Context, startedMS int64) error {
	c := &n.config
	var err error
	n.net, err = netio.New(netio.Config{
		Loops:        c.Loops,
		MaxConns:     c.Clients,
		MaxConnsFast: c.Memcache.Settings.MaxConnsFast,
		Reject:       []byte(reject),
		IdleTimeout:  c.IdleAfter,
		TickEvery:    tickEvery,
		Tick:         n.tick,
		Log:          n.log,
		Barrier:      n.barrier(),
		BeganToWait:  n.beganToWait, // never without a barrier
	})
	if err != nil {
		return err
	}
	server := passer(n.net)
	n.passing.Store(&server)
	env := memcache.Env{
		Store:        n.store,
		Loops:        c.Loops,
		Transport:    n.net.Transport,
		Listeners:    n.net.Listeners,
		Wake:         n.wake,
		Shutdown:     n.requestShutdown,
		ClusterNodes: n.clusterNodes(),
		SetVerbosity: n.setVerbosity,
		Certificates: n.refresher(),
		SampleKeys:   c.Admin != "",
		Tier:         n.tier,
		Restored:     n.keptState(),
		Durable:      n.durability(),
		StartedAtMS:  startedMS,
		PID:          os.Getpid(),
	}
	if err = n.openCredentials(&env); err == nil {
		n.memcache, err = memcache.New(c.Memcache, env)
	}
	if err == nil {
		err = n.watchTier()
	}
	if err == nil {
		err = n.listen(ctx)
	}
	if err == nil {
		err = n.listenAdmin()
	}
	if err != nil {
		n.net.Stop(ctx)
	}
	return err
}

// tick is each loop's, ten times a second.
func (n *Node) tick(loop int, nowMS int64) {
	n.pulse.tick(loop)
	n.memcache.Tick(loop, nowMS)
	if loop == 0 && n.tier != nil {
		n.tier.Tick()
	}
}

// Start makes the node serve.
func (n *Node) Start() error {
	n.started = time.Now()
	n.pulse.begin()
	if err := n.net.Start(); err != nil {
		return err
	}
	if n.admin != nil {
		n.admin.Start()
	}
	return nil
}

// Stop ends the node in order: what was read is answered, output is flushed,
// connections are closed, as long as ctx allows; then the memory is given back.
// The admin port says so meanwhile, and ends last.
func (n *Node) Stop(ctx context.Context) error { return n.end(ctx, n.net.Stop) }

// end is Stop, and Leave: they differ in what becomes of the listeners.
func (n *Node) end(ctx context.Context, endLoops func(context.Context) error) error {
	n.pulse.rest()
	n.stopWaking()
	if n.admin != nil {
		n.admin.Detach()
	}
	err := endLoops(ctx)
	if err != nil {
		err = fmt.Errorf("connections were cut: %w", err)
	}
	err = errors.Join(err, n.closeStore())
	if n.admin != nil {
		err = errors.Join(err, n.admin.Close())
	}
	return err
}

// Addrs are the addresses that are listened on.
func (n *Node) Addrs() []net.Addr { return n.addrs }

// ShutdownRequested delivers what the shutdown command asked for: true is graceful.
func (n *Node) ShutdownRequested() <-chan bool { return n.shutdown }

// requestShutdown is called on a loop: it must not wait.
func (n *Node) requestShutdown(graceful bool) {
	select {
	case n.shutdown <- graceful:
	default: // one request is enough
	}
}

// openAs returns what makes the sessions of a listener's connections.
func (n *Node) openAs(p memcache.Protocol) func(loop int, peer wire.Peer) wire.Session {
	return func(loop int, peer wire.Peer) wire.Session { return n.memcache.OpenAs(p, loop, peer) }
}

// setVerbosity is the verbosity command, and -v.
func (n *Node) setVerbosity(v int) {
	if n.level != nil {
		n.level.Set(config.LogLevel(v))
	}
}
