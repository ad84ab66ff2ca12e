package appliance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// An upgrade: the node starts its successor with the listeners as its own, so
// that the kernel goes on accepting all the while.
//
//	node                          successor
//	starts it              ->     reads flags and files, binds what is new, adopts the rest
//	                       <-     ready
//	go                     ->     serves
//	                       <-     serving
//	leaves the listeners, answers who had connected, ends
//
// When the successor does not come to serve, the node has never stopped.
//
// With a memory file, only one of both can have it, so the order is another:
//
//	                       <-     memory
//	leaves the listeners, answers who had connected, saves
//	go                     ->     takes the memory over, ready, serving
//	ends
//
// Connections that come meanwhile wait in the kernel, as do signals for who will
// serve. When the successor fails after that, the node starts itself anew.

const (
	// successorTimeout is how long a successor may take to say the next word: to
	// look names up, or to take over a memory file of many gigabytes.
	successorTimeout = 2 * time.Minute

	// putBackTimeout is how long a successor that will not serve may take to save
	// the memory that it took over: a second for some gigabytes, on a busy machine.
	putBackTimeout = 30 * time.Second

	// killTimeout is how long a successor that was killed may take to end.
	killTimeout = 5 * time.Second
)

// Errors of an upgrade.
var (
	errAbandoned = errors.New("the process that was to hand over does not wait any more")
	errSuccessor = errors.New("the new process did not come to serve")
	errUnit      = errors.New("systemd would take the end of this process for the end of the service: " +
		"the unit needs Type=notify, or PIDFile= and -P")
	errFirst = errors.New("this is the first process of its container, which would end with it: start a container of the new image")
)

// upgradeRequest asks for an upgrade.
type upgradeRequest struct {
	Binary string             `json:"binary,omitempty"` // "": that by whose name the node was started
	reply  func(upgradeReply) // nil: only the log hears of it
}

// upgradeReply is a line of what is told to who asked.
type upgradeReply struct {
	Step  string `json:"step,omitempty"`  // what goes on
	PID   int    `json:"pid,omitempty"`   // done: who serves now
	Error string `json:"error,omitempty"` // not done
}

func (r *upgradeRequest) tell(reply upgradeReply) {
	if r.reply != nil {
		r.reply(reply)
	}
}

// succession is an upgrade under way.
type succession struct {
	*process
	request upgradeRequest
	child   *child
	lines   chan string
	left    bool           // this node has ended
	spare   []*givenSocket // duplicates of the listeners, with which it can start anew
	waiting syscall.Signal // came when it had ended: for who serves next; 0: none
}

// step tells, and logs, what goes on.
func (s *succession) step(text string, args ...any) {
	text = fmt.Sprintf(text, args...)
	s.log.Info("upgrade", "step", text)
	s.request.tell(upgradeReply{Step: text})
}

// upgrade hands over to a new process. It reports whether that one serves; a
// signal that came meanwhile is to be obeyed.
func (p *process) upgrade(r upgradeRequest) (signal os.Signal, over bool) {
	s := &succession{process: p, request: r, lines: make(chan string, 8)}
	signal, err := s.run()
	if err == nil {
		r.tell(upgradeReply{PID: s.child.process.Pid})
		return nil, true
	}
	p.log.Error("no upgrade: this process goes on serving", "error", err)
	r.tell(upgradeReply{Error: err.Error()})
	return signal, false
}

// run starts the successor, and listens to it.
func (s *succession) run() (os.Signal, error) {
	if s.launch.unit && s.launch.manager == nil && s.config.PIDFile == "" {
		return nil, errUnit
	}
	if s.launch.first {
		return nil, errFirst
	}
	program := s.request.Binary
	if program == "" {
		program = s.launch.program
	}
	var err error
	s.child, err = s.launch.start(childOptions{program: program, purpose: forUpgrade, sockets: s.node.handover()})
	if err != nil {
		return nil, err
	}
	defer s.child.conn.Close()
	s.step("started %s as process %d", program, s.child.process.Pid)
	go s.child.read(s.lines) // ends with the connection
	for {
		select {
		case line, ok := <-s.lines:
			if !ok {
				line = sayFailed
			}
			if served, err := s.hear(line); served || err != nil {
				return nil, err
			}
		case <-time.After(successorTimeout):
			return nil, s.giveUp(fmt.Errorf("%w within %s", errSuccessor, successorTimeout))
		case signal := <-s.signals:
			switch {
			case !ends(signal):
			case s.left:
				s.keep(signal)
			default:
				return signal, s.giveUp(fmt.Errorf("%w before this one was ended by %s", errSuccessor, signalName(signal)))
			}
		}
	}
}

// read passes the successor's lines on.
func (c *child) read(lines chan<- string) {
	defer close(lines)
	for r := bufio.NewScanner(c.conn); r.Scan(); {
		lines <- r.Text()
	}
}

// say tells the successor something. It may be dead, which shows when it is heard.
func (c *child) say(word string) { c.conn.WriteString(word + "\n") }

// hear does what the successor wants. It reports whether that one serves.
func (s *succession) hear(line string) (served bool, err error) {
	word, text, _ := strings.Cut(line, " ")
	switch word {
	case sayMemory:
		if err := s.keepListeners(); err != nil {
			return false, s.giveUp(err)
		}
		s.step("the memory goes over: new connections wait")
		s.leave("the memory was not left in order")
		s.child.say(sayGo)
	case sayReady:
		s.child.say(sayGo)
	case sayServing:
		s.launch.manager.tell("MAINPID=" + strconv.Itoa(s.child.process.Pid))
		s.child.say(sayMain)
		s.step("process %d serves", s.child.process.Pid)
		if !s.left {
			s.leave("the old process did not end in order") // which cannot be taken back
		}
		s.passOn()
		return true, nil
	case sayFailed:
		reason, err := strconv.Unquote(text)
		if err != nil {
			reason = "it ended without a word; what it printed is in its log"
		}
		return false, s.giveUp(fmt.Errorf("%w: %s", errSuccessor, reason))
	}
	return false, nil
}

// keepListeners duplicates the listeners, for the case that this node has ended
// and its successor never serves.
func (s *succession) keepListeners() error {
	for _, g := range s.node.handover() {
		fd, err := unix.FcntlInt(uintptr(g.fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			for _, kept := range s.spare {
				unix.Close(kept.fd)
			}
			s.spare = nil
			return os.NewSyscallError("fcntl", err)
		}
		spare := *g
		spare.fd = fd
		s.spare = append(s.spare, &spare)
	}
	return nil
}

// leave ends this node. What goes wrong in that is logged.
func (s *succession) leave(complaint string) {
	s.left = true
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := s.node.leave(ctx); err != nil {
		s.log.Warn(complaint, "error", err)
	}
}

// ends reports whether a signal is to end the node.
func ends(signal os.Signal) bool { return signal != syscall.SIGHUP && signal != syscall.SIGUSR2 }

// keep remembers the first signal that nobody could obey yet.
func (s *succession) keep(signal os.Signal) {
	if s.waiting == 0 {
		s.waiting = signal.(syscall.Signal)
		s.step("%s waits for who will serve", signalName(signal))
	}
}

// keepAll remembers what has come until now.
func (s *succession) keepAll() {
	for {
		select {
		case signal := <-s.signals:
			if ends(signal) {
				s.keep(signal)
			}
		default:
			return
		}
	}
}

// passOn has the successor obey a signal that came while nobody served.
func (s *succession) passOn() {
	s.keepAll()
	if s.waiting != 0 {
		s.child.process.Signal(s.waiting)
	}
}

// endsWithin waits for the child's end. It reports whether that came.
func (c *child) endsWithin(timeout time.Duration) bool {
	select {
	case <-c.ended:
		return true
	case <-time.After(timeout):
		return false
	}
}

// giveUp ends a successor that failed. Where this node has ended already, it
// starts itself anew, once the successor has saved the memory that it may have
// taken over: the end of the connection tells it to.
func (s *succession) giveUp(why error) error {
	if s.left {
		s.child.conn.Close()
	}
	if !s.left || !s.child.endsWithin(putBackTimeout) {
		s.child.process.Kill()
		s.child.endsWithin(killTimeout)
	}
	if !s.left {
		return why
	}
	s.log.Error("upgrade failed after the memory was saved: this process starts anew", "error", why)
	s.keepAll()
	s.request.tell(upgradeReply{Error: why.Error() + "; the old one starts anew"})
	return s.launch.again(s.spare, s.waiting)
}

// again runs the program that runs in this process once more, which obeys a
// signal, if there is one, as soon as it serves. It returns only when that fails.
func (l *launch) again(sockets []*givenSocket, waiting syscall.Signal) error {
	var list []string
	for _, g := range sockets {
		if _, err := unix.FcntlInt(uintptr(g.fd), unix.F_SETFD, 0); err != nil {
			return os.NewSyscallError("fcntl", err)
		}
		list = append(list, g.described(g.fd))
	}
	env := append(append(l.env, l.managed()...), envSockets+"="+strings.Join(list, ","), envAgain+"="+strconv.Itoa(int(waiting)))
	if err := os.Chdir(l.dir); err != nil {
		return err
	}
	program := "/proc/self/exe"
	if _, err := os.Lstat(program); err != nil {
		program = l.self
	}
	err := syscall.Exec(program, l.args, env)
	panic("FATAL: the old program can not be started again: " + err.Error())
}

// awaitMemory is the successor's part with a memory file: it asks for it.
func (p *process) awaitMemory() error {
	if !exclusive(&p.config) || !p.launch.parent.inUpgrade() {
		return nil
	}
	p.launch.parent.say(sayMemory)
	if !p.launch.parent.await(sayGo) {
		return errAbandoned
	}
	return nil
}

// leave is Stop while another process goes on with the listeners, and with the
// memory file.
func (n *Node) leave(ctx context.Context) error {
	n.saveAtEnd()
	if n.admin != nil {
		n.admin.Close() // the next process answers there
	}
	return n.end(ctx, n.net.Leave)
}
