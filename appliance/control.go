package appliance

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

// controlTimeout is how long who asks for an upgrade may take to say so, and to
// take a line.
const controlTimeout = 2 * time.Second

// controlPrefix and a process id are the address at which a node can be asked
// for an upgrade: an abstract unix socket, which is no file and ends with the process.
const controlPrefix = "@panda/upgrade/"

// control is where a node is asked for an upgrade. Only root and the node's own
// user are heard: they can have its memory in any case. A nil one hears nobody.
type control struct {
	requests chan upgradeRequest
	listener net.Listener // nil: only SIGUSR2
	log      *slog.Logger
	serving  sync.WaitGroup
}

// listenControl opens it, where the system has such sockets. A name that is
// taken, by a process of another container with the same id, leaves SIGUSR2.
func listenControl(log *slog.Logger) *control {
	c := &control{requests: make(chan upgradeRequest, 1), log: log}
	if !peersKnown {
		return c
	}
	l, err := net.Listen("unix", controlPrefix+strconv.Itoa(os.Getpid()))
	if err != nil {
		log.Info("panda upgrade will not find this process; SIGUSR2 does it", "error", err)
		return c
	}
	c.listener = l
	c.serving.Go(c.serve)
	return c
}

// requested delivers requests, one at a time.
func (c *control) requested() <-chan upgradeRequest {
	if c == nil {
		return nil
	}
	return c.requests
}

// request is SIGUSR2's.
func (c *control) request(r upgradeRequest) {
	select {
	case c.requests <- r:
	default: // one is waiting already
	}
}

// serve hears one after the other.
func (c *control) serve() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return
		}
		c.hear(conn.(*net.UnixConn))
	}
}

// hear takes a request. The connection then is the request's, to be told.
func (c *control) hear(conn *net.UnixConn) {
	conn.SetDeadline(time.Now().Add(controlTimeout))
	out := json.NewEncoder(conn)
	uid, _, err := peerOf(conn)
	if err == nil && uid != 0 && uid != os.Geteuid() {
		err = fmt.Errorf("user %d may not: only root and user %d", uid, os.Geteuid())
	}
	var r upgradeRequest
	if err == nil {
		err = json.NewDecoder(io.LimitReader(conn, 64<<10)).Decode(&r)
	}
	if err != nil {
		c.log.Warn("a request for an upgrade was refused", "error", err)
		out.Encode(upgradeReply{Error: err.Error()})
		conn.Close()
		return
	}
	r.reply = func(reply upgradeReply) {
		conn.SetDeadline(time.Now().Add(controlTimeout))
		out.Encode(reply)
		if reply.Step == "" {
			conn.Close()
		}
	}
	select {
	case c.requests <- r:
	default:
		r.tell(upgradeReply{Error: "another upgrade is asked for already"})
	}
}

// close ends it. Who waits for an answer sees the end of the connection.
func (c *control) close() {
	if c != nil && c.listener != nil {
		c.listener.Close()
		c.serving.Wait()
	}
}
