package perf

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pandabeardb/panda/perf/load"
	"github.com/pandabeardb/panda/perf/peer"
)

// Ten times as much as memory holds, and a file that has room for three times that.
const (
	tierMemoryMB = 64
	tierKeys     = 168_000
	tierValue    = 4000
	tierFileMB   = 2048
	// tierBoxMB is a machine with as much memory as two and a half times the cache: what a
	// server has beside it is less than the cache once more, and the page cache of a file of
	// ten times the cache does not fit.
	tierBoxMB  = 160
	tierPrefix = "flash:"
	// tierFlags: small pages and buffers, as small files want, and values that go when
	// they were not used for a second.
	tierFlags = "ext_page_size=8,ext_wbuf_size=2,ext_item_age=1,ext_path="
	// tierTime is half of a cell at scale 1, and of as much load before it that does not
	// count: while the other server is measured, memory empties because of ext_item_age.
	tierTime = 1500 * time.Millisecond
)

// A tierRow is zipf reads of values that memory has no room for. Misses are not stored again.
type tierRow struct {
	name   string
	passes int     // over all keys, before anything is measured
	rate   float64 // sets per second; 0: as fast as they are taken
	boxMB  int     // memory of each server with the page cache of its file; 0: the machine's

	// Bars, 0: none: of the hit ratio, of hits and of requests per second, and of the gets
	// that memory has no value for, how many are answered from flash.
	hits, hitRate, requestRate, flash float64
}

// tierRows are two states, and one of them once more. Loaded at once, memcached loses most of the values: it takes half a
// minute until it has memory for as many keys, so that its requests are mostly misses, which
// cost it little. Then it has all, and both do the same work. What is stored faster than the
// disk takes it is lost, so that only then all has to be there.
//
// memcached reads its file through the page cache. On a machine with much memory beside, the file
// is in memory, and no flash is read. Where the data is ten times the memory of all, the disk
// answers both: the last row.
func tierRows() []tierRow {
	return []tierRow{
		{name: "flash/loaded/get/zipf", passes: 1, hits: 1, hitRate: 1},
		{name: "flash/settled/get/zipf", passes: 5, rate: 12_000, hits: 1, requestRate: 1, flash: 0.9},
		{name: "flash/box/get/zipf", passes: 5, rate: 12_000, boxMB: tierBoxMB, hits: 1, requestRate: 1, flash: 0.9},
	}
}

// wantsTier says whether there is a row of flash that is to be measured.
func (o *Options) wantsTier() bool {
	for _, r := range tierRows() {
		if o.wants(r.name) {
			return true
		}
	}
	return false
}

// againstTier compares second tiers, with the same flags.
func (o *Options) againstTier(ctx context.Context, report *Report) error {
	for _, r := range tierRows() {
		if !o.wants(r.name) {
			continue
		}
		switch err := o.tier(ctx, report, &r); {
		case errors.Is(err, peer.ErrNoGroup):
			report.skip(r.name, err)
			o.logf("%s: SKIPPED: %v", r.name, err)
		case err != nil:
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return nil
}

// tier measures a row on two servers of its own.
func (o *Options) tier(ctx context.Context, report *Report, r *tierRow) error {
	dir, err := os.MkdirTemp(o.Folder, "pandaperf")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ours := o.subject(peerThreads)
	ours.MemoryMB = tierMemoryMB
	other := peer.Spec{Kind: peer.Memcached, Binary: o.Memcached, Threads: peerThreads, MemoryMB: tierMemoryMB}
	for i, s := range []*peer.Spec{&ours, &other} {
		s.BoxMB = r.boxMB
		s.Extra = []string{"-o", fmt.Sprintf("%s%s:%dm", tierFlags, filepath.Join(dir, strconv.Itoa(i)), tierFileMB)}
	}
	c, err := newContest(o, ours, other, nil, nil)
	if err != nil {
		return err
	}
	c.peer.lossy = true
	figures, err := c.tier(ctx, r)
	if err == nil {
		err = c.versions(report)
	}
	report.Flash = append(report.Flash, figures...)
	for i := range figures {
		o.logFigure(&figures[i])
	}
	return errors.Join(err, c.stop())
}

// tier fills both servers, and measures them in turns.
func (c *contest) tier(ctx context.Context, r *tierRow) ([]Figure, error) {
	keys := max(int(tierKeys*min(c.o.Scale, 1)), tierMemoryMB<<20/tierValue)
	if err := c.fillTiers(ctx, r, keys); err != nil {
		return nil, err
	}
	l := small(0)
	l.KeyPrefix, l.KeyCount, l.ValueSize, l.Zipf, l.Latency = tierPrefix, keys, tierValue, zipfSkew, true
	if c.o.ProfileDir != "" {
		if err := c.profile(ctx, &Row{Name: r.name, Load: l}); err != nil {
			return nil, err
		}
	}
	l.Duration = time.Duration(float64(tierTime) * c.o.Scale)
	before, err := readStats(c.ours.Address)
	if err != nil {
		return nil, err
	}
	samples, err := c.rounds(func(s *side, seed uint64) (Sample, error) {
		l := l
		l.Seed = seed + 1<<33
		if _, err := s.measureHits(ctx, l); err != nil {
			return Sample{}, err
		}
		l.Seed = seed
		return s.measureHits(ctx, l)
	})
	if err != nil {
		return nil, err
	}
	after, err := readStats(c.ours.Address)
	share := 1000 * fromFlash(before, after)
	return []Figure{
		c.figure(r.name, ofHits, samples, Sample.hitsPerMille, r.hits, true),
		c.figure(r.name, ofRate, samples, Sample.perSecond, r.requestRate, true),
		c.figure(r.name, ofHitRate, samples, Sample.hitsPerSecond, r.hitRate, true),
		c.figure(r.name, ofCPU, samples, Sample.cpuNS, 0, false),
		c.figure(r.name, ofP99, samples, Sample.p99NS, 0, false),
		{
			Row: r.name, What: ofFlash, Ours: c.ours.name, Peer: "misses-in-memory",
			OursAt: []float64{share}, PeerAt: []float64{1000}, Bar: r.flash, AtLeast: true,
		},
	}, err
}

// fillTiers stores all keys on both sides at the same time.
func (c *contest) fillTiers(ctx context.Context, r *tierRow, keys int) error {
	l := space{tierPrefix, keys, tierValue}.fill()
	if r.rate > 0 {
		l.Rate, l.Duration = r.rate, time.Duration(float64(keys)/r.rate*float64(time.Second))
	}
	var errs [2]error
	var wait sync.WaitGroup
	for i, s := range c.sides() {
		wait.Go(func() {
			for range r.passes {
				l := l
				l.Network, l.Address = s.Network, s.Address
				got, err := load.Run(ctx, l)
				if err == nil && got.Errors > 0 && !s.lossy { // memcached refuses some percent while it moves pages
					err = fmt.Errorf("%w: %s refused %d of %d sets", ErrMeasurement, s.name, got.Errors, got.Requests)
				}
				errs[i] = errors.Join(errs[i], err)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs[:]...)
}

// measureHits is measure of a load that may miss.
func (s *side) measureHits(ctx context.Context, l load.Config) (Sample, error) {
	l.Network, l.Address = s.Network, s.Address
	before, err := s.CPU()
	if err != nil {
		return Sample{}, err
	}
	r, err := load.Run(ctx, l)
	if err != nil {
		return Sample{}, fmt.Errorf("%s: %w", s.name, err)
	}
	after, err := s.CPU()
	if err == nil && (r.Errors > 0 || r.Hits == 0) {
		err = fmt.Errorf("%w: %s: %d requests, %d hits, %d errors", ErrMeasurement, s.name, r.Requests, r.Hits, r.Errors)
	}
	return Sample{
		Requests: r.Requests, Hits: r.Hits, CPU: after - before, Elapsed: r.Elapsed,
		P50: r.Quantile(0.5), P99: r.Quantile(0.99), P999: r.Quantile(0.999),
	}, err
}

func (s Sample) hitsPerMille() float64  { return 1000 * float64(s.Hits) / float64(s.Requests) }
func (s Sample) hitsPerSecond() float64 { return float64(s.Hits) / s.Elapsed.Seconds() }

// fromFlash is how many of the gets were answered from flash, of those that memory had no
// value for.
func fromFlash(before, after map[string]float64) float64 {
	change := func(name string) float64 { return after[name] - before[name] }
	flash := change("get_extstore") - change("miss_from_extstore")
	return flash / (change("cmd_get") - change("get_hits") + flash)
}

// readStats reads what a server counts. What is no number is left out.
func readStats(address string) (map[string]float64, error) {
	c, err := net.DialTimeout("tcp", address, load.StallLimit)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(load.StallLimit)); err != nil {
		return nil, err
	}
	if _, err := c.Write([]byte("stats\r\n")); err != nil {
		return nil, err
	}
	all := map[string]float64{}
	lines := bufio.NewScanner(c)
	for lines.Scan() && lines.Text() != "END" {
		if f := strings.Fields(lines.Text()); len(f) == 3 {
			if n, err := strconv.ParseFloat(f[2], 64); err == nil {
				all[f[1]] = n
			}
		}
	}
	return all, lines.Err()
}
