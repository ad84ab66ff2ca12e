package appliance

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// startKept starts panda serve with a memory file and a data folder.
func (w *warm) startKept(folder string, args ...string) {
	w.t.Helper()
	ports := filepath.Join(w.t.TempDir(), "ports")
	all := []string{"serve", "--listen", "127.0.0.1", "--port", "-1", "--admin", "", "-m", "16MB", "--data", folder}
	if os.Geteuid() == 0 {
		all = append(all, "-u", "root")
	}
	cmd := exec.Command(program(w.t, "panda"), append(all, args...)...)
	cmd.Env = append(os.Environ(), "MEMCACHED_PORT_FILENAME="+ports)
	w.node = launchProgram(w.t, cmd)
	w.address = net.JoinHostPort("127.0.0.1", portOf(w.t, ports))
}

// TestMemoryFileWithLog: what was saved goes on without being read back; whatever
// does not fit together is recovered from the folder, and says so.
func TestMemoryFileWithLog(t *testing.T) {
	w := newWarm(t)
	folder := t.TempDir()
	kept := []string{"--persist", "log", "--memory-file", w.file}
	w.startKept(folder, kept...)
	w.expect("set kept 7 0 4\r\nhere", "STORED\r\n")
	w.save()
	w.startKept(folder, kept...)
	w.expect("get kept", keptIsThere)
	w.said(`"log_records":0`)
	w.expect("set more 0 0 1\r\n1", "STORED\r\n")
	w.stop(syscall.SIGTERM, 0) // saves no memory
	w.startKept(folder, kept...)
	w.expect("get more", "VALUE more 0 1\r\n1\r\nEND\r\n")
	w.expect("get kept", keptIsThere)
	w.save()

	w.startKept(folder, "--persist", "log") // without the memory file
	w.expect("delete kept", "DELETED\r\n")
	w.stop(syscall.SIGTERM, 0)
	w.startKept(folder, kept...)
	w.said("the memory file is not what the data folder has, or is damaged")
	w.expect("get kept", "END\r\n")
	w.expect("get more", "VALUE more 0 1\r\n1\r\nEND\r\n")
	w.stop(syscall.SIGTERM, 0)
}

// TestDamagedMemoryFileWithLog: what is damaged in the memory file is in the folder.
func TestDamagedMemoryFileWithLog(t *testing.T) {
	w := newWarm(t)
	folder := t.TempDir()
	kept := []string{"--persist", "log", "--memory-file", w.file}
	w.startKept(folder, kept...)
	w.expect("set kept 7 0 4\r\nhere", "STORED\r\n")
	w.save()
	memory, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(memory, []byte("kepthere"))
	if at < 0 {
		t.Fatal("the item is not in the memory file")
	}
	memory[at+7] ^= 1
	if err := os.WriteFile(w.file, memory, 0o600); err != nil {
		t.Fatal(err)
	}
	w.startKept(folder, kept...)
	w.said("or is damaged: the keyspace is recovered from the folder")
	w.expect("get kept", keptIsThere)
	w.save()
	w.startKept(folder, kept...) // what was recovered was saved
	w.said(`"log_records":0`)
	w.expect("get kept", keptIsThere)
	w.stop(syscall.SIGTERM, 0)
}

// said waits until the node has logged a text.
func (w *warm) said(text string) {
	w.t.Helper()
	w.node.said(w.t, text)
}
