package memcache

import (
	"fmt"
	"strconv"

	"github.com/pandabeardb/panda/slab"
)

// What a warm restart keeps beside the items is what memcached's keeps: the time
// since the start, a flush_all that is yet to come, the number of the last log
// line, the hash table's size as statistics show it. Counters begin anew, and so
// does what commands changed.
const (
	stateStarted = "process_started_ms"
	stateFlush   = "flush_second"
	stateOldest  = "oldest_live_ms"
	stateGID     = "logger_gid"
	stateHash    = "hashpower"
)

// RestartSettings are the settings that a saved store must have been made with,
// by memcached's names.
func RestartSettings(c Config) []slab.Field {
	set := &c.Settings
	return []slab.Field{
		{Name: "slab_config", Value: strconv.FormatFloat(set.GrowthFactor, 'g', -1, 64)},
		{Name: "chunk_size", Value: strconv.Itoa(set.ChunkSize)},
		{Name: "item_size_max", Value: strconv.Itoa(c.ItemSizeMax)},
		{Name: "slab_chunk_size_max", Value: strconv.Itoa(set.SlabChunkMax)},
		{Name: "use_cas", Value: strconv.FormatBool(!c.CASDisabled)},
	}
}

// State is what Env.Restored is to be after a restart. No loop runs any more.
func (s *Server) State() []slab.Field {
	field := func(name string, n int64) slab.Field {
		return slab.Field{Name: name, Value: strconv.FormatInt(n, 10)}
	}
	return []slab.Field{
		field(stateStarted, s.env.StartedAtMS),
		field(stateFlush, s.flushSecond.Load()),
		field(stateOldest, s.oldestMS.Load()),
		field(stateGID, int64(s.trace.number.Load())),
		field(stateHash, s.hashPower(s.env.Store.Stats().Items)),
	}
}

// restore takes what State said. Names of other versions are passed over.
func (s *Server) restore(state []slab.Field) error {
	take := map[string]func(n int64){
		stateStarted: func(n int64) { s.env.StartedAtMS = n },
		stateFlush:   s.flushSecond.Store,
		stateOldest:  s.oldestMS.Store,
		stateGID:     func(n int64) { s.trace.number.Store(uint64(n)) },
		stateHash:    s.hashPowerMax.Store,
	}
	for _, f := range state {
		if take[f.Name] == nil {
			continue
		}
		n, err := strconv.ParseInt(f.Value, 10, 64)
		if err != nil {
			return fmt.Errorf("memcache: %s of the restart: %w", f.Name, err)
		}
		take[f.Name](n)
	}
	return nil
}

// hashPowerFirst is that of memcached's table when it starts. // HASHPOWER_DEFAULT
const hashPowerFirst = 16

// hashPower is hash_power_level: the binary logarithm of the buckets that memcached
// had for so many items. Its table doubles when items are more than one and a half
// times its buckets, and never becomes smaller. Our index grows by itself in small
// steps, at other times after each start (its hash is seeded); how large it really
// is says hash_bytes.
func (s *Server) hashPower(items int64) int64 {
	now := int64(max(hashPowerFirst, s.config.Settings.HashpowerInit))
	for items > 3<<(now-1) {
		now++
	}
	for {
		most := s.hashPowerMax.Load()
		if now <= most {
			return most
		}
		if s.hashPowerMax.CompareAndSwap(most, now) {
			return now
		}
	}
}
