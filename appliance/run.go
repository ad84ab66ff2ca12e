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
// exit code. json chooses the log's form.
func Run(c config.Config, stderr io.Writer, json bool) int {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGHUP)
	defer signal.Stop(signals)

	if exit := prepareProcess(&c); exit != nil {
		io.WriteString(stderr, exit.Stderr)
		return exit.Code
	}
	log, level := newLog(stderr, json, c.Memcache.Verbosity)
	node, profiles, err := startAll(c, log, level)
	if err != nil {
		return reportStart(stderr, err)
	}
	if profiles != nil {
		defer profiles.Close()
	}
	if c.PIDFile != "" {
		writePIDFile(c.PIDFile, log)
	}
	node.wait(signals, stderr)
	return node.stop(signals)
}

// newLog is the node's log: problems only, or more with -v.
func newLog(w io.Writer, json bool, verbosity int) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	level.Set(LogLevel(verbosity))
	options := &slog.HandlerOptions{Level: level}
	if json {
		return slog.New(slog.NewJSONHandler(w, options)), level
	}
	return slog.New(slog.NewTextHandler(w, options)), level
}

// startAll starts the node, and the profiles if they are wanted, or nothing.
func startAll(c config.Config, log *slog.Logger, level *slog.LevelVar) (*Node, *profileServer, error) {
	node, err := startNode(c, log, level)
	if err != nil || c.Pprof == "" {
		return node, nil, err
	}
	profiles, err := startProfiles(c.Pprof, log)
	if err != nil {
		return nil, nil, errors.Join(err, node.abandon())
	}
	return node, profiles, nil
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
	switch {
	case c.Public():
		log.Warn("listening beyond loopback without authentication: everyone who reaches this port can read and write everything; -l 127.0.0.1 restricts it")
	case c.Unix == nil:
		log.Info("listening on loopback only, since there is no authentication; -l (--listen) opens it to other hosts")
	}
	for _, addr := range node.Addrs() {
		log.Info("serving memcache", "network", addr.Network(), "address", addr.String())
	}
	return node, nil
}

// reportStart prints why the node did not start, as memcached does.
func reportStart(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "%v\n", err)
	if errors.Is(err, ErrListen) {
		return config.ExitOSError
	}
	return config.ExitFailure
}

// wait returns when the node is to end.
func (n *Node) wait(signals <-chan os.Signal, stderr io.Writer) {
	for {
		graceful := false
		select {
		case graceful = <-n.shutdown:
		case s := <-signals:
			if s == syscall.SIGHUP {
				n.log.Info("SIGHUP: there are no users and no certificates to read again")
				continue
			}
			graceful = s == syscall.SIGUSR1
		}
		if graceful {
			io.WriteString(stderr, "Gracefully stopping\n")
		} else if n.config.Memcache.Verbosity > 0 {
			io.WriteString(stderr, "Exiting normally\n")
		}
		return
	}
}

// stop ends the node; a second signal ends it at once.
func (n *Node) stop(signals <-chan os.Signal) int {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- n.Stop(ctx) }()
	for {
		select {
		case err := <-done:
			if err != nil {
				n.log.Info("stopped", "error", err)
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
