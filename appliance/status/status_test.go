package status

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/appliance/console"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the expected texts in testdata")

// golden compares a text with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != got {
		t.Errorf("%s differs (%v); if that is meant, go test ./appliance/status -rewrite\n%s", path, err, got)
	}
}

func indented(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// recorded is what memcached 1.6.18 said, each command behind a line of its name.
func recorded(t testing.TB) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/memcached-1.6.18.txt")
	if err != nil {
		t.Fatal(err)
	}
	replies := map[string]string{"version": "VERSION 1.6.18\r\n"}
	for _, part := range strings.Split("\n"+string(text), "\n# ")[1:] {
		command, reply, _ := strings.Cut(part, "\n")
		replies[command] = strings.ReplaceAll(strings.TrimRight(reply, "\n")+"\n", "\n", "\r\n")
	}
	return replies
}

func rowsOf(reply string) Rows {
	rows := Rows{}
	for line := range strings.Lines(reply) {
		if rest, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "STAT "); ok {
			name, value, _ := strings.Cut(rest, " ")
			rows[name] = value
		}
	}
	return rows
}

// original is a reading of memcached.
func original(t testing.TB) Reading {
	t.Helper()
	r := recorded(t)
	return FromTables(Tables{rowsOf(r["stats"]), rowsOf(r["stats items"]), rowsOf(r["stats slabs"]), rowsOf(r["stats settings"])})
}

// node are two readings of panda, two seconds apart.
func node() (before, after *Reading) {
	make := func(n uint64) *Reading {
		r := &Reading{
			Format: Format, TimeMS: 1795521600000 + int64(n)*2000,
			Server: Server{Name: "panda", Version: "0.2 (0123456789ab)", Memcached: "1.6.45", PID: 4242, UptimeSeconds: 200_000 + int64(n)*2, Threads: 2},
			Commands: Commands{
				Get: Outcome{3_000_000 + n*190_000, 1_000_000 + n*10_000}, Set: 500_000 + n*20_000, Delete: Outcome{7 + n, 3},
				Incr: Outcome{0, n}, Touch: Outcome{n * 4, 0}, CAS: CAS{n, n, n}, Meta: n,
			},
			Connections: Connections{Current: 51, Limit: 1024, Total: 5100 + n, Rejected: n * 6},
			Network:     Network{100_000_000 + n*5_000_000, 400_000_000 + n*25_000_000},
			Items:       Items{Current: 120_000, Total: 500_000, Evicted: 10_000 + n*300, Expired: n * 5},
			Memory:      Memory{Limit: 64 << 20, Used: 60 << 20, Items: 50 << 20, Index: 2 << 20},
			CPUSeconds:  10 + float64(n)*1.5,
			Auth:        &Auth{n * 3, n},
			TLS:         &TLS{n * 2, n * 2, n * 7},
			UDP:         &UDP{n * 9, n * 8, n * 2, n * 4, n * 2},
			Latency: &Latency{Count: 3000 + n*1000, SumNS: 100_000_000 + n*50_000_000, Buckets: []Bucket{
				{1024, 0}, {32768, 1000 + n*900}, {65536, 1000 + n*90}, {1 << 30, 1000 + n*9}, {0, n}}},
			HotKeys: &HotKeys{Samples: 4000, Keys: []HotKey{{"user:1", 0.25}, {`\x00\xff`, 0.125}, {strings.Repeat("long:", 40), 0.01}, {"cold", 0.0001}}},
		}
		r.Persist = persisted(n)
		for i := range 12 {
			size := int64(96) << i
			r.Classes = append(r.Classes, Class{Class: i + 1, ChunkBytes: size, Items: 10_000 - 100*int64(i), Hot: 1000, Warm: 2000, Cold: 7000 - 100*int64(i),
				Bytes: 1_000_000 * int64(i+1), ChunksBytes: 1_100_000 * int64(i+1), Gets: n * 1000, Sets: n * 100, Evicted: n * 10, AgeSeconds: 3600})
		}
		r.Runs = []Run{{ChunkBytes: 96, Small: 1 << 20, Main: 9 << 20}, {ChunkBytes: 65536, Small: 40 << 20, Fixed: 1 << 16}}
		r.Loops = []Loop{{26, 50_000_000 + n*4_000_000, 200_000_000 + n*20_000_000, 2_000_000 + n*150_000, 250_000 + n*15_000},
			{25, 50_000_000 + n*1_000_000, 200_000_000 + n*5_000_000, 2_000_000 + n*50_000, 250_000 + n*5_000}}
		return r
	}
	return make(0), make(1)
}

// persisted is a keyspace of a node, at its reading n.
func persisted(n uint64) *Persist {
	return &Persist{
		Mode: "log", Fsync: "everysec", PendingBytes: 3000, UndurableBytes: 1_500_000, UndurableEpochs: 7, UndurableMS: 412.5,
		Waiting: 2, Deferred: n, LogBytes: 1 << 30 * (n + 1), Segments: 3, SegmentBytes: 768 << 20,
		Syncs:    &Latency{Count: 100 + n*10, SumNS: 10_000_000 + n*2_000_000, Buckets: []Bucket{{64_000, 50}, {128_000, 50 + n*9}, {256_000, n}, {0, 0}}},
		Waits:    &Latency{Count: n * 4, SumNS: n * 600_000, Buckets: []Bucket{{128_000, n}, {256_000, n * 3}, {0, 0}}},
		DiskFree: 40 << 30, DiskTotal: 500 << 30, DiskLow: true, DiskFullTimes: 1,
		Snapshot: Snapshot{Running: n > 0, Done: 250_000, Of: 1_000_000, TimeMS: 1_699_999_000_000, Seconds: 12.5, Bytes: 300_000_000, Items: 900_000,
			Taken: 3, Failures: 1},
		RecoverySeconds: 1.25, RecoveredSnapshot: 900_000, RecoveredLog: 12_345,
	}
}

// TestDocumented: docs/status.md names every field of the JSON.
func TestDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/status.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"testdata/reading-panda.json", "testdata/report-panda.json", "testdata/report-since-start.json", "../cli/testdata/bench.json"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fields := regexp.MustCompile(`"(\w+)": `).FindAllStringSubmatch(string(text), -1)
		if len(fields) < 40 {
			t.Errorf("%s has %d fields", name, len(fields))
		}
		for _, f := range fields {
			if !strings.Contains(string(doc), "`"+f[1]+"`") {
				t.Errorf("%s: %s is not in docs/status.md", name, f[1])
			}
		}
	}
}

// TestReading: what memcached says is understood, and JSON keeps its fields.
func TestReading(t *testing.T) {
	golden(t, "reading-memcached.json", indented(t, original(t)))
	_, after := node()
	golden(t, "reading-panda.json", indented(t, after))
	text, err := json.Marshal(after)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := decode(text); err != nil || !reflect.DeepEqual(back, after) {
		t.Errorf("%v, %+v", err, back)
	}
}

// TestReport: an interval, a server's whole life, and one whose totals were reset.
func TestReport(t *testing.T) {
	before, after := node()
	golden(t, "report-panda.json", indented(t, after.Since(before)))
	golden(t, "report-since-start.json", indented(t, after.Since(nil)))
	r := original(t)
	golden(t, "report-memcached.json", indented(t, r.Since(nil)))
}

// TestPersistPage: what is wrong is said, and what there is not is no number.
func TestPersistPage(t *testing.T) {
	for name, k := range map[string]*Persist{
		"a snapshot of 300.0 MB": {Mode: "snapshot", DiskFree: 1 << 40, Snapshot: Snapshot{TimeMS: 1_000_000, Bytes: 300_000_000}},
		"no snapshot, full":      {Mode: "log", Fsync: "always", DiskFull: true, DiskLow: true},
	} {
		r := Reading{TimeMS: 1_060_000, Persist: k}
		var b strings.Builder
		if err := r.Since(nil).Page("x").Print(&b, console.Size{Width: 200}, false); err != nil {
			t.Fatal(err)
		}
		page := b.String()
		if strings.Contains(page, "! the disk is full") != k.DiskFull || strings.Contains(page, "nearly full") ||
			strings.Contains(page, "none") != (k.Snapshot.TimeMS == 0) || strings.Contains(page, "00:01:00") != (k.Snapshot.TimeMS != 0) ||
			!strings.Contains(page, k.Mode) || strings.Contains(page, "snapshots failed") {
			t.Errorf("%s:\n%s", name, page)
		}
	}
}

func TestPages(t *testing.T) {
	before, after := node()
	of := original(t)
	for name, page := range map[string]struct {
		report *Report
		size   console.Size
	}{
		"page-panda-200.txt":        {after.Since(before), console.Size{Width: 200}},
		"page-panda-80x40.txt":      {after.Since(before), console.Size{Width: 80, Height: 40}},
		"page-panda-40x24.txt":      {after.Since(nil), console.Size{Width: 40, Height: 24}},
		"page-memcached-100x30.txt": {of.Since(nil), console.Size{Width: 100, Height: 30}},
	} {
		var b strings.Builder
		if err := page.report.Page("127.0.0.1:8088").Print(&b, page.size, false); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
	}
}

// TestResets: totals that shrank were reset by `stats reset`; another process
// is another server.
func TestResets(t *testing.T) {
	before, after := node()
	after.Commands.Set = 40
	after.Items.Evicted = 2
	after.Latency.Count, after.Latency.Buckets[1].Count = 7, 7
	p := after.Since(before)
	if p.SinceStart || p.Rates.Set != 20 || p.Rates.Evictions != 1 || p.Rates.Get != 100_000 {
		t.Errorf("%+v", p.Rates)
	}
	after.Server.PID++
	if p := after.Since(before); !p.SinceStart || p.IntervalSeconds != 200_002 {
		t.Errorf("another process: %v, %v s", p.SinceStart, p.IntervalSeconds)
	}
	after.Server.PID--
	after.Server.UptimeSeconds = 1
	if p := after.Since(before); !p.SinceStart || p.IntervalSeconds != 1 {
		t.Errorf("the same number, started again: %v, %v s", p.SinceStart, p.IntervalSeconds)
	}
	if p := before.Since(before); !p.SinceStart {
		t.Error("no time passed")
	}
}

func TestQuantiles(t *testing.T) {
	check := func(l *Latency, want *Quantiles) {
		t.Helper()
		if got := l.quantiles(); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	check(nil, nil)
	check(&Latency{Buckets: []Bucket{{1000, 0}, {0, 0}}}, nil)
	check(&Latency{Count: 1000, SumNS: 600_000, Buckets: []Bucket{{1000, 1000}, {2000, 0}, {0, 0}}},
		&Quantiles{Count: 1000, Mean: 600, P50: 500, P90: 900, P99: 990, P999: 999, Max: 1000})
	check(&Latency{Count: 10, SumNS: 10, Buckets: []Bucket{{1000, 5}, {2000, 4}, {0, 1}}},
		&Quantiles{Count: 10, Mean: 1, P50: 1000, P90: 2000, P99: 2000, P999: 2000, Max: 2000})
}

// TestNothingButNumbers: JSON has no NaN, so no rate may be one.
func TestNothingButNumbers(t *testing.T) {
	for name, r := range map[string]*Reading{"empty": {}, "a moment": {TimeMS: 1}, "of nothing": {Loops: make([]Loop, 3), Classes: make([]Class, 2), Latency: &Latency{}}} {
		p := r.Since(nil)
		if _, err := json.Marshal(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if math.IsNaN(p.CPU) || p.HitRatio != nil {
			t.Errorf("%s: %+v", name, p)
		}
		p.Page("x").Print(&strings.Builder{}, console.Size{Width: 80}, false)
	}
}

// FuzzRows: whatever rows say, a reading of them can be shown.
func FuzzRows(f *testing.F) {
	for _, reply := range recorded(f) {
		f.Add(reply)
	}
	f.Add("STAT items:7:number 99999999999999999999999\r\nSTAT 7:chunk_size -1\r\nSTAT time nan\r\nSTAT pid 1e400\r\nSTAT uptime inf\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		rows := rowsOf(text)
		r := FromTables(Tables{rows, rows, rows, rows})
		show(t, &r)
	})
}

// FuzzReading: whatever a port answers, it is refused or can be shown.
func FuzzReading(f *testing.F) {
	_, after := node()
	text, err := json.Marshal(after)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"format":1,"latency":{"buckets":[{"count":18446744073709551615},{"up_to_ns":-5,"count":1}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if r, err := decode(text); err == nil {
			show(t, r)
		}
	})
}

func show(t *testing.T, r *Reading) {
	for _, p := range []*Report{r.Since(nil), r.Since(&Reading{TimeMS: r.TimeMS - 1000, Server: r.Server})} {
		if _, err := json.Marshal(p); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := p.Page("x").Print(&b, console.Size{Width: 80, Height: 24}, false); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsFunc(b.String(), func(r rune) bool { return r < ' ' && r != '\n' }) {
			t.Fatalf("%q", b.String())
		}
	}
}
