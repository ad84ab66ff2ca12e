//go:build darwin || freebsd

package netio

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// sysState is what system calls of a loop need between calls.
type sysState struct{}

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
