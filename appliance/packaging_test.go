package appliance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pandabeardb/panda/appliance/config"
)

const packaging = "../packaging"

// installed is where the unit and the image have the binary.
const installed = "/usr/local/bin/panda"

func readPackaging(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(packaging, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// unitSetting is the value of a setting that a unit has once.
func unitSetting(t *testing.T, unit, name string) string {
	t.Helper()
	value, found := "", 0
	for line := range strings.Lines(unit) {
		if rest, ok := strings.CutPrefix(line, name+"="); ok {
			value = strings.TrimSpace(rest)
			found++
		}
	}
	if found != 1 {
		t.Fatalf("the unit has %s= %d times", name, found)
	}
	return value
}

// TestUnitsAreValid asks systemd, which names what it does not know.
func TestUnitsAreValid(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("skipped: systemd-analyze is not installed")
	}
	folder := t.TempDir()
	cmd := exec.Command(analyze, "verify")
	for _, name := range []string{"panda.service", "panda.socket"} {
		text := strings.ReplaceAll(readPackaging(t, "systemd/"+name), installed, program(t, "panda"))
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd.Args = append(cmd.Args, path)
	}
	if code, printed := runProgram(t, cmd); code != 0 || strings.Contains(printed, folder) {
		t.Errorf("exit code %d: %s", code, printed)
	}
}

// TestUnitStarts: what ExecStart says starts, and tells systemd so; what
// ExecReload and KillSignal send has the effect that the unit wants.
func TestUnitStarts(t *testing.T) {
	unit := readPackaging(t, "systemd/panda.service")
	words := strings.Fields(unitSetting(t, unit, "ExecStart"))
	if words[0] != installed || unitSetting(t, unit, "Type") != "notify" {
		t.Fatalf("%q, and Type=%s", words, unitSetting(t, unit, "Type"))
	}
	folder := t.TempDir()
	memory := filepath.Join(folder, "memory")
	s := newSupervisor(t, filepath.Join(folder, "notify"))
	state := filepath.Join(folder, unitSetting(t, unit, "StateDirectory"))
	cmd := exec.Command(program(t, "panda"), append(words[1:], "--port", "-1", "--admin", "", "--memory-file", memory, "--persist", "log")...)
	cmd.Dir = folder // where there is no panda.toml
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+s.address, "WATCHDOG_USEC=30000000", "STATE_DIRECTORY="+state)
	r := launchProgram(t, cmd)
	s.expect(t, `^READY=1`)
	if reload, want := unitSetting(t, unit, "ExecReload"), "/bin/kill -HUP $MAINPID"; reload != want {
		t.Errorf("ExecReload=%s, want %s", reload, want)
	}
	r.Process.Signal(syscall.SIGHUP)
	s.expect(t, `^RELOADING=1`)
	s.expect(t, `^READY=1$`)
	r.Process.Signal(unix.SignalNum(unitSetting(t, unit, "KillSignal")))
	s.expect(t, `^STOPPING=1$`)
	if code := r.exit(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if printed := r.stderr.String(); !strings.Contains(printed, "[restart] saved") {
		t.Errorf("the memory was not saved: %s", printed)
	}
	if _, err := os.Stat(filepath.Join(state, "panda-data", "KEYSPACE")); err != nil {
		t.Errorf("nothing is kept in the unit's folder: %v", err)
	}
}

// TestImageTakesMemcachedsFlags, as memcached's official image does: behind its
// name, or without it.
func TestImageTakesMemcachedsFlags(t *testing.T) {
	image := readPackaging(t, "container/Dockerfile")
	version, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(version), "\ngo ")
	line, _, _ := strings.Cut(rest, "\n")
	release := strings.Join(strings.Split(line, ".")[:2], ".")
	for _, want := range []string{
		"FROM golang:" + release + " AS build\n",
		" -o /image" + installed + " ./appliance/cmd/panda\n",
		"ln -s panda /image/usr/local/bin/memcached ",
		"\nENTRYPOINT [\"memcached\"]\n",
		" --chown=11211:11211 /data /var/lib/panda\n",
		" /image/etc /data ",
	} {
		if !strings.Contains(image, want) {
			t.Errorf("the image has no %q", want)
		}
	}
	for _, args := range []string{"", "-m 1024", "memcached -m 1024", "memcached -u memcache -m 1024"} {
		c, exit := config.Memcached("memcached", strings.Fields(args))
		if exit != nil {
			t.Errorf("%s: %v", args, exit)
		} else if want := int64(strings.Count(args, "1024")*960+64) << 20; c.Memcache.Settings.MaxBytes != want {
			t.Errorf("%s: %d bytes, want %d", args, c.Memcache.Settings.MaxBytes, want)
		}
	}
}

// TestDocumentedFlagsAreAccepted: each command of ours that a document names.
func TestDocumentedFlagsAreAccepted(t *testing.T) {
	tried := 0
	for _, name := range []string{"../README.md", "../docs/replace-memcached.md", "../packaging/systemd/panda.service"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			args, ok := documentedFlags(line)
			if !ok {
				continue
			}
			tried++
			if _, exit := config.Memcached("memcached", args); exit != nil {
				t.Errorf("%s: %s: %v", name, strings.TrimSpace(line), exit)
			}
		}
	}
	if tried < 5 {
		t.Errorf("only %d commands were found", tried)
	}
}

// documentedFlags are memcached's flags on a line of a document: behind
// "panda memcached", or "memcached" at a line's beginning.
func documentedFlags(line string) (args []string, ok bool) {
	line = strings.TrimLeft(line, "# $>")
	line, _, _ = strings.Cut(line, " #")
	if _, rest, found := strings.Cut(line, "panda memcached -"); found {
		line = "memcached -" + rest
	}
	rest, ok := strings.CutPrefix(line, "memcached -")
	rest, _, _ = strings.Cut(rest, "`")
	rest = strings.TrimSuffix(strings.TrimSpace(rest), "&")
	return strings.Fields("-" + rest), ok
}

// TestWatchdogWhileTheMemoryIsSaved: a node that ends, or that waits for its
// successor, runs no loop and is not dead.
func TestWatchdogWhileTheMemoryIsSaved(t *testing.T) {
	p := newPulse(1)
	until(t, "a loop that never ticked to count as hung", func() bool { return p.hung(1) != nil })
	p.rest()
	if err := p.hung(1); err != nil {
		t.Error(err)
	}
	n, err := build(t, "-s "+filepath.Join(t.TempDir(), "s"))
	if err == nil {
		err = n.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	stop(t, n)
	if !n.pulse.resting.Load() {
		t.Error("the end of a node does not end its pulse")
	}
}
