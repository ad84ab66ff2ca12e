package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// eventsMax is how many ready sockets one wait reports.
const eventsMax = 128

// timerID is the id of the poller's own timer among the ids of connections.
const timerID = -1

// poller is an edge-triggered epoll with a timer of nanoseconds (epoll_wait
// itself knows only milliseconds, Go's own timers no better).
type poller struct {
	epoll, timer int
	events       [eventsMax]unix.EpollEvent
}

func newPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		unix.Close(epoll)
		return nil, err
	}
	p := &poller{epoll: epoll, timer: timer}
	if err := p.add(timer, timerID); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *poller) add(fd, id int) error {
	return unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLET, Fd: int32(id),
	})
}

// wait returns the number of ready events, 0 after the timeout.
func (p *poller) wait(timeout time.Duration) (int, error) {
	n, err := unix.EpollWait(p.epoll, p.events[:], int(timeout/time.Millisecond))
	if err == unix.EINTR {
		return 0, nil
	}
	return n, err
}

// ready describes event i of the last wait.
func (p *poller) ready(i int) (id int, readable, writable bool) {
	e := &p.events[i]
	const in = unix.EPOLLIN | unix.EPOLLERR | unix.EPOLLHUP
	return int(e.Fd), e.Events&in != 0, e.Events&unix.EPOLLOUT != 0
}

// wake makes a wait end after d, once.
func (p *poller) wake(d time.Duration) error {
	return unix.TimerfdSettime(p.timer, 0, &unix.ItimerSpec{
		Value: unix.NsecToTimespec(max(int64(d), 1)),
	}, nil)
}

func (p *poller) close() {
	unix.Close(p.timer)
	unix.Close(p.epoll)
}
