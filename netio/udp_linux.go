package netio

import (
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawSource is a socket address as the kernel wrote it.
type rawSource struct {
	name unix.RawSockaddrInet6 // or a RawSockaddrInet4, which is shorter
	n    uint32
}

// sysDatagrams is what the calls for datagrams need between calls.
type sysDatagrams struct {
	messages [max(datagramsMax, framesMax)]unix.Mmsghdr
	vectors  [max(datagramsMax, framesMax)]unix.Iovec
}

func (y *sysDatagrams) put(i int, bytes []byte, raw *rawSource) {
	v, h := &y.vectors[i], &y.messages[i].Hdr
	v.Base = unsafe.SliceData(bytes)
	v.SetLen(len(bytes))
	h.Iov = v
	h.SetIovlen(1)
	h.Name = (*byte)(unsafe.Pointer(&raw.name))
	h.Namelen = raw.n
}

// receive implements datagramHost.
func (l *loop) receive(fd int, d []datagram) int {
	y := l.sysDatagrams
	for i := range d {
		d[i].raw.n = uint32(unsafe.Sizeof(d[i].raw.name))
		y.put(i, d[i].bytes, &d[i].raw)
	}
	n := y.call(unix.SYS_RECVMMSG, fd, len(d))
	for i := range max(n, 0) {
		g := &d[i]
		g.n = int(y.messages[i].Len)
		g.raw.n = y.messages[i].Hdr.Namelen
		g.source = g.raw.addrPort()
	}
	return n
}

// send implements datagramHost.
func (l *loop) send(fd int, f []frame) int {
	y := l.sysDatagrams
	for i := range f {
		y.put(i, f[i].bytes[:f[i].n], &f[i].to.raw)
	}
	return y.call(unix.SYS_SENDMMSG, fd, len(f))
}

func (y *sysDatagrams) call(number uintptr, fd, count int) int {
	for {
		n, _, e := syscall.RawSyscall6(number, uintptr(fd), uintptr(unsafe.Pointer(&y.messages)), uintptr(count), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if e == 0 {
			return int(n)
		}
		if e != unix.EINTR {
			return failure(e)
		}
	}
}

// addrPort is the source, the zero value when it is no IP address.
func (r *rawSource) addrPort() netip.AddrPort {
	port := (*[2]byte)(unsafe.Pointer(&r.name.Port)) // big endian; at one place in both
	p := uint16(port[0])<<8 | uint16(port[1])
	switch r.name.Family {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&r.name)).Addr), p)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16(r.name.Addr), p)
	}
	return netip.AddrPort{}
}

// wantSend watches a socket of datagrams for room, or no longer: it was
// registered to wake one loop that waits, which epoll does not change in place.
func (p *poller) wantSend(fd int, on bool) error {
	events := uint32(listenerEvents)
	if on {
		events = watchedEvents | unix.EPOLLOUT
	}
	if err := p.unwatch(fd); err != nil {
		return err
	}
	return p.control(unix.EPOLL_CTL_ADD, fd, events)
}

// unwatch ends what watch and watchListener began.
func (p *poller) unwatch(fd int) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.epollFD, unix.EPOLL_CTL_DEL, fd, nil))
}
