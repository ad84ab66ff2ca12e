package appliance

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestUpgradeWithDataFolder: what is kept goes over, and clients wait for it.
func TestUpgradeWithDataFolder(t *testing.T) {
	needUpgrades(t)
	for _, mode := range [][]string{{"--persist", "log", "--fsync", "always"}, {"--persist", "snapshot"}} {
		r, folder, address := startNodeProcess(t, append(mode, "--data", filepath.Join(t.TempDir(), "data"))...)
		pid := r.Process.Pid
		if got := talk("tcp", address, "set kept 7 0 4\r\nhere"); got != "STORED\r\n" {
			t.Fatal(got)
		}
		longest := whileVisited(t, [][2]string{{"tcp", address}, {"unix", filepath.Join(folder, "s")}}, func() {
			for range 3 {
				pid = upgradeTo(t, pid)
				if got := talk("tcp", address, "get kept"); got != "VALUE kept 7 4\r\nhere\r\nEND\r\n" {
					t.Errorf("%s: after an upgrade: %q", mode, got)
				}
			}
		})
		t.Logf("%s: a client waited at most %s", mode, longest)
		endProcess(t, pid)
	}
}

// TestUpgradeThatFailsAfterClosing: the old process starts anew, with what it keeps
// and its listeners.
func TestUpgradeThatFailsAfterClosing(t *testing.T) {
	needUpgrades(t)
	r, folder, address := startNodeProcess(t, "--persist", "log", "--data", filepath.Join(t.TempDir(), "data"))
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
	upgradeTo(t, r.Process.Pid) // and can be upgraded
}

// TestStopsKeep: however a process is told to end, what was acknowledged is there.
func TestStopsKeep(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	want := ""
	for i, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGINT, syscall.SIGKILL} {
		for _, mode := range [][]string{{"--persist", "log", "--fsync", "no"}, {"--persist", "log", "--fsync", "everysec"}, {"--persist", "log", "--fsync", "always"}} {
			r, _, address := startNodeProcess(t, append(mode, "--data", data)...)
			if got := talk("tcp", address, "get key"); got != want+"END\r\n" {
				t.Errorf("before %s, %s: %q, want %q", signal, mode, got, want)
			}
			text := fmt.Sprintf("%s%d", mode[3], i)
			if got := talk("tcp", address, fmt.Sprintf("set key 0 0 %d\r\n%s", len(text), text)); got != "STORED\r\n" {
				t.Fatal(got)
			}
			want = fmt.Sprintf("VALUE key 0 %d\r\n%s\r\n", len(text), text)
			if signal == syscall.SIGKILL && mode[3] != "always" {
				until(t, "what is written to outlive the process", func() bool { return logHas(data, text) })
			}
			r.Process.Signal(signal)
			if code := r.exit(t); code != 0 && signal != syscall.SIGKILL {
				t.Errorf("%s: exit code %d", signal, code)
			}
		}
	}
}

// logHas reports whether a folder's log has a text.
func logHas(folder, text string) bool {
	names, _ := filepath.Glob(filepath.Join(folder, "*.log"))
	for _, name := range names {
		if data, err := os.ReadFile(name); err == nil && bytes.Contains(data, []byte(text)) {
			return true
		}
	}
	return false
}

// TestModeSnapshotKeepsTheLast: what came behind the last snapshot is lost with a
// process that is killed, and with no other end.
func TestModeSnapshotKeepsTheLast(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	start := func() (*running, string) {
		r, _, address := startNodeProcess(t, "--persist", "snapshot", "--data", data)
		return r, address
	}
	r, address := start()
	talk("tcp", address, "set a 0 0 1\r\n1")
	r.Process.Signal(syscall.SIGTERM)
	r.exit(t)
	r, address = start()
	talk("tcp", address, "set b 0 0 1\r\n2")
	r.Process.Kill()
	r.exit(t)
	_, address = start()
	if got, want := talk("tcp", address, "get a b"), "VALUE a 0 1\r\n1\r\nEND\r\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestLogThatFails: the node ends, says why, and what it had acknowledged is there.
func TestLogThatFails(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	r, _, address := startNodeProcess(t, "--persist", "log", "--fsync", "always", "--data", data, "--item-max", "2MB")
	if err := os.Mkdir(filepath.Join(data, "0000000000000002.log"), 0o700); err != nil { // in the place of the next segment
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	value, last := strings.Repeat("v", 1<<20), -1
	for i, reply := 0, make([]byte, len("STORED\r\n")); i < 40; i++ {
		fmt.Fprintf(c, "set key%d 0 0 %d\r\n%s\r\n", i, len(value), value)
		if _, err := io.ReadFull(c, reply); err != nil {
			break
		}
		last = i
	}
	if code := r.exit(t); code != 1 || last < 10 || last > 16 { // the first segment has 16 MB
		t.Errorf("exit code %d after %d", code, last)
	}
	if text := r.stderr.String(); !strings.Contains(text, "the keyspace cannot be kept any more, and the node ends") || !strings.Contains(text, "0000000000000002.log") {
		t.Errorf("%s", text)
	}
	if err := os.Remove(filepath.Join(data, "0000000000000002.log")); err != nil {
		t.Fatal(err)
	}
	n := startKept(t, data, silent, "memcache.item_max", "2MB")
	defer stop(t, n)
	if got := answers(t, n, fmt.Sprintf("mg key%d s\r\n", last)); got != fmt.Sprintf("HD s%d\r\n", len(value)) {
		t.Errorf("key%d: %q", last, got)
	}
}

// TestStateDirectory: a relative folder is in what systemd says is the unit's.
func TestStateDirectory(t *testing.T) {
	folder := t.TempDir()
	ports := filepath.Join(folder, "ports")
	cmd := exec.Command(program(t, "panda"), "serve", "--port", "-1", "--listen", "127.0.0.1", "--admin", "", "--persist", "log")
	cmd.Dir = t.TempDir()
	cmd.Env = append(cmd.Environ(), "MEMCACHED_PORT_FILENAME="+ports, "STATE_DIRECTORY="+folder+":/other")
	r := launchProgram(t, cmd)
	talk("tcp", net.JoinHostPort("127.0.0.1", portOf(t, ports)), "version")
	r.Process.Signal(syscall.SIGTERM)
	if code := r.exit(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if names, _ := filepath.Glob(filepath.Join(folder, "panda-data", "*")); len(names) == 0 {
		t.Errorf("nothing is kept in %s", folder)
	}
}
