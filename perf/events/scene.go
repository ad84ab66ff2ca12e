package events

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/pandabeardb/panda/perf/load"
	"github.com/pandabeardb/panda/perf/peer"
)

// scene is an event and the load around it.
type scene struct {
	name             string
	memoryMB, quick  int                                           // -m
	prepare          func(ctx context.Context, s *stage) error     // what must be there before
	baseline, action func(ctx context.Context, s *stage) error     // the load without and with the event
	note             func(s *stage, stats map[string]int64) string // what shows that it took place
	keeps            bool                                          // the server keeps a log, which memcached cannot
}

// stage is a server, loaded, of one run.
type stage struct {
	server  *peer.Server
	quick   bool
	expires time.Time     // of what expires together
	took    time.Duration // a snapshot, or all of them
	before  int64         // RSS at its most in the baseline
	within  int64         // and in the event
}

// pick chooses a size.
func (s *stage) pick(full, quick int) int {
	if s.quick {
		return quick
	}
	return full
}

// Sizes of the scenes: those of acceptance, and small ones for development.
const (
	smallValue = 10
	growFrom   = 1_000_000
	growTo     = 16_000_000
	growQuick  = 16 // times smaller
	expiring   = 1_000_000

	keptItems = 5_000_000
	keptQuick = 200_000
	// memoryBar is by how much RSS may grow because of a snapshot.
	memoryBar = 1.05
)

var scenes = []scene{
	{
		name: "index", memoryMB: 4096, quick: 1024,
		prepare: func(ctx context.Context, s *stage) error {
			return s.store(ctx, "old:", smallValue, s.pick(growFrom, growFrom/growQuick))
		},
		baseline: func(ctx context.Context, s *stage) error {
			for range 3 { // stored again: the same work without growth
				if err := s.store(ctx, "old:", smallValue, s.pick(growFrom, growFrom/growQuick)); err != nil {
					return err
				}
			}
			return nil
		},
		action: func(ctx context.Context, s *stage) error {
			return s.store(ctx, "new:", smallValue, s.pick(growTo-growFrom, (growTo-growFrom)/growQuick))
		},
		note: func(s *stage, stats map[string]int64) string {
			return fmt.Sprintf("%d items, %d evicted", stats["curr_items"], stats["evictions"])
		},
	},
	{
		name: "moves", memoryMB: 1024, quick: 128,
		prepare: func(ctx context.Context, s *stage) error {
			return s.store(ctx, "a:", 100, s.pick(9_000_000, 1_200_000)) // more than fits
		},
		baseline: func(ctx context.Context, s *stage) error {
			return s.storeFor(ctx, "b:", 100, s.pick(15, 3))
		},
		action: func(ctx context.Context, s *stage) error {
			for i, size := range []int{4096, 100, 100_000, 1000, 500_000, 100} {
				if err := s.storeFor(ctx, fmt.Sprintf("c%d:", i), size, s.pick(5, 1)); err != nil {
					return err
				}
			}
			return nil
		},
		note: func(s *stage, stats map[string]int64) string {
			return fmt.Sprintf("%d items, %d evicted", stats["curr_items"], stats["evictions"])
		},
	},
	{
		name: "expiry", memoryMB: 1024, quick: 1024,
		prepare:  prepareExpiry,
		baseline: func(ctx context.Context, s *stage) error { return s.read(ctx, time.Until(s.expires)-time.Second) },
		action: func(ctx context.Context, s *stage) error {
			return s.read(ctx, time.Duration(s.pick(30, 8))*time.Second)
		},
		note: func(s *stage, stats map[string]int64) string {
			return fmt.Sprintf("%d items left, %d reclaimed", stats["curr_items"], stats["reclaimed"]+stats["crawler_reclaimed"])
		},
	},
	{
		name: "snapshot", memoryMB: 2048, quick: 256, keeps: true,
		prepare: func(ctx context.Context, s *stage) error {
			return s.store(ctx, "kept:", 100, s.pick(keptItems, keptQuick))
		},
		baseline: func(ctx context.Context, s *stage) error {
			return s.overwrite(ctx, time.Duration(s.pick(10, 2))*time.Second, &s.before)
		},
		action: snapshotWhileWriting,
		note: func(s *stage, stats map[string]int64) string {
			return fmt.Sprintf("%d items, snapshots took %v, RSS %d MB at most, %d MB before", stats["curr_items"], s.took.Round(time.Millisecond), s.within>>20, s.before>>20)
		},
	},
}

// overwrite stores items again that are there, for some time, and sees to the most of
// RSS meanwhile.
func (s *stage) overwrite(ctx context.Context, d time.Duration, most *int64) error {
	const piece = 500 * time.Millisecond // RSS is read so often
	for end := time.Now().Add(d); time.Now().Before(end); {
		_, err := load.Run(ctx, load.Config{
			Network: s.server.Network, Address: s.server.Address, Connections: 1, Depth: 16,
			KeyPrefix: "kept:", KeyCount: s.pick(keptItems, keptQuick), SetShare: 1, ValueSize: 100,
			Duration: min(piece, max(time.Until(end), time.Millisecond)), Seed: uint64(time.Now().UnixNano()),
		})
		if err != nil {
			return err
		}
		rss, err := s.server.RSS()
		if err != nil {
			return err
		}
		*most = max(*most, rss)
	}
	return nil
}

// snapshotWhileWriting has snapshots taken, one behind the other, for as long as the
// baseline was, and for one snapshot at least.
func snapshotWhileWriting(ctx context.Context, s *stage) error {
	begun := time.Now()
	for time.Since(begun) < time.Duration(s.pick(10, 2))*time.Second {
		done := make(chan error, 1)
		go func() { done <- s.server.Snapshot(ctx) }()
		for running := true; running; {
			select {
			case err := <-done:
				if err != nil {
					return err
				}
				running = false
			default:
				if err := s.overwrite(ctx, time.Millisecond, &s.within); err != nil {
					<-done
					return err
				}
			}
		}
	}
	s.took = time.Since(begun)
	return nil
}

// store stores n items, as fast as one connection at depth 16 can.
func (s *stage) store(ctx context.Context, prefix string, size, n int) error {
	_, err := load.Run(ctx, load.Config{
		Network: s.server.Network, Address: s.server.Address, Connections: 1, Depth: 16,
		KeyPrefix: prefix, KeyCount: n, Sequential: true, SetShare: 1, ValueSize: size,
	})
	return err
}

// storeFor stores new items for some seconds.
func (s *stage) storeFor(ctx context.Context, prefix string, size, seconds int) error {
	_, err := load.Run(ctx, load.Config{
		Network: s.server.Network, Address: s.server.Address, Connections: 1, Depth: 16,
		KeyPrefix: prefix, KeyCount: load.KeysMax, Sequential: true, SetShare: 1, ValueSize: size,
		Duration: time.Duration(seconds) * time.Second,
	})
	return err
}

// read gets keys that were never stored, at a moderate rate.
func (s *stage) read(ctx context.Context, d time.Duration) error {
	_, err := load.Run(ctx, load.Config{
		Network: s.server.Network, Address: s.server.Address, Connections: 1,
		KeyPrefix: "none:", KeyCount: 1000, Rate: 2000, Duration: max(d, time.Second),
	})
	return err
}

// prepareExpiry stores items that expire in the same second, some seconds ahead.
func prepareExpiry(_ context.Context, s *stage) error {
	n := s.pick(expiring, expiring/4)
	ahead := time.Duration(s.pick(25, 10)) * time.Second
	s.expires = time.Now().Add(ahead).Truncate(time.Second)
	conn, err := net.DialTimeout(s.server.Network, s.server.Address, ahead)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(ahead)); err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	value := strings.Repeat("v", 100)
	const batch = 64
	var out []byte
	for i := 0; i < n; i += batch {
		out = out[:0]
		for j := range batch {
			out = fmt.Appendf(out, "set expiring:%d 0 %d %d\r\n%s\r\n", i+j, s.expires.Unix(), len(value), value)
		}
		if _, err := conn.Write(out); err != nil {
			return err
		}
		for range batch {
			if line, err := in.ReadSlice('\n'); err != nil || string(line) != "STORED\r\n" {
				return fmt.Errorf("events: storing what expires: %q, %w", line, err)
			}
		}
	}
	return nil
}

// statistics are the numbers of "stats".
func statistics(s *peer.Server) (map[string]int64, error) {
	conn, err := net.DialTimeout(s.Network, s.Address, 10*time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("stats\r\n")); err != nil {
		return nil, err
	}
	all := map[string]int64{}
	for lines := bufio.NewScanner(conn); lines.Scan() && lines.Text() != "END"; {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 {
			continue
		}
		if n, err := strconv.ParseInt(fields[2], 10, 64); err == nil {
			all[fields[1]] = n
		}
	}
	return all, nil
}
