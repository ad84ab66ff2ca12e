package events

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pandabeardb/panda/perf/probe"
)

const (
	// late is what acceptance allows a reply.
	late = 5 * time.Millisecond
	// excuse is how late an idle server, or a probe's waking, is in a machine that
	// was busy elsewhere.
	excuse = late / 2
)

// phase is what the probes saw in some time.
type phase struct {
	server, idle []probe.Sample
	unexplained  []probe.Sample // of the server, later than late
}

// add puts the samples of a run between two moments into the phase.
func (p *phase) add(server, idle []probe.Sample, from, to time.Duration) {
	inside := func(all []probe.Sample) (some []probe.Sample) {
		for _, s := range all {
			if s.At >= from && s.At < to {
				some = append(some, s)
			}
		}
		return some
	}
	ours, theirs := inside(server), inside(idle)
	p.server, p.idle = append(p.server, ours...), append(p.idle, theirs...)
	slices.SortFunc(theirs, func(a, b probe.Sample) int { return int(a.At - b.At) })
	for _, s := range ours {
		if s.Took > late && !excused(s, ours, theirs) {
			s.At -= from
			p.unexplained = append(p.unexplained, s)
		}
	}
}

// worst lists the longest unexplained replies: when since the phase began.
func (p *phase) worst() string {
	const most = 8
	all := slices.Clone(p.unexplained)
	slices.SortFunc(all, func(a, b probe.Sample) int { return int(b.Took - a.Took) })
	text := ""
	for _, s := range all[:min(most, len(all))] {
		text += fmt.Sprintf(" %s at %.2f s,", ms(s.Took), s.At.Seconds())
	}
	return strings.TrimSuffix(text, ",")
}

// excused says whether the machine was late when a reply was.
func excused(s probe.Sample, server, idle []probe.Sample) bool {
	for _, all := range [][]probe.Sample{server, idle} {
		for _, o := range all {
			if o.Late > excuse && o.At > s.At && o.At-o.Late < s.At+s.Took {
				return true
			}
		}
	}
	for _, o := range idle {
		if o.Took > excuse && o.At+o.Took > s.At && o.At < s.At+s.Took {
			return true
		}
	}
	return false
}

func slow(all []probe.Sample) (n int) {
	for _, s := range all {
		if s.Took > late {
			n++
		}
	}
	return n
}

func (p *phase) String() string {
	q, i := probe.Quantiles(p.server, 0.5, 0.999, 1), probe.Quantiles(p.idle, 0.5, 0.999, 1)
	u := probe.Quantiles(p.unexplained, 1)
	return fmt.Sprintf("%7d %6s %8s %8s %5d %5d %8s | %6s %8s %8s %5d", len(p.server), ms(q[0]), ms(q[1]), ms(q[2]),
		slow(p.server), len(p.unexplained), ms(u[0]), ms(i[0]), ms(i[1]), ms(i[2]), slow(p.idle))
}

// heading names the columns of a phase, times in milliseconds.
const heading = "replies    p50    p99.9      max  >5ms unexp      max |    p50    p99.9      max  >5ms  (ms; right: an idle server)"

func ms(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d.Microseconds())/1000) }
