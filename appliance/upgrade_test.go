package appliance

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// needUpgrades skips where nodes cannot be asked.
func needUpgrades(t *testing.T) {
	if !peersKnown {
		t.Skip("skipped: panda upgrade is for Linux")
	}
}

// askUpgrade runs panda upgrade.
func askUpgrade(t *testing.T, args ...string) (code int, printed string) {
	t.Helper()
	return runProgram(t, exec.Command(program(t, "panda"), append([]string{"upgrade"}, args...)...))
}

// upgradeTo asks process pid for an upgrade, and returns the process that serves then.
func upgradeTo(t *testing.T, pid int, args ...string) int {
	t.Helper()
	code, printed := askUpgrade(t, append(args, "--pid", strconv.Itoa(pid))...)
	next := 0
	lines := strings.Split(strings.TrimSpace(printed), "\n")
	fmt.Sscanf(lines[len(lines)-1], "process %d serves in the place of", &next)
	if code != 0 || next == 0 || next == pid {
		t.Fatalf("panda upgrade: exit code %d: %s", code, printed)
	}
	t.Cleanup(func() { syscall.Kill(next, syscall.SIGKILL) })
	until(t, "the end of the old process", func() bool { return !alive(pid) })
	return next
}

// A visitor connects, stores, reads and leaves, over and over.
type visitor struct {
	network, address string
	visits           int
	longest          time.Duration
	failed           error
}

func (v *visitor) run(number int, done *atomic.Bool) {
	for ; !done.Load(); v.visits++ {
		from := time.Now()
		if err := v.visit(fmt.Sprintf("visitor%d:%d", number, v.visits)); err != nil {
			v.failed = fmt.Errorf("visit %d: %w", v.visits, err)
			return
		}
		v.longest = max(v.longest, time.Since(from))
	}
}

func (v *visitor) visit(key string) error {
	c, err := net.Dial(v.network, v.address)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	r := bufio.NewReader(c)
	for _, step := range [][2]string{{"set " + key + " 0 0 5\r\nvalue\r\nversion\r\n", "STORED\r\n"}, {"", "VERSION 1.6.45\r\n"}} {
		if _, err := c.Write([]byte(step[0])); err != nil {
			return err
		}
		if reply, err := r.ReadString('\n'); reply != step[1] {
			return fmt.Errorf("got %q, want %q: %w", reply, step[1], err)
		}
	}
	return nil
}

// whileVisited runs f while clients come and go all the time, and returns the
// longest that one of them waited.
func whileVisited(t *testing.T, addresses [][2]string, f func()) (longest time.Duration) {
	t.Helper()
	var done atomic.Bool
	var clients sync.WaitGroup
	var visitors []*visitor
	for i := range 3 * len(addresses) {
		at := addresses[i%len(addresses)]
		v := &visitor{network: at[0], address: at[1]}
		visitors = append(visitors, v)
		clients.Go(func() { v.run(i, &done) })
	}
	f()
	done.Store(true)
	clients.Wait()
	for _, v := range visitors {
		if v.failed != nil || v.visits == 0 {
			t.Errorf("%s %s: %d visits, then %v", v.network, v.address, v.visits, v.failed)
		}
		longest = max(longest, v.longest)
	}
	return longest
}

// startNodeProcess starts panda serve with a unix socket, a pid file and an
// admin port, and returns it with its TCP address.
func startNodeProcess(t *testing.T, args ...string) (r *running, folder, address string) {
	t.Helper()
	folder = t.TempDir()
	ports := filepath.Join(folder, "ports")
	all := []string{"serve", "--listen", "127.0.0.1", "--port", "-1", "--unix-socket", filepath.Join(folder, "s"),
		"--admin", "127.0.0.1:0", "--pid-file", filepath.Join(folder, "pid"), "--log-format", "text"}
	cmd := exec.Command(program(t, "panda"), append(all, args...)...)
	cmd.Env = append(os.Environ(), "MEMCACHED_PORT_FILENAME="+ports)
	r = launchProgram(t, cmd)
	port := portOf(t, ports)
	until(t, "a node that can be asked for an upgrade", func() bool {
		pids, _ := Nodes()
		return !peersKnown || slices.Contains(pids, r.Process.Pid)
	})
	return r, folder, net.JoinHostPort("127.0.0.1", port)
}

// TestUpgradeRefusesNobody: three upgrades while clients come and go.
func TestUpgradeRefusesNobody(t *testing.T) {
	needUpgrades(t)
	r, folder, address := startNodeProcess(t)
	pid, socket := r.Process.Pid, filepath.Join(folder, "s")
	until(t, "a server", func() bool { return serverPID("unix", socket) == pid })
	whileVisited(t, [][2]string{{"tcp", address}, {"unix", socket}}, func() {
		for range 3 {
			next := upgradeTo(t, pid)
			if got := serverPID("tcp", address); got != next {
				t.Errorf("process %d serves, not %d", got, next)
			}
			if text, err := os.ReadFile(filepath.Join(folder, "pid")); string(text) != strconv.Itoa(next)+"\n" {
				t.Errorf("the pid file says %q (%v), not %d", text, err, next)
			}
			pid = next
		}
	})
	endProcess(t, pid)
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the unix socket is left behind (%v)", err)
	}
}

// TestUpgradeOfDaemon: the daemon's successor is one, and its pid file outlives
// the old process, by SIGUSR2.
func TestUpgradeOfDaemon(t *testing.T) {
	pid, address, pidFile := startDaemon(t)
	if err := syscall.Kill(pid, syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	until(t, "the end of the old process", func() bool { return !alive(pid) })
	next := serverPID("tcp", address)
	if next == 0 || next == pid {
		t.Fatalf("process %d serves", next)
	}
	t.Cleanup(func() { syscall.Kill(next, syscall.SIGKILL) })
	if text, err := os.ReadFile(pidFile); string(text) != strconv.Itoa(next)+"\n" {
		t.Errorf("the pid file says %q (%v), not %d", text, err, next)
	}
	if folder := openFile(t, next, "cwd"); folder != "/" {
		t.Errorf("the successor stays in %s", folder)
	}
	endProcess(t, next)
	if _, err := os.Lstat(pidFile); !os.IsNotExist(err) {
		t.Errorf("the pid file is left behind (%v)", err)
	}
}

// TestUpgradeThatFails: the node goes on, and says why.
func TestUpgradeThatFails(t *testing.T) {
	needUpgrades(t)
	folder := t.TempDir()
	file := filepath.Join(folder, "panda.toml")
	if err := os.WriteFile(file, []byte("log.level = \"info\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, _, address := startNodeProcess(t, "--config", file)
	pid := r.Process.Pid
	check := func(want string, args ...string) {
		t.Helper()
		code, printed := askUpgrade(t, append(args, "--pid", strconv.Itoa(pid))...)
		if code != 1 || !strings.Contains(printed, want) {
			t.Errorf("%s: exit code %d, and\n%s\nwant %s", args, code, printed, want)
		}
		if got := serverPID("tcp", address); got != pid {
			t.Fatalf("process %d serves, not %d", got, pid)
		}
	}
	check("no such file or directory", "--binary", filepath.Join(folder, "nothing"))
	check("permission denied", "--binary", file)
	check("it ended without a word", "--binary", script(t, "exit 3"))
	check("out of beans", "--binary", script(t, `echo 'failed "out of beans"' >&3; sleep 60`))
	if err := os.WriteFile(file, []byte("log.level = \"loud\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check("it ended without a word; what it printed is in its log")
	r.said(t, "log.level")
	r.Process.Signal(syscall.SIGTERM)
	if code := r.exit(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestUpgradeWithMemoryFile: the cache goes over, and clients wait for it.
func TestUpgradeWithMemoryFile(t *testing.T) {
	needUpgrades(t)
	for _, more := range [][]string{nil, {"--set", "flash.files=" + filepath.Join(t.TempDir(), "flash") + ":64MB"}} {
		testUpgradeWithMemoryFile(t, append(more, "--memory-file", filepath.Join(t.TempDir(), "memory")))
	}
}

func testUpgradeWithMemoryFile(t *testing.T, args []string) {
	r, folder, address := startNodeProcess(t, args...)
	pid := r.Process.Pid
	keep := "set kept 7 0 4\r\nhere"
	if got := talk("tcp", address, keep); got != "STORED\r\n" {
		t.Fatal(got)
	}
	longest := whileVisited(t, [][2]string{{"tcp", address}, {"unix", filepath.Join(folder, "s")}}, func() {
		for range 3 {
			pid = upgradeTo(t, pid)
			if got := talk("tcp", address, "get kept"); got != "VALUE kept 7 4\r\nhere\r\nEND\r\n" {
				t.Errorf("after an upgrade: %q", got)
			}
		}
	})
	t.Logf("a client waited at most %s", longest)
	endProcess(t, pid)
}

// TestUpgradeWithFlash: one process at a time has the files, so clients wait.
func TestUpgradeWithFlash(t *testing.T) {
	needUpgrades(t)
	r, folder, address := startNodeProcess(t, "--set", "flash.files="+filepath.Join(t.TempDir(), "flash")+":64MB")
	pid := r.Process.Pid
	whileVisited(t, [][2]string{{"tcp", address}, {"unix", filepath.Join(folder, "s")}}, func() {
		pid = upgradeTo(t, pid)
	})
	endProcess(t, pid)
}

// TestUpgradeThatFailsAfterSaving: the old process starts anew, with its memory
// and its listeners.
func TestUpgradeThatFailsAfterSaving(t *testing.T) {
	needUpgrades(t)
	r, folder, address := startNodeProcess(t, "--memory-file", filepath.Join(t.TempDir(), "memory"))
	if got := talk("tcp", address, "set kept 7 0 4\r\nhere"); got != "STORED\r\n" {
		t.Fatal(got)
	}
	binary := script(t, "echo memory >&3\nread go <&3\nexit 1\n")
	whileVisited(t, [][2]string{{"tcp", address}, {"unix", filepath.Join(folder, "s")}}, func() {
		code, printed := askUpgrade(t, "--pid", strconv.Itoa(r.Process.Pid), "--binary", binary)
		if code != 1 || !strings.Contains(printed, "the old one starts anew") {
			t.Errorf("exit code %d: %s", code, printed)
		}
		if got := talk("tcp", address, "get kept"); got != "VALUE kept 7 4\r\nhere\r\nEND\r\n" {
			t.Errorf("after a failed upgrade: %q", got)
		}
	})
	if got := serverPID("tcp", address); got != r.Process.Pid {
		t.Errorf("process %d serves, not %d", got, r.Process.Pid)
	}
	upgradeTo(t, r.Process.Pid) // and can be upgraded
}

// successorOf starts a program as the successor of a process that runs the test.
func successorOf(t *testing.T, p *process, program string, args ...string) *succession {
	t.Helper()
	p.log, _ = newLog(new(safeBuffer), "text", 0)
	p.launch = &launch{args: append([]string{program}, args...), dir: t.TempDir(), env: os.Environ()}
	child, err := p.launch.start(childOptions{program: program, purpose: forUpgrade})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		child.process.Kill()
		child.conn.Close()
	})
	return &succession{process: p, child: child, lines: make(chan string, 8)}
}

// script is a program that does what a shell is told.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestListenersThatCannotBeKept: a node that could not start anew does not give
// its memory away.
func TestListenersThatCannotBeKept(t *testing.T) {
	n := start(t, "-l 127.0.0.1 -p -1 -e "+filepath.Join(t.TempDir(), "memory")+" -m 16")
	n.adminSocket = &givenSocket{fd: -1} // the second: it cannot be duplicated
	s := successorOf(t, &process{node: n}, script(t, "read go <&3\n"))
	served, err := s.hear(sayMemory)
	if served || !errors.Is(err, syscall.EBADF) {
		t.Errorf("served: %v, %v", served, err)
	}
	if s.left || s.spare != nil {
		t.Errorf("left: %v, kept %d listeners", s.left, len(s.spare))
	}
	exchange(t, dial(t, n.Addrs()[0]), "set a 0 0 1\r\nx\r\n", "STORED\r\n")
}

// signalWhileNobodyServes has a node upgraded to a successor that takes the
// memory, and sends the node a signal before it does what comes then.
func signalWhileNobodyServes(t *testing.T, node *running, signal syscall.Signal, then string) (pid int, err error) {
	t.Helper()
	seen := filepath.Join(t.TempDir(), "seen")
	wait := fmt.Sprintf("echo memory >&3\nread go <&3\nuntil test -e %s; do kill -0 $PPID || exit 1; sleep 0.01; done\n", seen)
	return RequestUpgrade(node.Process.Pid, script(t, wait+then), func(text string) {
		switch {
		case strings.HasPrefix(text, "the memory goes over"):
			node.Process.Signal(signal)
		case strings.HasPrefix(text, signalName(signal)+" waits"):
			if err := os.WriteFile(seen, nil, 0o600); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestSignalWhileTheMemoryGoesOver is for the successor, which is not killed with
// the memory in its hands.
func TestSignalWhileTheMemoryGoesOver(t *testing.T) {
	needUpgrades(t)
	r, folder, _ := startNodeProcess(t, "--memory-file", filepath.Join(t.TempDir(), "memory"))
	told := filepath.Join(folder, "told")
	pid, err := signalWhileNobodyServes(t, r, syscall.SIGTERM, "trap 'echo > "+told+"; exit 0' TERM\n"+
		"echo serving >&3\nfor i in 1 2 3 4 5 6 7 8 9; do sleep 0.1; done\n")
	if err != nil || pid == r.Process.Pid {
		t.Fatalf("process %d serves: %v", pid, err)
	}
	if code := r.exit(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	until(t, "the end of the successor", func() bool { return !alive(pid) })
	if _, err := os.Lstat(told); err != nil {
		t.Errorf("the successor was not told of the signal: %v", err)
	}
}

// TestSignalBeforeTheStartAnew is for the process that started anew: it saves, and ends.
func TestSignalBeforeTheStartAnew(t *testing.T) {
	needUpgrades(t)
	file := filepath.Join(t.TempDir(), "memory")
	r, _, address := startNodeProcess(t, "--memory-file", file)
	if got := talk("tcp", address, "set kept 7 0 4\r\nhere"); got != "STORED\r\n" {
		t.Fatal(got)
	}
	if _, err := signalWhileNobodyServes(t, r, syscall.SIGUSR1, "exit 1\n"); err == nil || !strings.Contains(err.Error(), "starts anew") {
		t.Errorf("upgraded: %v", err)
	}
	if code := r.exit(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	_, _, address = startNodeProcess(t, "--memory-file", file)
	if got := talk("tcp", address, "get kept"); got != keptIsThere {
		t.Errorf("after the signal: %q", got)
	}
}

// TestSuccessorPutsTheMemoryBack when it is not to serve any more.
func TestSuccessorPutsTheMemoryBack(t *testing.T) {
	w := newWarm(t)
	w.start()
	w.expect("set kept 7 0 4\r\nhere", "STORED\r\n")
	w.save()
	command := w.command()
	s := successorOf(t, new(process), command.Path, command.Args[1:]...)
	s.left, s.spare = true, []*givenSocket{{fd: -1}} // with which the test does not start anew
	go s.child.read(s.lines)
	for line := range s.lines {
		if line == sayReady {
			break
		}
		s.child.say(sayGo)
	}
	if err := s.giveUp(errSuccessor); !errors.Is(err, syscall.EBADF) {
		t.Errorf("starting anew: %v", err)
	}
	w.start()
	w.expect("get kept", keptIsThere)
}

// TestDaemonThatStartsAnew is the daemon that it was: the process stays, in its
// session, and in its pid file.
func TestDaemonThatStartsAnew(t *testing.T) {
	needUpgrades(t)
	pid, address, pidFile := startDaemon(t, "-e", filepath.Join(t.TempDir(), "memory"))
	binary := script(t, "echo memory >&3\nread go <&3\nexit 1\n")
	if code, printed := askUpgrade(t, "--pid", strconv.Itoa(pid), "--binary", binary); code != 1 {
		t.Errorf("exit code %d: %s", code, printed)
	}
	if got := serverPID("tcp", address); got != pid {
		t.Errorf("process %d serves, not %d", got, pid)
	}
	if text, err := os.ReadFile(pidFile); string(text) != strconv.Itoa(pid)+"\n" {
		t.Errorf("the pid file says %q (%v), not %d", text, err, pid)
	}
	endProcess(t, pid)
	if _, err := os.Lstat(pidFile); !os.IsNotExist(err) {
		t.Errorf("the pid file is still there (%v)", err)
	}
}

// TestUpgradeIsForTheNodesOwnUser: others are refused, and may not pretend to be a node.
func TestUpgradeIsForTheNodesOwnUser(t *testing.T) {
	needUpgrades(t)
	if os.Geteuid() != 0 {
		t.Skip("skipped: it needs root, to become somebody else")
	}
	r, _, address := startNodeProcess(t)
	cmd := exec.Command(program(t, "panda"), "upgrade", "--pid", strconv.Itoa(r.Process.Pid))
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	code, printed := runProgram(t, cmd)
	if code != 1 || !strings.Contains(printed, "user 65534 may not") {
		t.Errorf("exit code %d: %s", code, printed)
	}
	if got := serverPID("tcp", address); got != r.Process.Pid {
		t.Errorf("process %d serves", got)
	}
	liar := listenLoopback(t, "unix", controlPrefix+"4194305") // no process has this id
	go func() {                                                // ends with the listener
		for c, err := liar.Accept(); err == nil; c, err = liar.Accept() {
			c.Close()
		}
	}()
	if _, err := RequestUpgrade(4194305, "", func(string) {}); err == nil || !strings.Contains(err.Error(), errNotTheNode.Error()) {
		t.Errorf("asked a process that is not the node: %v", err)
	}
}

// TestUpgradeUnderSystemd: the manager learns which process is the main one,
// before the old one ends.
func TestUpgradeUnderSystemd(t *testing.T) {
	needUpgrades(t)
	s := newSupervisor(t, filepath.Join(t.TempDir(), "notify"))
	tcp := listenLoopback(t, "tcp", "127.0.0.1:0")
	cmd := exec.Command("/usr/bin/env", "NOTIFY_SOCKET="+s.address, "WATCHDOG_USEC=2000000",
		program(t, "panda"), "serve", "--admin", "", "--log-format", "text")
	r := activated(t, cmd, "panda.socket", tcp)
	s.expect(t, `^READY=1`)
	next := upgradeTo(t, r.Process.Pid)
	s.expect(t, fmt.Sprintf(`^MAINPID=%d$`, next))
	s.expect(t, `^READY=1`)
	if m := s.told(patience); m != "WATCHDOG=1" {
		t.Errorf("told %q, want a sign of life", m)
	}
	if got := serverPID("tcp", tcp.Addr().String()); got != next {
		t.Errorf("systemd's socket is served by process %d, not %d", got, next)
	}
	endProcess(t, next)
	s.expect(t, `^STOPPING=1$`)
}

// TestUpgradeThatWouldEndMore is refused before anything is started: the end of
// a container's first process, or of a unit's whose manager is not told, ends all.
func TestUpgradeThatWouldEndMore(t *testing.T) {
	for want, l := range map[error]*launch{errFirst: {first: true}, errUnit: {unit: true}} {
		log, _ := newLog(new(safeBuffer), "text", 0)
		var told upgradeReply
		p := &process{launch: l, log: log}
		_, over := p.upgrade(upgradeRequest{reply: func(r upgradeReply) { told = r }})
		if over || told.Error != want.Error() {
			t.Errorf("handed over: %v, told %+v, want %v", over, told, want)
		}
	}
}

func TestNodesInTheKernelsList(t *testing.T) {
	list := "Num       RefCount Protocol Flags    Type St Inode Path\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01 7715 @panda/upgrade/17\n" +
		"0000000000000000: 00000003 00000000 00000000 0001 03 7716 @panda/upgrade/17\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01 7717 @panda/upgrade/4711\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01 7718 @panda/upgrade/\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01 7719 /run/x@panda/upgrade/3\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01 7720\n"
	if got := fmt.Sprint(nodesIn(list)); got != "[17 4711]" {
		t.Error(got)
	}
}
