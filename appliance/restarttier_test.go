package appliance

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A warmFlash is a memory file with flash, and the node that has both.
type warmFlash struct {
	*warm
	flash string
	args  []string
}

// flashItems have about 20 MB: more than memory, and less than flash.
const flashItems = 7000

func newWarmFlash(t *testing.T) *warmFlash {
	flash := filepath.Join(t.TempDir(), "flash")
	return &warmFlash{newWarm(t), flash, []string{"-o", "ext_page_size=4,ext_wbuf_size=2,ext_item_size=200,ext_recache_rate=0,ext_path=" + flash + ":64m"}}
}

func (w *warmFlash) dial() net.Conn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.address)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

// fill stores all, one at a time, and again what the disk was too slow for: that is evicted.
func (w *warmFlash) fill() {
	w.t.Helper()
	const attempts = 5
	c := w.dial()
	defer c.Close()
	reply := make([]byte, len("STORED\r\n"))
	absent := make([]int, flashItems)
	for i := range absent {
		absent[i] = i
	}
	for range attempts {
		for _, i := range absent {
			v := flashValue(i)
			fmt.Fprintf(c, "set key%d 7 0 %d\r\n%s\r\n", i, len(v), v)
			if _, err := io.ReadFull(c, reply); err != nil || string(reply) != "STORED\r\n" {
				w.t.Fatalf("%q, %v", reply, err)
			}
		}
		if absent = w.absent(); len(absent) == 0 {
			return
		}
	}
	w.t.Fatalf("%d of %d are missing at once", len(absent), flashItems)
}

// missing is how many are not there.
func (w *warmFlash) missing() int {
	w.t.Helper()
	return len(w.absent())
}

// absent reads all, and says which are not there. None may have another value.
func (w *warmFlash) absent() (list []int) {
	w.t.Helper()
	c := w.dial()
	defer c.Close()
	r := bufio.NewReader(c)
	for i := range flashItems {
		fmt.Fprintf(c, "get key%d\r\n", i)
		line, err := r.ReadString('\n')
		if line == "END\r\n" {
			list = append(list, i)
			continue
		}
		value, _ := r.ReadString('\n')
		if end, _ := r.ReadString('\n'); err != nil || value != flashValue(i)+"\r\n" || end != "END\r\n" {
			w.t.Fatalf("get key%d: %q, %.20q, %q, %v", i, line, value, end, err)
		}
	}
	return list
}

// TestWarmRestartWithFlash: a restart goes on with what is in memory and on flash, again
// and again, also behind a start that failed.
func TestWarmRestartWithFlash(t *testing.T) {
	w := newWarmFlash(t)
	w.start(w.args...)
	w.fill()
	for round := range 3 {
		w.save()
		if round == 1 {
			other, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			_, port, _ := net.SplitHostPort(other.Addr().String())
			if code, printed := runProgram(t, w.command(append(w.args, "-p", port)...)); code == 0 || !strings.Contains(printed, "failed to listen") {
				t.Fatalf("a port that is taken: exit code %d: %s", code, printed)
			}
			other.Close()
		}
		w.start(w.args...)
		if n := w.missing(); n > 0 {
			t.Errorf("round %d: %d of %d are missing", round, n, flashItems)
		}
		if n := w.number("stats", "STAT get_extstore "); n < flashItems/10 {
			t.Errorf("round %d: %d came from flash", round, n)
		}
	}
	w.expect("set key1 7 0 3\r\nnew", "STORED\r\n")
	w.save()
	w.start(w.args...)
	w.expect("get key1", "VALUE key1 7 3\r\nnew\r\nEND\r\n")
	w.save()
	w.start() // without flash
	w.said("[restart] restart incompatible due to setting for [ext_path], starting with a clean cache")
	w.expect("get key1", "END\r\n")
	w.stop(syscall.SIGKILL, -1)
}

// TestWarmRestartWithOtherFlash: values that are not on flash any more are misses, and
// never others.
func TestWarmRestartWithOtherFlash(t *testing.T) {
	for name, change := range map[string]func(w *warmFlash){
		"removed": func(w *warmFlash) { os.Remove(w.flash) },
		"emptied": func(w *warmFlash) { os.Truncate(w.flash, 0) },
		"that of before": func(w *warmFlash) {
			before, err := os.ReadFile(w.flash)
			if err != nil {
				w.t.Fatal(err)
			}
			w.start(w.args...)
			w.fill()
			w.save()
			if err := os.WriteFile(w.flash, before, 0o600); err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWarmFlash(t)
			w.start(w.args...)
			w.fill()
			w.save()
			change(w)
			w.start(w.args...)
			w.said("[flash] files are not as they were when the memory was saved: the values in them are given up")
			if n := w.missing(); n == 0 || n == flashItems {
				t.Errorf("%d of %d are missing", n, flashItems)
			}
			w.fill()
			w.stop(syscall.SIGKILL, -1)
		})
	}
}

// TestDamagedFlash: a warm restart with damage on flash misses what was damaged.
func TestDamagedFlash(t *testing.T) {
	w := newWarmFlash(t)
	w.start(w.args...)
	w.fill()
	w.save()
	f, err := os.OpenFile(w.flash, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 100<<10), 1<<20); err != nil {
		t.Fatal(err)
	}
	f.Close()
	w.start(w.args...)
	if n := w.missing(); n == 0 || n > flashItems/10 {
		t.Errorf("%d of %d are missing", n, flashItems)
	}
	w.stop(syscall.SIGKILL, -1)
}

// TestCrashWithFlash: behind a crash nothing is there, whatever is on flash.
func TestCrashWithFlash(t *testing.T) {
	w := newWarmFlash(t)
	w.start(w.args...)
	w.fill()
	w.save()
	w.start(w.args...)
	w.stop(syscall.SIGKILL, -1)
	w.start(w.args...)
	if n := w.missing(); n != flashItems {
		t.Errorf("%d are there", flashItems-n)
	}
	w.stop(syscall.SIGKILL, -1)
}

// TestMemoryFileWithLogAndFlash: with a data folder, too, what was saved goes on without
// being read back, and what is not on flash any more is in the folder.
func TestMemoryFileWithLogAndFlash(t *testing.T) {
	w := newWarmFlash(t)
	folder := t.TempDir()
	kept := []string{"--persist", "log", "--memory-file", w.file, "--set", "flash.files=" + w.flash + ":64m", "--set", "flash.value_min=200B"}
	w.startKept(folder, kept...)
	w.fill()
	w.save()
	w.startKept(folder, kept...)
	w.said(`"log_records":0`)
	if n := w.missing(); n > 0 {
		t.Errorf("%d of %d are missing", n, flashItems)
	}
	w.save()
	os.Remove(w.flash)
	w.startKept(folder, kept...)
	w.said("the memory file is not what the data folder has, or is damaged")
	if n := w.missing(); n > 0 {
		t.Errorf("without what was on flash: %d of %d are missing", n, flashItems)
	}
	w.save()
	w.startKept(folder, kept...)
	w.said(`"log_records":0`)
	if n := w.missing(); n > 0 {
		t.Errorf("what was recovered: %d of %d are missing", n, flashItems)
	}
	w.stop(syscall.SIGTERM, 0)
}
