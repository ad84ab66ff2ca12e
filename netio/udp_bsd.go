//go:build darwin || freebsd

package netio

import "golang.org/x/sys/unix"

// rawSource is a socket address.
type rawSource struct{ name unix.Sockaddr }

// sysDatagrams is what the calls for datagrams need between calls.
type sysDatagrams struct{}

// receive implements datagramHost.
func (l *loop) receive(fd int, d []datagram) int {
	for i := range d {
		g := &d[i]
		n := outcome(func() (n int, err error) {
			n, g.raw.name, err = unix.Recvfrom(fd, g.bytes, 0)
			return n, err
		})
		if n < 0 {
			if i > 0 {
				return i
			}
			return n
		}
		g.n, g.source = n, addrPortOf(g.raw.name)
	}
	return len(d)
}

// send implements datagramHost.
func (l *loop) send(fd int, f []frame) int {
	for i := range f {
		g := &f[i]
		n := outcome(func() (int, error) { return g.n, unix.Sendto(fd, g.bytes[:g.n], 0, g.to.raw.name) })
		if n < 0 {
			if i > 0 {
				return i
			}
			return n
		}
	}
	return len(f)
}

// wantSend watches a socket of datagrams for room, or no longer.
func (p *poller) wantSend(fd int, on bool) error { return p.wantWrite(fd, on) }

// unwatch ends what watch began.
func (p *poller) unwatch(fd int) error { return p.kqueue.Delete(fd) }
