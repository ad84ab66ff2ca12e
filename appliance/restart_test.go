package appliance

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A warm is a memory file, and the node that has it.
type warm struct {
	t       *testing.T
	file    string
	node    *running
	address string
}

func newWarm(t *testing.T) *warm { return &warm{t: t, file: filepath.Join(t.TempDir(), "memory")} }

// command is memcached with the memory file, a small one: a race build copies it.
func (w *warm) command(args ...string) *exec.Cmd {
	all := append(asRoot(), "-l", "127.0.0.1", "-p", "-1", "-m", "16", "-e", w.file)
	return exec.Command(program(w.t, "memcached"), append(all, args...)...)
}

func (w *warm) start(args ...string) {
	w.t.Helper()
	ports := filepath.Join(w.t.TempDir(), "ports")
	cmd := w.command(args...)
	cmd.Env = append(os.Environ(), "MEMCACHED_PORT_FILENAME="+ports)
	w.node = launchProgram(w.t, cmd)
	w.address = net.JoinHostPort("127.0.0.1", portOf(w.t, ports))
}

// stop ends the node, and expects its exit code.
func (w *warm) stop(signal syscall.Signal, code int) {
	w.t.Helper()
	w.node.Process.Signal(signal)
	if got := w.node.exit(w.t); got != code {
		w.t.Fatalf("%v: exit code %d, want %d", signal, got, code)
	}
}

func (w *warm) save() { w.t.Helper(); w.stop(syscall.SIGUSR1, 0) }

func (w *warm) talk(lines ...string) string { return talk("tcp", w.address, lines...) }

// expect compares what a command is answered.
func (w *warm) expect(command, want string) {
	w.t.Helper()
	if got := w.talk(command); got != want {
		w.t.Errorf("%q: %q, want %q", command, got, want)
	}
}

// number is what follows the name in an answer, up to the next space.
func (w *warm) number(command, name string) int64 {
	w.t.Helper()
	answer := w.talk(command)
	_, rest, _ := strings.Cut(answer, name)
	digits, _, _ := strings.Cut(strings.TrimSuffix(rest, "\r\n"), " ")
	digits, _, _ = strings.Cut(digits, "\r\n")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		w.t.Fatalf("%q: %q has no number behind %q", command, answer, name)
	}
	return n
}

const keptIsThere = "VALUE kept 7 4\r\nhere\r\nEND\r\n"

// TestWarmRestart: items, their tokens and their deadlines go on, whatever the
// numbers of threads and bytes are.
func TestWarmRestart(t *testing.T) {
	w := newWarm(t)
	w.start("-t", "2")
	w.expect("set kept 7 0 4\r\nhere", "STORED\r\n")
	w.expect("set hour 0 3600 1\r\nh", "STORED\r\n")
	w.expect("set two 0 2 1\r\ns", "STORED\r\n")
	w.expect("ms stale 1 I\r\nx", "HD\r\n")
	w.expect("md stale I", "HD\r\n")
	token := w.number("mg kept c", "HD c")
	started := time.Now()
	for _, args := range [][]string{{"-t", "1"}, {"-t", "7", "-m", "32"}, {"-t", "2", "-m", "8", "-M"}} {
		w.save()
		w.start(args...)
		w.expect("get kept", keptIsThere)
		if got := w.number("mg kept c", "HD c"); got != token {
			t.Errorf("%q: token %d has become %d", args, token, got)
		}
		w.expect(fmt.Sprintf("cas kept 7 0 4 %d\r\nhere", token), "STORED\r\n")
		next := w.number("mg kept c", "HD c")
		if next <= token {
			t.Errorf("%q: token %d follows %d", args, next, token)
		}
		token = next
	}
	if left := w.number("mg hour t", "HD t"); left > 3600 || left < 3600-int64(time.Since(started).Seconds())-2 {
		t.Errorf("%d seconds are left of 3600, %v later", left, time.Since(started))
	}
	w.expect("mg stale v", "VA 1 X W\r\nx\r\n")
	until(t, "the end of an item's two seconds", func() bool { return w.talk("get two") == "END\r\n" })
	if uptime := w.number("stats", "STAT uptime "); uptime < int64(time.Since(started).Seconds()) {
		t.Errorf("uptime %d, %v after the first start", uptime, time.Since(started))
	}
	w.stop(syscall.SIGTERM, 0)
}

// TestWarmRestartKeepsFlush: a flush_all that is yet to come comes.
func TestWarmRestartKeepsFlush(t *testing.T) {
	w := newWarm(t)
	w.start()
	w.expect("set kept 7 0 4\r\nhere", "STORED\r\n")
	const delay = 4 * time.Second
	before := time.Now()
	w.expect("flush_all 4", "OK\r\n")
	w.save()
	w.start()
	// A second of the clock may end at once, in each of the two processes.
	if got := w.talk("get kept"); time.Since(before) < delay-2*time.Second && got != keptIsThere {
		t.Errorf("%v after flush_all 4: %q", time.Since(before), got)
	}
	until(t, "the flush", func() bool { return w.talk("get kept") == "END\r\n" })
	until(t, "the end of the flush's second", func() bool {
		return w.talk("set new 0 0 1\r\nx", "get new") == "STORED\r\nVALUE new 0 1\r\nx\r\nEND\r\n"
	})
	w.save()
	w.start()
	w.expect("get kept new", "VALUE new 0 1\r\nx\r\nEND\r\n")
}

// TestColdRestart: only SIGUSR1 saves; what other ends left behind is nobody's.
func TestColdRestart(t *testing.T) {
	w := newWarm(t)
	for _, c := range []struct {
		signal syscall.Signal
		code   int
	}{{syscall.SIGTERM, 0}, {syscall.SIGINT, 0}, {syscall.SIGKILL, -1}} {
		w.start()
		w.expect("set kept 7 0 4\r\nhere", "STORED\r\n")
		w.save()
		w.start()
		w.expect("get kept", keptIsThere)
		w.stop(c.signal, c.code)
		if _, err := os.Stat(w.file + ".meta"); !os.IsNotExist(err) {
			t.Errorf("%v leaves metadata: %v", c.signal, err)
		}
		w.start()
		w.expect("get kept", "END\r\n")
		if n := w.number("stats", "STAT curr_items "); n != 0 {
			t.Errorf("behind %v: %d items", c.signal, n)
		}
		w.said("[restart] no metadata save file, starting with a clean cache")
		w.stop(syscall.SIGKILL, -1)
	}
}

// TestRestartWithOtherSettings is refused by their names.
func TestRestartWithOtherSettings(t *testing.T) {
	for _, c := range []struct {
		field string
		args  []string
	}{
		{"item_size_max", []string{"-I", "2m"}},
		{"use_cas", []string{"-C"}},
		{"chunk_size", []string{"-n", "96"}},
		{"slab_config", []string{"-f", "1.5"}},
		{"slab_chunk_size_max", []string{"-o", "slab_chunk_max=256"}},
	} {
		w := newWarm(t)
		w.start()
		w.expect("set kept 7 0 4\r\nhere", "STORED\r\n")
		w.save()
		w.start(c.args...)
		w.expect("get kept", "END\r\n")
		w.said("[restart] restart incompatible due to setting for [" + c.field + "], starting with a clean cache")
		w.stop(syscall.SIGKILL, -1)
	}
}

// TestMemoryFileInUse: who comes second does not start, and takes nothing away.
func TestMemoryFileInUse(t *testing.T) {
	w := newWarm(t)
	w.start()
	w.expect("set kept 7 0 4\r\nhere", "STORED\r\n")
	code, printed := runProgram(t, w.command())
	if code != 1 || !strings.Contains(printed, w.file) || !strings.Contains(printed, "in use by another process") {
		t.Errorf("a second node with the file: exit code %d: %s", code, printed)
	}
	w.expect("get kept", keptIsThere)
	w.save()
	w.start()
	w.expect("get kept", keptIsThere)
}

// TestStartThatFailsKeepsTheMemory: what was saved is there for the next start.
func TestStartThatFailsKeepsTheMemory(t *testing.T) {
	w := newWarm(t)
	w.start()
	w.expect("set kept 7 0 4\r\nhere", "STORED\r\n")
	w.save()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	_, port, _ := net.SplitHostPort(other.Addr().String())
	if code, printed := runProgram(t, w.command("-p", port)); code == 0 || !strings.Contains(printed, "failed to listen") {
		t.Fatalf("a port that is taken: exit code %d: %s", code, printed)
	}
	w.start()
	w.expect("get kept", keptIsThere)
}

// TestDamagedMemoryFile: what was damaged is a miss, and the log says so.
func TestDamagedMemoryFile(t *testing.T) {
	w := newWarm(t)
	w.start()
	value := strings.Repeat("damaged", 10)
	w.expect(fmt.Sprintf("set damaged 0 0 %d\r\n%s", len(value), value), "STORED\r\n")
	w.expect(fmt.Sprintf("set large 0 0 %d\r\n%s", 200_000, strings.Repeat("kept here ", 20_000)), "STORED\r\n")
	w.save()
	memory, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(memory), value)
	if at < 0 {
		t.Fatal("the value is not in the memory file")
	}
	memory[at+3] ^= 1
	if err := os.WriteFile(w.file, memory, 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.expect("get damaged", "END\r\n")
	w.said("[restart] parts of the memory file are damaged: their items are absent")
	if n := w.number("stats", "STAT curr_items "); n != 0 && n != 1 { // large's head may lie in the same page
		t.Errorf("%d items", n)
	}
	w.expect("set damaged 0 0 2\r\nno", "STORED\r\n")
	w.save()
	w.start()
	w.expect("get damaged", "VALUE damaged 0 2\r\nno\r\nEND\r\n")
}
