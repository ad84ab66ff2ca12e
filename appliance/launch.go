package appliance

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// What a process of ours tells the next one, in its environment.
const (
	envParent  = "PANDA_PARENT"  // the descriptor of the connection to the process that waits for this one's start
	envSockets = "PANDA_SOCKETS" // listeners that are inherited: see givenSocket
	envAgain   = "PANDA_AGAIN"   // the process has started itself anew: the signal that waits for it, 0: none

	forDaemon  = "daemon"  // the parent ends when the child serves
	forUpgrade = "upgrade" // the parent serves until the child does
)

// ownVariables are meant for this process alone: whoever it starts gets its own.
var ownVariables = []string{
	envParent, envSockets, envAgain,
	"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
}

// launch is how this process was started, what it was given, and what another
// one needs to be started likewise.
type launch struct {
	program string   // path under which it was called: another version may be there by now
	self    string   // path of the file that runs
	args    []string // argv
	dir     string   // the working directory, then
	env     []string // without ownVariables

	sockets  inheritance // listeners that it was given
	parent   *parent     // the process that waits for the start; nil: none does
	manager  *manager    // systemd, or who speaks as it does; nil: none
	watchdog string      // WATCHDOG_USEC, for the next process
	unit     bool        // started by systemd as a unit's main process
	first    bool        // process 1, of a container: it takes all others with it
	anew     bool        // the process has started itself anew: it is a daemon already, if it is to be one

	waiting syscall.Signal // came before it started anew; 0: none did
}

// readLaunch takes what concerns the start out of the environment. What it is
// given, it has to close.
func readLaunch() (*launch, error) {
	l := &launch{self: os.Args[0], args: os.Args, unit: os.Getenv("SYSTEMD_EXEC_PID") == strconv.Itoa(os.Getpid())}
	var err error
	if l.dir, err = os.Getwd(); err != nil {
		l.dir = "/" // it was removed, or is not ours to see
	}
	l.program = programPath(os.Args[0], l.dir)
	if path, err := os.Executable(); err == nil {
		l.self = path
	}
	l.parent, err = parentFrom(os.Getenv(envParent))
	if err != nil {
		return nil, err
	}
	if l.sockets, err = readInheritance(os.Getenv, os.Getpid()); err != nil {
		return nil, err
	}
	l.manager = newManager(os.Getenv("NOTIFY_SOCKET"))
	l.manager.watch(os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID"), os.Getpid())
	l.watchdog = os.Getenv("WATCHDOG_USEC")
	if again := os.Getenv(envAgain); again != "" {
		number, _ := strconv.Atoi(again)
		l.anew, l.waiting = true, syscall.Signal(number)
	}
	l.first = os.Getpid() == 1
	for _, name := range ownVariables {
		os.Unsetenv(name)
	}
	l.env = os.Environ()
	return l, nil
}

// programPath is where the program lies, found as a shell finds it, so that a
// link that leads to another version by now is followed anew.
func programPath(name, dir string) string {
	if path, err := exec.LookPath(name); err == nil || errors.Is(err, exec.ErrDot) {
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		return path
	}
	return name
}

// A child is a process of the same program that this one started.
type child struct {
	process *os.Process
	conn    *os.File   // to it
	ended   chan error // its end, told once
}

// childOptions are what differs between the starts of children.
type childOptions struct {
	program string
	purpose string         // forDaemon, forUpgrade
	sockets []*givenSocket // to be inherited
	session bool           // in a session of its own
}

// start starts the program again, with a connection to it.
func (l *launch) start(o childOptions) (*child, error) {
	pair, err := connectedPair()
	if err != nil {
		return nil, err
	}
	files := []uintptr{0, 1, 2, uintptr(pair[1])}
	env := append(slices.Clone(l.env), envParent+"="+strconv.Itoa(len(files)-1)+":"+o.purpose)
	if len(o.sockets) > 0 {
		var list []string
		for _, s := range o.sockets {
			list = append(list, s.described(len(files)))
			files = append(files, uintptr(s.fd))
		}
		env = append(env, envSockets+"="+strings.Join(list, ","))
	}
	attributes := syscall.ProcAttr{Dir: l.dir, Env: append(env, l.managed()...), Files: files}
	if o.session {
		attributes.Sys = &syscall.SysProcAttr{Setsid: true}
	}
	pid, _, err := syscall.StartProcess(o.program, l.args, &attributes) // os.StartProcess would make the sockets blocking
	syscall.Close(pair[1])
	conn := os.NewFile(uintptr(pair[0]), "child")
	if err != nil {
		conn.Close()
		return nil, &os.PathError{Op: "start", Path: o.program, Err: err}
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		conn.Close()
		return nil, err
	}
	c := &child{process: process, conn: conn, ended: make(chan error, 1)}
	go c.wait() // ends with the process
	return c, nil
}

// managed is what the next process needs to know of systemd.
func (l *launch) managed() []string {
	if l.manager == nil {
		return nil
	}
	return []string{"NOTIFY_SOCKET=" + l.manager.address, "WATCHDOG_USEC=" + l.watchdog}
}

func (c *child) wait() {
	state, err := c.process.Wait()
	if err == nil && !state.Success() {
		err = &exec.ExitError{ProcessState: state}
	}
	c.ended <- err
}

// connectedPair is two connected sockets that no other child inherits.
func connectedPair() (pair [2]int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	pair, err = syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return pair, os.NewSyscallError("socketpair", err)
	}
	for _, fd := range pair {
		syscall.CloseOnExec(fd)
	}
	err = os.NewSyscallError("fcntl", syscall.SetNonblock(pair[0], true)) // ours can have deadlines
	return pair, err
}
