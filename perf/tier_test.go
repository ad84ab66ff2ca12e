package perf

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"regexp"
	"runtime"
	"testing"

	"github.com/pandabeardb/panda/perf/peer"
)

// Of 100 gets 40 found a value in memory, and 45 one on flash.
func TestFromFlash(t *testing.T) {
	before := map[string]float64{"cmd_get": 10, "get_hits": 9, "get_extstore": 3, "miss_from_extstore": 1}
	after := map[string]float64{"cmd_get": 110, "get_hits": 94, "get_extstore": 50, "miss_from_extstore": 3}
	if got := fromFlash(before, after); got != 0.75 {
		t.Errorf("%g", got)
	}
}

func TestReadStats(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		if line, _ := bufio.NewReader(c).ReadString('\n'); line == "stats\r\n" {
			fmt.Fprint(c, "STAT cmd_get 17\r\nSTAT version 1.6.18\r\nSTAT rusage_user 0.5\r\nEND\r\nSTAT not_read 1\r\n")
		}
	}()
	got, err := readStats(l.Addr().String())
	if err != nil || len(got) != 2 || got["cmd_get"] != 17 || got["rusage_user"] != 0.5 {
		t.Errorf("%v %v", got, err)
	}
}

// The whole way, with a tenth of the keys: memory has room for all of them, but those that
// were not used for a second go.
func TestTier(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: measuring needs Linux's /proc and epoll")
	}
	program, err := peer.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := measured(t, Options{
		Panda: program, Tier: true, Rounds: 1, Scale: 0.1, Rows: regexp.MustCompile("^flash/loaded"), Folder: t.TempDir(),
	})
	var table bytes.Buffer
	if err := WriteTable(&table, r); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", &table)
	if len(r.Flash) != 6 || r.Flash[0].What != ofHits || r.Flash[0].OursAt[0] < 500 {
		t.Errorf("%+v", r.Flash)
	}
	for _, f := range r.Flash {
		if q := f.Ratio().Median; !(q > 0.001 && q < 1000) {
			t.Errorf("%+v: %g", f, q)
		}
	}
}
