package peer

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Limits of waiting, generous since the machine may be busy with other work.
const (
	startLimit = 10 * time.Second
	stopLimit  = 10 * time.Second
	// dialEvery is the pause between two attempts to reach a starting server.
	dialEvery = 5 * time.Millisecond
	// portAttempts: somebody may take a free port before the server does.
	portAttempts = 3
	// logMax is how much of a server's last words an error repeats.
	logMax = 4 << 10
)

// Server is a running server.
type Server struct {
	Spec    Spec
	Network string // "tcp" or "unix"
	Address string
	PID     int
	Pprof   string      // address of its profiles by HTTP, if Spec asked for it
	TLS     *tls.Config // of its clients, if Spec asked for it

	command *exec.Cmd
	ended   chan error // gets the one result of Wait
	times   threadTimes
	log     *tail
	dir     string // of a unix socket
	group   *memoryGroup
}

// Start starts a server and waits until it accepts connections.
func Start(spec Spec) (*Server, error) {
	for attempt := 1; ; attempt++ {
		s, err := Launch(spec)
		if err == nil {
			if err = s.Reach(); err != nil {
				s.Kill()
			}
		}
		switch {
		case err == nil:
			return s, nil
		case spec.Unix || attempt == portAttempts || errors.Is(err, ErrMissing) || errors.Is(err, ErrNoGroup):
			return nil, err
		}
	}
}

// Launch starts a server and waits for nothing. Reach does; Stop or Kill ends it.
func Launch(spec Spec) (*Server, error) {
	program, err := spec.program()
	if err != nil {
		return nil, err
	}
	s := &Server{Spec: spec, times: threadTimes{}, ended: make(chan error, 1), log: &tail{}}
	argument, err := s.place()
	if err != nil {
		return nil, err
	}
	arguments := spec.arguments(argument, s.Pprof)
	if spec.TLS {
		secure, err := s.secure()
		if err != nil {
			s.clean()
			return nil, err
		}
		arguments = append(arguments, secure...)
	}
	s.command = exec.Command(program, arguments...)
	s.command.SysProcAttr = attributes()
	s.command.Stdout, s.command.Stderr = s.log, s.log
	if err := s.command.Start(); err != nil {
		s.clean()
		return nil, fmt.Errorf("%w: %s: %w", ErrStart, spec.Kind, err)
	}
	s.PID = s.command.Process.Pid
	go func() { s.ended <- s.command.Wait() }()
	if err := s.enclose(); err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

// enclose bounds the server's memory, if that is wanted.
func (s *Server) enclose() (err error) {
	if s.Spec.BoxMB == 0 {
		return nil
	}
	if s.group, err = newMemoryGroup(fmt.Sprintf("peer%d", s.PID), int64(s.Spec.BoxMB)<<20); err != nil {
		return err
	}
	return s.group.add(s.PID)
}

// place chooses the server's addresses, and returns the one of its clients as
// the server's argument has it.
func (s *Server) place() (argument string, err error) {
	if s.Spec.Pprof || s.Spec.Kind == Panda && s.Spec.Persist != nil {
		port, err := freePort()
		if err != nil {
			return "", err
		}
		s.Pprof = "127.0.0.1:" + port
	}
	if s.Spec.Unix {
		if s.dir, err = os.MkdirTemp("", "peer"); err != nil {
			return "", err
		}
		s.Network, s.Address = "unix", filepath.Join(s.dir, "socket")
		return s.Address, nil
	}
	port, err := freePort()
	s.Network, s.Address = "tcp", "127.0.0.1:"+port
	return port, err
}

// secure makes a certificate, and returns the arguments that name it.
func (s *Server) secure() (arguments []string, err error) {
	if s.dir, err = os.MkdirTemp("", "peer"); err != nil {
		return nil, err
	}
	c, err := newCertificate(s.dir)
	if err != nil {
		return nil, err
	}
	s.TLS = c.clients
	return []string{"-Z", "-o", "ssl_chain_cert=" + c.chain + ",ssl_key=" + c.key}, nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

// Reach dials until the server accepts.
func (s *Server) Reach() error {
	limit := s.Spec.StartLimit
	if limit == 0 {
		limit = startLimit
	}
	deadline := time.Now().Add(limit)
	for {
		c, err := net.DialTimeout(s.Network, s.Address, startLimit)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: %s: not reachable after %v: %s", ErrStart, s.Spec.Kind, limit, s.log)
		}
		select {
		case err := <-s.ended:
			s.ended <- err
			return fmt.Errorf("%w: %s: %v: %s", ErrStart, s.Spec.Kind, err, s.log)
		case <-time.After(dialEvery):
		}
	}
}

// Stop ends the server. It returns an error when the server had ended by
// itself or had to be killed.
func (s *Server) Stop() error { return s.StopBy(syscall.SIGTERM, stopLimit) }

// StopBy is Stop by another signal, and with so much time.
func (s *Server) StopBy(signal syscall.Signal, within time.Duration) error {
	defer s.clean()
	select {
	case err := <-s.ended:
		s.ended <- err
		return fmt.Errorf("%w: %s had ended by itself: %v: %s", ErrStop, s.Spec.Kind, err, s.log)
	default:
	}
	if err := s.command.Process.Signal(signal); err != nil {
		return fmt.Errorf("%w: %w", ErrStop, err)
	}
	select {
	case err := <-s.ended:
		// Dying of our signal is how a server without a handler ends.
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			return fmt.Errorf("%w: %w", ErrStop, err)
		}
		return nil
	case <-time.After(within):
		s.kill()
		return fmt.Errorf("%w: %s ignored %v for %v", ErrStop, s.Spec.Kind, signal, within)
	}
}

// Kill ends the server as a crash does, by SIGKILL, and waits until it is gone.
func (s *Server) Kill() {
	s.kill()
	s.clean()
}

// Said is the last of what the server printed.
func (s *Server) Said() string { return s.log.String() }

func (s *Server) kill() {
	_ = s.command.Process.Kill() // it may have ended meanwhile
	err := <-s.ended
	s.ended <- err
}

func (s *Server) clean() {
	if s.dir != "" {
		os.RemoveAll(s.dir)
	}
	if s.group != nil {
		s.group.remove()
	}
}

// tail keeps the last words of a server. The goroutine of exec writes it, an
// error may show it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if drop := len(t.b) - logMax; drop > 0 {
		t.b = append(t.b[:0], t.b[drop:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b))
}
