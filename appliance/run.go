package appliance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pandabeardb/panda/appliance/config"
)

const (
	// startTimeout bounds looking up the names of -l.
	startTimeout = 10 * time.Second

	// stopTimeout is how long a stop waits for clients to take their replies.
	// Start scripts wait longer than that before they kill.
	stopTimeout = 3 * time.Second
)

// Run serves until a signal or the shutdown command ends it, and returns the
// exit code.
func Run(c config.Config, stderr io.Writer) int {
	l, err := readLaunch()
	if err != nil {
		fmt.Fprintf(stderr, "panda: %v\n", err)
		return config.ExitOSError
	}
	if c.Daemon && l.parent == nil && !l.anew {
		return l.daemonize(stderr)
	}
	p := &process{config: c, launch: l, stderr: stderr, signals: make(chan os.Signal, 4)}
	if l.waiting != 0 {
		p.signals <- l.waiting
	}
	signal.Ignore(syscall.SIGPIPE) // of a log that nobody reads any more
	signal.Notify(p.signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGHUP)
	defer signal.Stop(p.signals)
	if code, err := p.start(); err != nil {
		fmt.Fprintln(stderr, err)
		l.parent.failed(err)
		return code
	}
	return p.serve()
}

// process is a node, and what is its process's.
type process struct {
	config  config.Config
	launch  *launch
	node    *Node
	log     *slog.Logger
	stderr  io.Writer
	signals chan os.Signal
	control *control // nil: none
	failed  error    // why the node ends although nobody asked it to; nil: somebody did
}

// start makes the process serve. Its error is for the user, the code for who waits.
func (p *process) start() (code int, err error) {
	c := &p.config
	if err := findDataFolder(c); err != nil {
		return config.ExitOSError, err
	}
	if exit := prepareProcess(c); exit != nil {
		return exit.Code, errors.New(strings.TrimSuffix(exit.Stderr, "\n"))
	}
	if err := leaveFolder(c); err != nil {
		return config.ExitFailure, err
	}
	var level *slog.LevelVar
	p.log, level = newLog(p.stderr, c.LogFormat, c.LogLevel)
	for _, text := range c.Warnings {
		p.complain(text, text)
	}
	if err := p.awaitMemory(); err != nil {
		return config.ExitFailure, err
	}
	p.node, err = startNode(*c, p.log, level, p.launch)
	if err != nil {
		return startCode(err), err
	}
	p.writePortFile()
	p.writePIDFile()
	p.served()
	return 0, nil
}

// served tells everybody who waits for it that clients are served.
func (p *process) served() {
	l := p.launch
	p.control = listenControl(p.log)
	l.parent.say(sayServing)
	if l.parent.inUpgrade() {
		l.parent.await(sayMain)
	}
	l.manager.ready("serving memcache", p.node.pulse)
	l.parent.close()
	detach(&p.config)
}

// serve waits for the end, and returns the exit code.
func (p *process) serve() int {
	defer p.control.close()
	defer p.launch.manager.close()
	if handedOver := p.wait(); handedOver {
		return config.ExitOK
	}
	p.launch.manager.tell("STOPPING=1")
	code := p.stop()
	p.removePIDFile()
	return code
}

// complain tells of what is no reason not to serve: called as memcached, by
// memcached's sentence.
func (p *process) complain(sentence, message string, args ...any) {
	if p.config.AsMemcached {
		fmt.Fprintln(p.stderr, sentence)
		return
	}
	p.log.Warn(message, args...)
}

// newLog is the node's log: what level and format say.
func newLog(w io.Writer, format string, at slog.Level) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	level.Set(at)
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options)), level
	}
	return slog.New(slog.NewTextHandler(w, options)), level
}

// abandon stops a node that will not serve.
func (n *Node) abandon() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	n.putBackAtEnd()
	return n.Stop(ctx)
}

// startNode builds the node, and makes it serve.
func startNode(c config.Config, log *slog.Logger, level *slog.LevelVar, l *launch) (*Node, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	node, err := newNode(ctx, c, log, level, l.sockets)
	if err != nil {
		return nil, err
	}
	l.sockets.closeRest(log)
	if l.parent.inUpgrade() {
		l.parent.say(sayReady)
		if !l.parent.await(sayGo) {
			return nil, errors.Join(errAbandoned, node.abandon())
		}
	}
	if err := node.Start(); err != nil {
		return nil, errors.Join(err, node.abandon())
	}
	node.logStart()
	return node, nil
}

// logStart says what was started, and where it can be reached.
func (n *Node) logStart() {
	c := &n.config
	warnMemory(n.log, c.Memcache.Settings.MaxBytes, memoryBounds())
	if !c.Authenticated() { // else openCredentials says so
		n.logReach()
	}
	for _, addr := range n.Addrs() {
		n.log.Info("serving memcache", "network", addr.Network(), "address", addr.String())
	}
	if n.admin != nil {
		n.log.Info("serving the operator", "address", n.AdminAddr().String(), "paths", "/metrics /status /snapshot /healthz /debug/pprof/")
	}
	set := &c.Memcache.Settings
	n.log.Info("started", "version", c.Version, "pid", os.Getpid(), "config", c.File, "loops", c.Loops,
		"memory_bytes", set.MaxBytes, "evictions", set.Evictions, "connections", c.Clients, "compat", c.Memcache.Compat.Version())
}

// startCode is the exit code of a node that did not start, memcached's.
func startCode(err error) int {
	switch {
	case errors.Is(err, ErrListen), errors.Is(err, ErrAdmin):
		return config.ExitOSError
	case errors.Is(err, ErrTLS):
		return config.ExitUsage
	}
	return config.ExitFailure
}

// wait returns when the node is to end, or has handed over to another process.
func (p *process) wait() (handedOver bool) {
	for {
		graceful, reason := false, "the shutdown command"
		select {
		case graceful = <-p.node.shutdown:
		case <-p.node.persistFailed():
			p.failed = p.node.keyspace.Err()
			p.log.Error("[persist] the keyspace cannot be kept any more, and the node ends: replies that wait for the disk are not given", "error", p.failed)
			return false
		case r := <-p.control.requested():
			s, over := p.upgrade(r)
			if s == nil {
				if over {
					return true
				}
				continue
			}
			graceful, reason = s == syscall.SIGUSR1, signalName(s)
		case s := <-p.signals:
			switch s {
			case syscall.SIGHUP:
				p.launch.manager.reloading(p.node.reload)
				continue
			case syscall.SIGUSR2:
				p.control.request(upgradeRequest{})
				continue
			}
			graceful, reason = s == syscall.SIGUSR1, signalName(s)
		}
		if graceful {
			p.node.saveAtEnd()
		}
		p.sayStop(graceful, reason)
		return false
	}
}

// sayStop says why the node ends; called as memcached, in memcached's words.
func (p *process) sayStop(graceful bool, reason string) {
	switch {
	case !p.config.AsMemcached:
		p.log.Info("stopping", "reason", reason)
	case graceful:
		io.WriteString(p.stderr, "Gracefully stopping\n")
	case p.config.Memcache.Verbosity > 0:
		io.WriteString(p.stderr, "Exiting normally\n")
	}
}

// signalName is a signal as operators call it.
func signalName(s os.Signal) string {
	if number, ok := s.(syscall.Signal); ok {
		return unix.SignalName(number)
	}
	return s.String()
}

// stop ends the node; a second signal ends it at once.
func (p *process) stop() int {
	n := p.node
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	items, transport := n.store.Stats().Items, n.net.Transport()
	done := make(chan error, 1)
	go func() { done <- n.Stop(ctx) }()
	for {
		select {
		case err := <-done:
			switch {
			case err != nil && n.config.AsMemcached: // which says nothing of it
				n.log.Info("stopped", "error", err)
			case err != nil:
				n.log.Warn("the stop was not in order", "error", err)
			}
			if !n.config.AsMemcached {
				n.log.Info("stopped", "uptime", time.Since(n.started).Round(time.Millisecond).String(), "items", items,
					"connections", transport.CurrentConnections, "connections_total", transport.TotalConnections)
			}
			if errors.Is(err, ErrSave) || errors.Is(err, ErrPersist) || p.failed != nil {
				return config.ExitFailure
			}
			return config.ExitOK
		case s := <-p.signals:
			if s == syscall.SIGINT || s == syscall.SIGTERM {
				cancel()
			}
		}
	}
}
