//go:build linux || darwin || freebsd

package netio

import "golang.org/x/sys/unix"

// CloseWrite implements Host.
func (l *loop) CloseWrite(fd int) {
	_ = unix.Shutdown(fd, unix.SHUT_WR) // the peer may be gone, which is as well
}

// closeFD closes; pollers forget a closed descriptor by themselves.
func closeFD(fd int) { _ = unix.Close(fd) }
