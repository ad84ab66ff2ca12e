package appliance

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pandabeardb/panda/internal/invariant"
)

const (
	gcItems       = 10_000_000
	gcPauseMax    = time.Millisecond
	gcShareMax    = 0.01 // of the CPU time that was used
	gcLoad        = 3 * time.Second
	gcAttempts    = 8               // a busy machine, or a busy host of it, can stop a thread in the middle of a pause
	gcFill        = 4 * time.Minute // to store them: 15 s alone, but everybody's tests run at once
	gcConnections = 4
)

// TestTenMillionItemsAndTheCollector: the collector's work does not grow with
// the data, so its share of CPU and its pauses stay small under load. Two
// collections are forced each time, since the load itself leaves no garbage.
func TestTenMillionItemsAndTheCollector(t *testing.T) {
	if testing.Short() || invariant.On {
		t.Skip("skipped: needs 2 GB and 20 s; not in short runs, and not under the race detector")
	}
	n := start(t, "-p -1 -l 127.0.0.1 -m 4096 -t 2")
	address := n.Addrs()[0]
	fill(t, address)
	var share float64
	var pause time.Duration
	for range gcAttempts {
		share, pause = collectUnderLoad(t, address)
		t.Logf("%d items: collector %.3f %% of the CPU, longest pause %v", gcItems, 100*share, pause)
		if share < gcShareMax && pause < gcPauseMax {
			return
		}
	}
	t.Errorf("collector: %.2f %% of the CPU, longest pause %v; want below %.0f %% and %v", 100*share, pause, 100*gcShareMax, gcPauseMax)
}

// fill stores gcItems items, without replies, and sees that they are there.
func fill(t *testing.T, address net.Addr) {
	value := strings.Repeat("v", 100)
	var wg sync.WaitGroup
	for i := range gcConnections {
		c := dial(t, address)
		c.SetDeadline(time.Now().Add(gcFill))
		wg.Go(func() {
			w := bufio.NewWriterSize(c, 64<<10)
			for j := i; j < gcItems; j += gcConnections {
				fmt.Fprintf(w, "set key-%d 0 0 100 noreply\r\n%s\r\n", j, value)
			}
			io.WriteString(w, "mn\r\n")
			w.Flush()
			if line, err := bufio.NewReader(c).ReadString('\n'); line != "MN\r\n" {
				t.Errorf("after the last set: %q, %v", line, err)
			}
		})
	}
	wg.Wait()
	exchange(t, dial(t, address), fmt.Sprintf("get key-%d\r\n", gcItems-1), fmt.Sprintf("VALUE key-%d 0 100\r\n%s\r\nEND\r\n", gcItems-1, value))
}

// collectUnderLoad measures the collector while clients are busy.
func collectUnderLoad(t *testing.T, address net.Addr) (share float64, pause time.Duration) {
	var wg sync.WaitGroup
	stop := time.Now().Add(gcLoad)
	for i := range gcConnections {
		c := dial(t, address)
		wg.Go(func() { mix(t, c, uint64(i), stop) })
	}
	before := readCollector()
	for range 2 {
		runtime.GC()
	}
	wg.Wait()
	after := readCollector()
	return (after.gc - before.gc) / (after.used - before.used), longest(before.pauses, after.pauses)
}

// mix sets and gets, 16 requests at a time.
func mix(t *testing.T, c net.Conn, seed uint64, stop time.Time) {
	r := rand.New(rand.NewPCG(seed, 1))
	value := strings.Repeat("w", 100)
	in := bufio.NewReaderSize(c, 64<<10)
	request := make([]byte, 0, 4096)
	for time.Now().Before(stop) {
		request = request[:0]
		for range 16 {
			k := r.IntN(gcItems)
			request = fmt.Appendf(request, "get key-%d\r\n", k)
			request = fmt.Appendf(request, "set key-%d 0 0 100 noreply\r\n%s\r\n", k, value)
		}
		c.Write(append(request, "mn\r\n"...))
		for {
			line, err := in.ReadSlice('\n')
			if err != nil {
				t.Error(err)
				return
			}
			if string(line) == "MN\r\n" {
				break
			}
		}
	}
}

type collector struct {
	gc, used float64 // CPU seconds
	pauses   *metrics.Float64Histogram
}

func readCollector() collector {
	s := []metrics.Sample{
		{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/total:cpu-seconds"},
		{Name: "/cpu/classes/idle:cpu-seconds"}, {Name: "/sched/pauses/total/gc:seconds"},
	}
	metrics.Read(s)
	h := *s[3].Value.Float64Histogram()
	h.Counts = append([]uint64(nil), h.Counts...)
	return collector{s[0].Value.Float64(), s[1].Value.Float64() - s[2].Value.Float64(), &h}
}

// longest is the upper bound of the last bucket that has new entries.
func longest(before, after *metrics.Float64Histogram) (d time.Duration) {
	for i, n := range after.Counts {
		if n > before.Counts[i] {
			d = time.Duration(after.Buckets[i+1] * float64(time.Second))
		}
	}
	return d
}
