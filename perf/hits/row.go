package hits

import (
	"fmt"
	"regexp"

	"github.com/pandabeardb/panda/perf/trace"
)

// MemoryMB is -m of both servers: memcached's default.
const MemoryMB = 64

// sizes are the values of the table: 50 bytes to 2 KB, 529 on the average.
var sizes = trace.LogUniform{Min: 50, Max: 2000}

// Row is a trace at one footprint.
type Row struct {
	Trace     trace.Trace
	Footprint float64 // of all keys but a scan's, in multiples of the memory
}

// Name is what the table calls the row.
func (r Row) Name() string { return fmt.Sprintf("%s/%gx", r.Trace.Name, r.Footprint) }

// keys is the number of keys of the footprint.
func (r Row) keys() uint32 {
	return uint32(r.Footprint * (MemoryMB << 20) / (float64(keySize) + sizes.Mean()))
}

// Rows returns the table's rows: five traces at three footprints each. Loops are
// shorter, since what does not fit at all hits nowhere.
func Rows() (rows []Row) {
	add := func(t trace.Trace, footprints ...float64) {
		for _, f := range footprints {
			rows = append(rows, Row{t, f})
		}
	}
	for _, skew := range []float64{0.8, 1.0, 1.2} {
		add(trace.ZipfTrace(skew), 2, 5, 20)
	}
	add(trace.ScanTrace(1.0), 2, 5, 20)
	add(trace.LoopTrace(), 1.2, 2, 5)
	return rows
}

func matching(rows []Row, e *regexp.Regexp) (m []Row) {
	for _, r := range rows {
		if e == nil || e.MatchString(r.Name()) {
			m = append(m, r)
		}
	}
	return m
}
