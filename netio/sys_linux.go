package netio

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawMax is the size up to which bytes are moved without telling the Go
// scheduler of the system call. The sockets do not block; what a call takes is
// the copying, below 20 µs for so many bytes, and the kernel's work on packets.
const rawMax = 64 << 10

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
		n, _, e := syscall.Syscall(unix.SYS_READV, uintptr(fd), uintptr(unsafe.Pointer(&vectors[0])), uintptr(len(vectors)))
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
		var n uintptr
		var e syscall.Errno
		if len(p) <= rawMax {
			n, _, e = syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
		} else {
			n, _, e = syscall.Syscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
		}
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
		n, _, e := syscall.Syscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(m)), unix.MSG_NOSIGNAL)
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
