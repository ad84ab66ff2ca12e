//go:build darwin || freebsd

package netio

import (
	"os"
	"syscall"

	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"
)

// sysState is what system calls of a loop need between calls.
type sysState struct{}

// eventsOf translates kqueue's events.
func eventsOf(e netpoll.IOEvent, flags netpoll.IOFlags) (out Events) {
	switch e {
	case unix.EVFILT_READ:
		out = Readable
	case unix.EVFILT_WRITE:
		out = Writable
	}
	if flags&(unix.EV_EOF|unix.EV_ERROR) != 0 {
		out |= Hangup
	}
	return out
}

// Read implements Host.
func (l *loop) Read(fd int, p []byte) int {
	return outcome(func() (int, error) { return unix.Read(fd, p) })
}

// ReadVectors implements Host.
func (l *loop) ReadVectors(fd int, v [][]byte) int {
	total := 0
	for _, p := range v {
		n := l.Read(fd, p)
		if n <= 0 && total == 0 {
			return n
		}
		total += max(n, 0) // an end or an error shows again
		if n < len(p) {
			break
		}
	}
	return total
}

// Write implements Host.
func (l *loop) Write(fd int, p []byte) int { return writeFD(fd, p) }

func writeFD(fd int, p []byte) int {
	return outcome(func() (int, error) { return unix.Write(fd, p) })
}

// WriteVectors implements Host.
func (l *loop) WriteVectors(fd int, v [][]byte) int {
	total := 0
	for _, p := range v {
		n := writeFD(fd, p)
		if n < 0 && total == 0 {
			return n
		}
		total += max(n, 0)
		if n < len(p) {
			break
		}
	}
	return total
}

func outcome(f func() (int, error)) int {
	for {
		n, err := f()
		switch err {
		case nil:
			return n
		case unix.EAGAIN:
			return Again
		case unix.EINTR:
		default:
			return Broken
		}
	}
}

func unixSocket() (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return -1, os.NewSyscallError("fcntl", err)
	}
	return fd, nil
}

// signal makes the loop's poller come back to it: a pipe.
type signal struct{ pipe [2]int }

func (s *signal) open() error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(s.pipe[:]); err != nil {
		return os.NewSyscallError("pipe", err)
	}
	for _, fd := range s.pipe {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			s.close()
			return os.NewSyscallError("fcntl", err)
		}
	}
	return nil
}

func (s *signal) fd() int { return s.pipe[0] }

func (s *signal) raise() {
	_, _ = unix.Write(s.pipe[1], []byte{1}) // a full pipe says it as well
}

func (s *signal) lower() {
	var b [64]byte
	for {
		if n, err := unix.Read(s.pipe[0], b[:]); err != nil || n < len(b) {
			return
		}
	}
}

func (s *signal) close() {
	_ = unix.Close(s.pipe[0])
	_ = unix.Close(s.pipe[1])
}
