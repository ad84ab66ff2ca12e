package events

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/pandabeardb/panda/perf/peer"
	"github.com/pandabeardb/panda/perf/probe"
	"github.com/pandabeardb/panda/perf/verdict"
)

// Options say what to measure.
type Options struct {
	Panda     string // its binary
	Memcached string // its binary; empty: from PATH
	Quick     bool   // small, for development
	Alone     bool   // ours only, one round: for development
	Scenes    *regexp.Regexp
	Folder    string    // where a data folder is made; empty: the system's for temporary files
	Log       io.Writer // progress; nil: none
}

const (
	// threads of each server, and probes of it: one a thread.
	threads = 2
	// probeEvery is the pace of each probe.
	probeEvery = 2 * time.Millisecond
	// onlyWhenAsked is how long the log gets before a snapshot is due by itself.
	onlyWhenAsked = 1 << 40
)

// outcome is what the probes saw of one kind of server, all rounds together.
type outcome struct {
	baseline, action phase
	note             string
	grown            float64 // RSS in the event, as a multiple of that before, at most; 0: not looked at
}

// Run plays the scenes.
func Run(ctx context.Context, o Options) (*verdict.Report, error) {
	r := &verdict.Report{}
	order := []peer.Kind{peer.Panda, peer.Memcached, peer.Memcached, peer.Panda}
	switch {
	case o.Alone:
		order = order[:1]
	case o.Quick:
		order = order[:2]
	}
	for i := range scenes {
		sc := &scenes[i]
		if o.Scenes != nil && !o.Scenes.MatchString(sc.name) {
			continue
		}
		all := map[peer.Kind]*outcome{peer.Panda: {}, peer.Memcached: {}}
		for _, kind := range order {
			if sc.keeps && kind == peer.Memcached {
				continue
			}
			if o.Log != nil {
				fmt.Fprintf(o.Log, "events: %s, %s\n", sc.name, kind)
			}
			if err := o.play(ctx, sc, kind, all[kind]); err != nil {
				return nil, fmt.Errorf("%s, %s: %w", sc.name, kind, err)
			}
		}
		judge(r, sc, all)
	}
	return r, nil
}

// judge adds the lines of a scene.
func judge(r *verdict.Report, sc *scene, all map[peer.Kind]*outcome) {
	r.Say("%-6s %-19s %s", sc.name, "", heading)
	for _, kind := range []peer.Kind{peer.Memcached, peer.Panda} {
		if len(all[kind].action.server) == 0 {
			continue
		}
		r.Say("       %-9s baseline  %s", kind, &all[kind].baseline)
		r.Say("       %-9s event     %s  %s", "", &all[kind].action, all[kind].note)
		if worst := all[kind].action.worst(); worst != "" {
			r.Say("       %-9s the longest without explanation:%s", "", worst)
		}
	}
	ours := all[peer.Panda]
	expected := float64(len(ours.baseline.unexplained)) * float64(len(ours.action.server)) / float64(max(1, len(ours.baseline.server)))
	allowed := expected + 1 + 2*math.Sqrt(expected)
	if ours.grown > 0 {
		r.Hold(ours.grown <= memoryBar, "%s: RSS %.3f times what it was before, at most (bar %.2f)", sc.name, ours.grown, memoryBar)
	}
	r.Hold(float64(len(ours.action.unexplained)) <= allowed, "%s: %d replies of %d later than %v without explanation (baseline suggests %.1f, so up to %.1f are the machine's)",
		sc.name, len(ours.action.unexplained), len(ours.action.server), late, expected, allowed)
}

// play runs a scene once on a server of a kind, beside an idle one.
func (o *Options) play(ctx context.Context, sc *scene, kind peer.Kind, out *outcome) (err error) {
	spec := peer.Spec{Kind: kind, Binary: o.Panda, Threads: threads, MemoryMB: sc.memoryMB}
	if kind == peer.Memcached {
		spec.Binary = o.Memcached
	}
	if o.Quick {
		spec.MemoryMB = sc.quick
	}
	kept := spec
	if sc.keeps {
		folder, madeErr := os.MkdirTemp(o.Folder, "events")
		if madeErr != nil {
			return madeErr
		}
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
		kept.Persist = &peer.Persist{Mode: "log", Fsync: "everysec", Folder: folder, SnapshotAfter: onlyWhenAsked}
	}
	server, err := peer.Start(kept)
	if err != nil {
		return err
	}
	idle, err := peer.Start(spec)
	if err != nil {
		return errors.Join(err, server.Stop())
	}
	s := &stage{server: server, quick: o.Quick}
	err = sc.measure(ctx, s, idle, out)
	if s.before > 0 && !o.Quick { // few items weigh less than what any snapshot takes
		out.grown = max(out.grown, float64(s.within)/float64(s.before))
	}
	return errors.Join(err, idle.Stop(), server.Stop())
}

// measure prepares, then runs both loads with the probes beside them.
func (sc *scene) measure(ctx context.Context, s *stage, idle *peer.Server, out *outcome) error {
	if err := sc.prepare(ctx, s); err != nil {
		return err
	}
	start := time.Now()
	var probes []*probe.Probe // server, idle, server, idle
	var err error
	for i := 0; i < 2*threads && err == nil; i++ {
		to := [2]*peer.Server{s.server, idle}[i%2]
		var p *probe.Probe
		if p, err = probe.Start(to.Network, to.Address, start, probeEvery, "get probe\r\n", "END\r\n"); err == nil {
			probes = append(probes, p)
		}
	}
	if err == nil {
		err = sc.baseline(ctx, s)
	}
	turn := time.Since(start)
	if err == nil {
		err = sc.action(ctx, s)
	}
	end := time.Since(start)
	var seen [2][]probe.Sample
	for i, p := range probes {
		samples, stopErr := p.Stop()
		seen[i%2] = append(seen[i%2], samples...)
		err = errors.Join(err, stopErr)
	}
	if err != nil {
		return err
	}
	for _, all := range seen {
		slices.SortFunc(all, func(a, b probe.Sample) int { return int(a.At - b.At) })
	}
	out.baseline.add(seen[0], seen[1], 0, turn)
	out.action.add(seen[0], seen[1], turn, end)
	stats, err := statistics(s.server)
	out.note = sc.note(s, stats)
	return err
}
