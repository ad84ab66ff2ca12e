package perf

import (
	"regexp"
	"testing"
)

// bars are the acceptance lines of the issues: a row may not leave, nor its bar move.
var bars = map[string][2]float64{
	"set/depth=1": {1.05, 1.24}, "get/depth=1": {1.05, 1.24},
	"set/depth=16": {0.60, 2.4}, "get/depth=16": {0.17, 2.4},
	"set/depth=64": {0.36, 4.4}, "get/depth=64": {0.10, 4.4},
	"multiget/keys=16": {0.7, 0}, "multiget/keys=100": {0.7, 0},
	"ms/depth=16": {0.7, 0}, "mg/depth=16": {0.7, 0},
	"mixed-90-10-zipf/depth=1": {1.05, 0},
	"set/value=10KB":           {1, 0}, "get/value=10KB": {1, 0},
	"set/value=500KB": {1, 0}, "get/value=500KB": {1, 0},
	"binary-set/depth=1": {1, 0}, "binary-get/depth=1": {1, 0},
	"binary-setq/depth=16": {0.5, 0}, "binary-getkq/depth=16": {0.5, 0},
	"tls-set/depth=1": {0.9, 0}, "tls-get/depth=1": {0.9, 0}, "tls-get/depth=16": {0.3, 0},
	"udp-get/depth=1": {1, 0},
}

func TestRowsHaveTheirBars(t *testing.T) {
	rows := Rows()
	if len(rows) != len(bars) {
		t.Errorf("%d rows, want %d", len(rows), len(bars))
	}
	for _, r := range rows {
		if want, ok := bars[r.Name]; !ok || r.BarPeer != want[0] || r.BarFloor != want[1] {
			t.Errorf("%s: bars %v and %v, want %v", r.Name, r.BarPeer, r.BarFloor, want)
		}
	}
}

func TestSpaces(t *testing.T) {
	got := spaces(Rows())
	want := []space{{"key:", smallKeys, smallValue}, {"mid:", mediumKeys, mediumV}, {"big:", largeKeys, largeV}}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
	some := matching(Rows(), regexp.MustCompile("^[gs]et/depth=16$"))
	if s := spaces(some); len(some) != 2 || len(s) != 1 || s[0].count != pipelineKeys {
		t.Errorf("depth 16 only: %d rows, %+v", len(some), s)
	}
}

// Both servers have the first and the last turn equally often.
func TestOrderIsFair(t *testing.T) {
	var turns [2][4]int
	for round := range 2 {
		for turn, who := range order(round) {
			turns[who][turn]++
		}
	}
	if turns[0] != turns[1] {
		t.Fatalf("turns %v", turns)
	}
}
