package peer

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Kind is a server that we know how to start.
type Kind string

// The kinds. The name is also what reports call the server.
const (
	Memcached Kind = "memcached"
	Panda     Kind = "panda"
	Floor     Kind = "floor"
	Redis     Kind = "redis"
)

// Spec says which server to start.
type Spec struct {
	Kind      Kind
	Binary    string // Memcached, Redis: default from PATH; Panda, Floor: required
	Threads   int    // -t; the floor has one
	MemoryMB  int    // -m, default 64 as memcached's
	Unix      bool   // a unix socket instead of a port
	TLS       bool   // of the port, with a certificate of our own: Server.TLS
	UDP       bool   // at the same port, too
	ValueSize int    // what the floor answers with
	Pprof     bool   // Panda: serve profiles, see Server.Pprof
	// Persist is what Panda and Redis keep; nil: nothing. With it panda is started
	// under its own name, and always serves profiles.
	Persist *Persist
	Extra   []string
	// BoxMB bounds the server's memory and the page cache of its files together, by a control
	// group; 0: nothing does. ErrNoGroup: there are none here.
	BoxMB int
	// StartLimit is how long the server may take until it answers; 0: 10 s.
	StartLimit time.Duration
}

// arguments returns the server's arguments for an address, which is a port or
// a socket's path.
func (s *Spec) arguments(address, pprof string) []string {
	switch {
	case s.Kind == Floor:
		return []string{address, strconv.Itoa(s.ValueSize)}
	case s.Kind == Redis:
		return s.redisArguments(address)
	case s.Persist != nil:
		return s.serveArguments(address, pprof)
	}
	var a []string
	if s.Kind == Panda {
		a = append(a, "memcached")
	}
	if s.Unix {
		a = append(a, "-s", address)
	} else {
		a = append(a, "-l", "127.0.0.1", "-p", address)
	}
	udp := "0"
	if s.UDP {
		udp = address
	}
	a = append(a, "-U", udp, "-t", strconv.Itoa(max(s.Threads, 1)))
	a = append(a, "-m", strconv.Itoa(max(s.MemoryMB, 64)))
	if os.Geteuid() == 0 {
		a = append(a, "-u", "root")
	}
	if pprof != "" {
		a = append(a, "-o", "panda_pprof="+pprof)
	}
	return append(a, s.Extra...)
}

// program returns the file to run.
func (s *Spec) program() (string, error) {
	name := s.Binary
	switch {
	case name == "" && s.Kind == Memcached:
		name = string(Memcached)
	case name == "" && s.Kind == Redis:
		name = "redis-server"
	}
	if name == "" {
		return "", fmt.Errorf("%w: no binary given for %s", ErrMissing, s.Kind)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%w: %s", ErrMissing, name)
	}
	return path, nil
}

// Version returns what a memcached, redis or panda binary says it is, in one line.
func (s *Spec) Version() (string, error) {
	if s.Kind == Floor {
		return string(Floor), nil
	}
	program, err := s.program()
	if err != nil {
		return "", err
	}
	args := []string{"-V"}
	switch s.Kind {
	case Panda:
		args = []string{"memcached", "-V"}
	case Redis:
		args = []string{"--version"}
	}
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", s.Kind, args[len(args)-1], err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line, nil
}
