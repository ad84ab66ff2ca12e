//go:build darwin || freebsd

package netio

import (
	"os"
	"syscall"

	errorx "github.com/panjf2000/gnet/v2/pkg/errors"
	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"github.com/panjf2000/gnet/v2/pkg/queue"
	"golang.org/x/sys/unix"
)

// poller waits for events and tasks: gnet's kqueue, with a pipe that brings it
// back to the ready list, since it has no hook behind a batch, and runs what
// is posted from a task before it looks at sockets again.
type poller struct {
	kqueue *netpoll.Poller
	pipe   [2]int
	loop   *loop // set by run, before any task runs
}

func openPoller() (*poller, error) {
	k, err := netpoll.OpenPoller()
	if err != nil {
		return nil, err
	}
	p := &poller{kqueue: k}
	if err := p.openPipe(); err != nil {
		_ = k.Close()
		return nil, err
	}
	if err := p.watch(p.pipe[0]); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *poller) openPipe() error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(p.pipe[:]); err != nil {
		return os.NewSyscallError("pipe", err)
	}
	for _, fd := range p.pipe {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			_ = unix.Close(p.pipe[0])
			_ = unix.Close(p.pipe[1])
			return os.NewSyscallError("fcntl", err)
		}
	}
	return nil
}

func (p *poller) close() {
	_ = p.kqueue.Close()
	_ = unix.Close(p.pipe[0])
	_ = unix.Close(p.pipe[1])
}

// watchListener registers a listener. All loops hear of a connection: kqueue
// has no way to wake one.
func (p *poller) watchListener(fd int) error { return p.watch(fd) }

// unwatchListener forgets a listener that another process goes on with.
func (p *poller) unwatchListener(fd int) error { return p.kqueue.Delete(fd) }

// watch registers fd, edge triggered, for input.
func (p *poller) watch(fd int) error {
	return p.kqueue.AddRead(&netpoll.PollAttachment{FD: fd}, true)
}

// wantWrite asks for an event when fd can be written, or no longer for it.
func (p *poller) wantWrite(fd int, on bool) error {
	a := netpoll.PollAttachment{FD: fd}
	if on {
		return p.kqueue.ModReadWrite(&a, true)
	}
	return p.kqueue.ModRead(&a, true)
}

// ready asks for a call of loop.ready behind this batch.
func (p *poller) ready() {
	_, _ = unix.Write(p.pipe[1], []byte{1}) // a full pipe says it as well
}

// post has the loop run f(argument). Any goroutine may call it. Polling looks
// at the end of the loop only where it is told: a task may be what ends it.
func (p *poller) post(f func(any), argument any) {
	run := func(any) error {
		f(argument)
		return p.end()
	}
	if err := p.kqueue.Trigger(queue.HighPriority, run, nil); err != nil {
		panic("FATAL: kqueue: " + err.Error())
	}
}

// runTasks is for what was posted to a loop that is done. Here it stays in
// gnet's queue: the descriptor of a connection, at worst, until the process ends.
func (p *poller) runTasks() {}

// run is the loop, until l.done.
func (p *poller) run(l *loop) error {
	p.loop = l
	err := p.kqueue.Polling(func(fd int, filter netpoll.IOEvent, flags netpoll.IOFlags) error {
		if fd == p.pipe[0] {
			p.emptyPipe()
			l.ready()
		} else {
			l.latency.batch() // kqueue's do not show
			l.event(fd, eventsOf(filter, flags))
		}
		if l.watched != nil {
			l.watched.Behind() // there is no end of a batch to be seen
		}
		return p.end()
	})
	if l.done {
		return nil
	}
	return err
}

// end is the error that makes Polling return, once the loop is done.
func (p *poller) end() error {
	if p.loop.done {
		return errorx.ErrEngineShutdown
	}
	return nil
}

func (p *poller) emptyPipe() {
	var b [64]byte
	for {
		if n, err := unix.Read(p.pipe[0], b[:]); err != nil || n < len(b) {
			return
		}
	}
}

// eventsOf translates kqueue's events.
func eventsOf(filter netpoll.IOEvent, flags netpoll.IOFlags) (out Events) {
	switch filter {
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
