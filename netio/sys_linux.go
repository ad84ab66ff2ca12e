package netio

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// System calls on sockets are made without telling the Go scheduler. They do
// not block; what they take is the copying, 0.1 ms for the 1 MiB that a read or
// a reply moves at a time. Told of it, the runtime's monitor wakes up every 20 µs
// as long as calls of that length go on: with values of 500 KB that was 2,350
// times a second, and every third change of thread.

// sysState is what system calls of a loop need between calls.
type sysState struct {
	vectors [vectorsMax]unix.Iovec
	message unix.Msghdr
}

// Read implements Host.
func (l *loop) Read(fd int, p []byte) int {
	for {
		n, _, e := syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		if e == 0 {
			return int(n)
		}
		if e != unix.EINTR {
			return failure(e)
		}
	}
}

// ReadVectors implements Host.
func (l *loop) ReadVectors(fd int, v [][]byte) int {
	vectors := l.sys.vectors[:len(v)]
	for i, p := range v {
		vectors[i].Base = unsafe.SliceData(p)
		vectors[i].SetLen(len(p))
	}
	defer clear(vectors)
	for {
		n, _, e := syscall.RawSyscall(unix.SYS_READV, uintptr(fd), uintptr(unsafe.Pointer(&vectors[0])), uintptr(len(vectors)))
		if e == 0 {
			return int(n)
		}
		if e != unix.EINTR {
			return failure(e)
		}
	}
}

// Write implements Host.
func (l *loop) Write(fd int, p []byte) int { return writeFD(fd, p) }

// writeFD sends without SIGPIPE: a signal for every peer that is gone would
// cost more than the error.
func writeFD(fd int, p []byte) int {
	for {
		n, _, e := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
		if e == 0 {
			return int(n)
		}
		if e != unix.EINTR {
			return failure(e)
		}
	}
}

// WriteVectors implements Host.
func (l *loop) WriteVectors(fd int, v [][]byte) int {
	vectors := l.sys.vectors[:len(v)]
	for i, p := range v {
		vectors[i].Base = unsafe.SliceData(p)
		vectors[i].SetLen(len(p))
	}
	m := &l.sys.message
	m.Iov = &vectors[0]
	m.SetIovlen(len(vectors))
	defer clear(vectors)
	for {
		n, _, e := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(m)), unix.MSG_NOSIGNAL)
		if e == 0 {
			return int(n)
		}
		if e != unix.EINTR {
			return failure(e)
		}
	}
}

func failure(e syscall.Errno) int {
	if e == unix.EAGAIN {
		return Again
	}
	return Broken
}

func unixSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	return fd, os.NewSyscallError("socket", err)
}
