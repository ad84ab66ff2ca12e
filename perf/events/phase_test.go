package events

import (
	"testing"
	"time"

	"github.com/pandabeardb/panda/perf/peer"
	"github.com/pandabeardb/panda/perf/probe"
	"github.com/pandabeardb/panda/perf/verdict"
)

const msec = time.Millisecond

func at(sent, took, late time.Duration) probe.Sample {
	return probe.Sample{At: sent * msec, Took: took * msec, Late: late * msec}
}

// A late reply is excused by what was late at the same moment, and by nothing else.
func TestLateRepliesAreExcused(t *testing.T) {
	slow := at(100, 20, 0)
	for _, c := range []struct {
		name        string
		idle, other probe.Sample
		unexplained int
	}{
		{"nothing", at(110, 1, 0), at(112, 1, 0), 1},
		{"the idle server was late, too", at(90, 15, 0), at(112, 1, 0), 0},
		{"it was late before", at(80, 15, 0), at(112, 1, 0), 1},
		{"a probe was not woken", at(110, 1, 0), at(115, 1, 8), 0},
		{"the idle one's was not", at(125, 1, 10), at(150, 1, 0), 0},
		{"a probe was not woken later", at(110, 1, 0), at(140, 1, 8), 1},
	} {
		var p phase
		p.add([]probe.Sample{slow, c.other}, []probe.Sample{c.idle}, 0, time.Second)
		if len(p.unexplained) != c.unexplained {
			t.Errorf("%s: %d unexplained, want %d", c.name, len(p.unexplained), c.unexplained)
		}
	}
	var p phase
	p.add([]probe.Sample{slow}, nil, 200*msec, time.Second)
	if len(p.server) != 0 {
		t.Error("a sample of another phase was taken")
	}
}

func TestVerdictComparesWithTheBaseline(t *testing.T) {
	outcomes := func(baseline, action int) map[peer.Kind]*outcome {
		o := &outcome{}
		o.baseline.server, o.action.server = make([]probe.Sample, 1000), make([]probe.Sample, 2000)
		o.baseline.unexplained, o.action.unexplained = make([]probe.Sample, baseline), make([]probe.Sample, action)
		return map[peer.Kind]*outcome{peer.Panda: o, peer.Memcached: {}}
	}
	for _, c := range []struct {
		baseline, action int
		held             bool
	}{{0, 0, true}, {0, 1, true}, {0, 2, false}, {8, 25, true}, {8, 26, false}} {
		r := &verdict.Report{}
		judge(r, &scenes[0], outcomes(c.baseline, c.action))
		if r.Held() != c.held {
			t.Errorf("%+v:\n%v", c, r)
		}
	}
}
