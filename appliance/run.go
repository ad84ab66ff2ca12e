package appliance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
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
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGHUP)
	defer signal.Stop(signals)

	if exit := prepareProcess(&c); exit != nil {
		io.WriteString(stderr, exit.Stderr)
		return exit.Code
	}
	log, level := newLog(stderr, c.LogFormat, c.LogLevel)
	node, err := startNode(c, log, level)
	if err != nil {
		return reportStart(stderr, err)
	}
	if c.PIDFile != "" {
		writePIDFile(c.PIDFile, log)
	}
	node.wait(signals, stderr)
	return node.stop(signals)
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
	return n.Stop(ctx)
}

// startNode builds the node, warns of what deserves it, and makes it serve.
func startNode(c config.Config, log *slog.Logger, level *slog.LevelVar) (*Node, error) {
	for _, text := range c.Warnings {
		log.Warn(text)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	node, err := New(ctx, c, log, level)
	if err != nil {
		return nil, err
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
	switch {
	case c.Public():
		n.log.Warn("listening beyond loopback without authentication: everyone who reaches this port can read and write everything; -l 127.0.0.1 restricts it")
	case len(c.Listeners) > 0:
		n.log.Info("listening on loopback only, since there is no authentication; -l (--listen) opens it to other hosts")
	}
	for _, addr := range n.Addrs() {
		n.log.Info("serving memcache", "network", addr.Network(), "address", addr.String())
	}
	if n.admin != nil {
		n.log.Info("serving the operator", "address", n.AdminAddr().String(), "paths", "/metrics /healthz /debug/pprof/")
	}
	set := &c.Memcache.Settings
	n.log.Info("started", "version", c.Version, "pid", os.Getpid(), "config", c.File, "loops", c.Loops,
		"memory_bytes", set.MaxBytes, "evictions", set.Evictions, "connections", c.Clients, "compat", c.Memcache.Compat.Version())
}

// reportStart prints why the node did not start, as memcached does.
func reportStart(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "%v\n", err)
	if errors.Is(err, ErrListen) || errors.Is(err, ErrAdmin) {
		return config.ExitOSError
	}
	return config.ExitFailure
}

// wait returns when the node is to end. Called as memcached it says so in
// memcached's words.
func (n *Node) wait(signals <-chan os.Signal, stderr io.Writer) {
	for {
		graceful, reason := false, "the shutdown command"
		select {
		case graceful = <-n.shutdown:
		case s := <-signals:
			if s == syscall.SIGHUP {
				n.reload()
				continue
			}
			graceful, reason = s == syscall.SIGUSR1, signalName(s)
		}
		switch {
		case !n.config.AsMemcached:
			n.log.Info("stopping", "reason", reason)
		case graceful:
			io.WriteString(stderr, "Gracefully stopping\n")
		case n.config.Memcache.Verbosity > 0:
			io.WriteString(stderr, "Exiting normally\n")
		}
		return
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
func (n *Node) stop(signals <-chan os.Signal) int {
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
			return config.ExitOK
		case s := <-signals:
			if s == syscall.SIGINT || s == syscall.SIGTERM {
				cancel()
			}
		}
	}
}

// writePIDFile is -P. What goes wrong is said, and is no reason not to serve.
func writePIDFile(name string, log *slog.Logger) {
	if old, err := os.ReadFile(name); err == nil {
		pid, err := strconv.Atoi(strings.TrimSpace(string(old)))
		if err == nil && pid > 0 && syscall.Kill(pid, 0) == nil {
			log.Warn("the pid file names a process that runs", "pid", pid)
		}
	}
	if err := replaceFile(name, ".tmp", strconv.Itoa(os.Getpid())+"\n"); err != nil {
		log.Error("could not write the pid file", "error", err)
	}
}
