package appliance

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pandabeardb/panda/appliance/admin"
	"github.com/pandabeardb/panda/disk/dio"
)

const flashFlags = "-m 16 -t 2 -p -1 -l 127.0.0.1 -o ext_page_size=4,ext_wbuf_size=2,ext_item_size=200,ext_path="

func flashValue(i int) string {
	return strings.Repeat(fmt.Sprintf("%d.", i), 1+(300+i*37%5000)/len(fmt.Sprintf("%d.", i)))
}

// More than memory holds is all there, over real sockets and on a real disk; clients
// that go away in the middle, and a node that stops, leave nothing behind.
func TestFlash(t *testing.T) {
	file := filepath.Join(t.TempDir(), "flash")
	n := start(t, flashFlags+file+":128m")
	c := dial(t, n.Addrs()[0])
	const count = 12_000 // 33 MB
	w := bufio.NewWriter(c)
	for i := range count {
		v := flashValue(i)
		fmt.Fprintf(w, "set key%d 7 0 %d noreply\r\n%s\r\n", i, len(v), v)
	}
	w.WriteString("mn\r\n")
	w.Flush()
	exchange(t, c, "", "MN\r\n")
	var clients sync.WaitGroup
	for client := range 16 {
		clients.Go(func() {
			c := dial(t, n.Addrs()[0])
			r := bufio.NewReader(c)
			random := rand.New(rand.NewPCG(uint64(client), 1))
			for range 100 {
				var in, want strings.Builder
				for range 1 + random.IntN(8) {
					in.WriteString("get")
					for range 1 + random.IntN(4) {
						i := random.IntN(count)
						fmt.Fprintf(&in, " key%d", i)
						fmt.Fprintf(&want, "VALUE key%d 7 %d\r\n%s\r\n", i, len(flashValue(i)), flashValue(i))
					}
					in.WriteString("\r\n")
					want.WriteString("END\r\n")
				}
				io.WriteString(c, in.String())
				got := make([]byte, want.Len())
				if _, err := io.ReadFull(r, got); err != nil || string(got) != want.String() {
					t.Errorf("%.100q is answered %.300q, %v", in.String(), got, err)
					return
				}
			}
			if client%2 == 0 { // what it asks for last, it does not wait for
				io.WriteString(c, "get key1 key2 key3 key4 key5 key6 key7\r\n")
			}
		})
	}
	clients.Wait()
	s := n.tier.Stats()
	if evictions := n.store.Stats().Evictions; evictions != 0 || s.ObjectsRead == 0 || s.Damaged != 0 {
		t.Errorf("%d evicted, %+v", evictions, s)
	}
	w.WriteString("flush_all\r\n")
	w.Flush()
	exchange(t, c, "", "OK\r\n")
	var source admin.Source
	n.addFlash(&source)
	if d := source.Flash(); d.DebtBytes < 0 || d.DebtPages < 0 || d.DebtBytes > s.BytesLimit {
		t.Errorf("%+v", d)
	}
	if _, err := build(t, flashFlags+file+":128m"); !errors.Is(err, ErrFlash) || !errors.Is(err, dio.ErrInUse) {
		t.Errorf("a second node with the same file: %v", err)
	}
}

func TestFlashRefused(t *testing.T) {
	folder := t.TempDir()
	for name, v := range map[string]string{
		"no such folder": filepath.Join(folder, "none", "flash") + ":64m",
		"no page":        filepath.Join(folder, "flash") + ":3m",
		"a folder":       folder + ":64m",
	} {
		if _, err := build(t, flashFlags+v); !errors.Is(err, ErrFlash) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "none")); err == nil {
		t.Error("a folder was made")
	}
}
