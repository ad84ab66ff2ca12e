package netio

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	watchedEvents  = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET
	listenerEvents = unix.EPOLLIN | unix.EPOLLET | unix.EPOLLEXCLUSIVE
	batchMax       = 256 // events taken from the kernel at once
	waitForever    = -1
)

// poller waits for events and tasks. On Linux it is ours, since gnet's yields
// to the Go scheduler after every wait that found nothing, which wakes an idle
// processor up to look for work: docs/decisions/20261124-epoll-wait.md.
type poller struct {
	epollFD int
	eventFD int // its counter is never read: the edge is all that is needed
	again   bool
	events  [batchMax]unix.EpollEvent

	mu    sync.Mutex // of tasks; what follows is touched by other goroutines
	tasks []task
	spare []task
	awake atomic.Bool // an event is on its way that will run the tasks
}

// task is what a goroutine asks a loop to do.
type task struct {
	run      func(any)
	argument any
}

func openPoller() (*poller, error) {
	p := &poller{eventFD: -1}
	var err error
	if p.epollFD, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if p.eventFD, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		p.close()
		return nil, os.NewSyscallError("eventfd", err)
	}
	if err := p.watch(p.eventFD); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *poller) close() {
	_ = unix.Close(p.epollFD)
	if p.eventFD >= 0 {
		_ = unix.Close(p.eventFD)
	}
}

// watch registers fd, edge triggered, for input.
func (p *poller) watch(fd int) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, watchedEvents)
}

// watchListener registers a listener that other loops watch too. A connection
// wakes one loop that waits; those that are busy find it in their next batch.
// Whoever was told and does not empty the backlog, says so to acceptWaits.
func (p *poller) watchListener(fd int) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, listenerEvents)
}

// unwatchListener forgets a listener that another process goes on with.
func (p *poller) unwatchListener(fd int) error { return p.control(unix.EPOLL_CTL_DEL, fd, 0) }

// wantWrite asks for an event when fd can be written, or no longer for it.
func (p *poller) wantWrite(fd int, on bool) error {
	events := uint32(watchedEvents)
	if on {
		events |= unix.EPOLLOUT
	}
	return p.control(unix.EPOLL_CTL_MOD, fd, events)
}

func (p *poller) control(operation, fd int, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: int32(fd)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.epollFD, operation, fd, &e))
}

// ready asks for a call of loop.ready behind the next batch.
func (p *poller) ready() { p.again = true }

// post has the loop run f(argument). Any goroutine may call it.
func (p *poller) post(f func(any), argument any) {
	p.mu.Lock()
	p.tasks = append(p.tasks, task{f, argument})
	p.mu.Unlock()
	if !p.awake.CompareAndSwap(false, true) {
		return
	}
	one := uint64(1)
	_, _, e := syscall.RawSyscall(unix.SYS_WRITE, uintptr(p.eventFD), uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one))
	if e != 0 {
		panic("FATAL: eventfd: " + e.Error())
	}
}

// runTasks runs what was posted until now.
func (p *poller) runTasks() {
	p.awake.Store(false)
	p.mu.Lock()
	tasks := p.tasks
	p.tasks = p.spare[:0]
	p.mu.Unlock()
	for _, t := range tasks {
		t.run(t.argument)
	}
	clear(tasks)
	p.spare = tasks
}

// run is the loop: it waits, handles a batch of events, and lets the ready list
// have its turn when it was not empty before, until l.done.
func (p *poller) run(l *loop) error {
	yield := yielding{clock: l.server.clock}
	for !l.done {
		again := p.again
		n, e := p.wait(again)
		if e != 0 && e != unix.EINTR {
			return os.NewSyscallError("epoll_wait", e)
		}
		if n > 0 {
			l.latency.batch()
		}
		for i := range n {
			event := &p.events[i]
			if fd := int(event.Fd); fd != p.eventFD {
				l.event(fd, eventsOf(event.Events))
			} else {
				p.runTasks()
			}
		}
		if again {
			p.again = false
			l.ready()
		}
		if l.watched != nil {
			l.watched.Behind()
		}
		if n > 0 && yield.due(n) {
			runtime.Gosched()
		}
	}
	return nil
}

// wait returns the number of events; it waits for one unless something is
// left to do.
func (p *poller) wait(again bool) (int, syscall.Errno) {
	events := unsafe.Pointer(&p.events)
	if again {
		n, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epollFD), uintptr(events), batchMax, 0, 0, 0)
		return countOf(n, e), e
	}
	forever := waitForever
	n, _, e := syscall.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epollFD), uintptr(events), batchMax, uintptr(forever), 0, 0)
	return countOf(n, e), e
}

func countOf(n uintptr, e syscall.Errno) int {
	if e != 0 {
		return 0
	}
	return int(n)
}

// eventsOf translates epoll's events.
func eventsOf(e uint32) (out Events) {
	if e&unix.EPOLLIN != 0 {
		out = Readable
	}
	if e&unix.EPOLLOUT != 0 {
		out |= Writable
	}
	if e&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		out |= Hangup
	}
	return out
}
