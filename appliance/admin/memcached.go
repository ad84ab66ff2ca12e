package admin

import (
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pandabeardb/panda/wire/memcache"
)

// from says which statistics command a metric's row stands in.
type from uint8

const (
	general  from = iota // stats
	settings             // stats settings
	items                // stats items, by class
	slabs                // stats slabs, by class
	totals               // stats slabs, the rows without a class
)

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

// metric is one value of an exporter's metric. Several with one name differ in
// the values of its labels: command and status, or lru.
type metric struct {
	name   string // without memcached_
	kind   prometheus.ValueType
	from   from
	key    string // of the row; "-" before another one subtracts it
	labels string // the values of further labels, with a space between
	help   string
}

// crawling marks the settings that the exporter shows only with an LRU crawler.
const crawling = "lru_crawler_"

// memcached are the metrics of prometheus/memcached_exporter, under its names,
// so that its dashboards and alerts work unchanged, and four more of extstore. Those
// of extstore are missing here as there, when a server has none; the proxy's are.
var memcached = []metric{
	{"uptime_seconds", counter, general, "uptime", "", "Seconds since the start."},
	{"time_seconds", gauge, general, "time", "", "The server's clock, in Unix time."},
	{"process_user_cpu_seconds_total", counter, general, "rusage_user", "", "Processor time in user mode."},
	{"process_system_cpu_seconds_total", counter, general, "rusage_system", "", "Processor time in the kernel."},
	{"read_bytes_total", counter, general, "bytes_read", "", "Bytes read from the network."},
	{"written_bytes_total", counter, general, "bytes_written", "", "Bytes written to the network."},
	{"current_connections", gauge, general, "curr_connections", "", "Connections that are open."},
	{"max_connections", gauge, settings, "maxconns", "", "The limit of connections."},
	{"connections_total", counter, general, "total_connections", "", "Connections that were accepted."},
	{"connections_rejected_total", counter, general, "rejected_connections", "", "Connections that were refused at the limit."},
	{"connections_yielded_total", counter, general, "conn_yields", "", "Turns of a connection that ended before its requests did."},
	{"connections_listener_disabled_total", counter, general, "listen_disabled_num", "", "Times that the limit of connections stopped accepting."},
	{"accepting_connections", gauge, general, "accepting_conns", "", "1 while connections are accepted."},
	{"current_bytes", gauge, general, "bytes", "", "Bytes of the items that are stored."},
	{"limit_bytes", gauge, general, "limit_maxbytes", "", "Bytes that may be used for items and their overhead."},
	{"current_items", gauge, general, "curr_items", "", "Items that are stored."},
	{"items_total", counter, general, "total_items", "", "Items that were ever stored."},
	{"items_evicted_total", counter, general, "evictions", "", "Living items that made room for others."},
	{"items_reclaimed_total", counter, general, "reclaimed", "", "Expired items whose memory was used again."},
	{"item_too_large_total", counter, general, "store_too_large", "", "Stores that were refused for their size."},
	{"item_no_memory_total", counter, general, "store_no_memory", "", "Stores that found no memory."},
	{"direct_reclaims_total", counter, general, "direct_reclaims", "", "Times that a request had to make room itself."},
	{"malloced_bytes", gauge, totals, "total_malloced", "", "Bytes of memory handed to slab classes."},

	{"extstore_compact_lost_total", counter, general, "extstore_compact_lost", "", "Values that compaction moved in vain."},
	{"extstore_compact_rescued_total", counter, general, "extstore_compact_rescues", "", "Values that compaction moved."},
	{"extstore_compact_skipped_total", counter, general, "extstore_compact_skipped", "", "Values that compaction dropped because nobody read them."},
	{"extstore_pages_allocated_total", counter, general, "extstore_page_allocs", "", "Pages of flash that were opened."},
	{"extstore_pages_evicted_total", counter, general, "extstore_page_evictions", "", "Pages of flash that were dropped with living values."},
	{"extstore_pages_reclaimed_total", counter, general, "extstore_page_reclaims", "", "Pages of flash that were emptied."},
	{"extstore_pages_free", gauge, general, "extstore_pages_free", "", "Pages of flash that are free."},
	{"extstore_pages_used", gauge, general, "extstore_pages_used", "", "Pages of flash that are not."},
	{"extstore_objects_evicted_total", counter, general, "extstore_objects_evicted", "", "Values that were dropped with their page."},
	{"extstore_objects_read_total", counter, general, "extstore_objects_read", "", "Values read from flash."},
	{"extstore_objects_written_total", counter, general, "extstore_objects_written", "", "Values written to flash."},
	{"extstore_objects_used", gauge, general, "extstore_objects_used", "", "Values on flash."},
	{"extstore_bytes_evicted_total", counter, general, "extstore_bytes_evicted", "", "Bytes of values that were dropped with their page."},
	{"extstore_bytes_written_total", counter, general, "extstore_bytes_written", "", "Bytes written to flash."},
	{"extstore_bytes_read_total", counter, general, "extstore_bytes_read", "", "Bytes read from flash."},
	{"extstore_bytes_used", gauge, general, "extstore_bytes_used", "", "Bytes of values on flash."},
	{"extstore_bytes_limit", gauge, general, "extstore_limit_maxbytes", "", "Bytes of all pages of flash."},
	{"extstore_bytes_fragmented", gauge, general, "extstore_bytes_fragmented", "", "Bytes of used pages that hold no value: what compaction could win."},
	{"extstore_io_queue_depth", gauge, general, "extstore_io_queue", "", "Reads of flash that are on their way or wait."},
	{"extstore_gets_total", counter, general, "get_extstore", "", "Values that were wanted and on flash, or had been."},
	{"extstore_misses_total", counter, general, "miss_from_extstore", "", "Of these, those that flash had no more."},
	{"extstore_damaged_total", counter, general, "badcrc_from_extstore", "", "Of these, those whose checksum was wrong."},
	{"extstore_recached_total", counter, general, "recache_from_extstore", "", "Values that went back to memory."},

	{"commands_total", counter, general, "get_hits", "get hit", commandsHelp},
	{"commands_total", counter, general, "get_misses", "get miss", commandsHelp},
	{"commands_total", counter, general, "delete_hits", "delete hit", commandsHelp},
	{"commands_total", counter, general, "delete_misses", "delete miss", commandsHelp},
	{"commands_total", counter, general, "incr_hits", "incr hit", commandsHelp},
	{"commands_total", counter, general, "incr_misses", "incr miss", commandsHelp},
	{"commands_total", counter, general, "decr_hits", "decr hit", commandsHelp},
	{"commands_total", counter, general, "decr_misses", "decr miss", commandsHelp},
	{"commands_total", counter, general, "cas_hits", "cas hit", commandsHelp},
	{"commands_total", counter, general, "cas_misses", "cas miss", commandsHelp},
	{"commands_total", counter, general, "cas_badval", "cas badval", commandsHelp},
	{"commands_total", counter, general, "touch_hits", "touch hit", commandsHelp},
	{"commands_total", counter, general, "touch_misses", "touch miss", commandsHelp},
	{"commands_total", counter, general, "cmd_flush", "flush hit", commandsHelp},
	{"commands_total", counter, general, "cmd_set -cas_misses -cas_hits -cas_badval", "set hit", commandsHelp},

	{"lru_crawler_enabled", gauge, settings, "lru_crawler", "", "1 if expired items are looked for."},
	{"lru_crawler_sleep", gauge, settings, "lru_crawler_sleep", "", "The setting of this name; microseconds."},
	{"lru_crawler_to_crawl", gauge, settings, "lru_crawler_tocrawl", "", "The setting of this name; items."},
	{"lru_crawler_maintainer_thread", gauge, settings, "lru_maintainer_thread", "", "The setting of this name."},
	{"lru_crawler_hot_percent", gauge, settings, "hot_lru_pct", "", "The setting of this name."},
	{"lru_crawler_warm_percent", gauge, settings, "warm_lru_pct", "", "The setting of this name."},
	{"lru_crawler_hot_max_factor", gauge, settings, "hot_max_factor", "", "The setting of this name."},
	{"lru_crawler_warm_max_factor", gauge, settings, "warm_max_factor", "", "The setting of this name."},
	{"lru_crawler_starts_total", counter, general, "lru_crawler_starts", "", "Crawls that were begun."},
	{"lru_crawler_reclaimed_total", counter, general, "crawler_reclaimed", "", "Expired items that were found early."},
	{"lru_crawler_items_checked_total", counter, general, "crawler_items_checked", "", "Items that were looked at for that."},
	{"lru_crawler_moves_to_cold_total", counter, general, "moves_to_cold", "", "Items that moved to the cold queue."},
	{"lru_crawler_moves_to_warm_total", counter, general, "moves_to_warm", "", "Items that moved to the warm queue."},
	{"lru_crawler_moves_within_lru_total", counter, general, "moves_within_lru", "", "Items that moved within a queue."},

	{"slab_current_items", gauge, items, "number", "", "Items of the class."},
	{"slab_items_age_seconds", gauge, items, "age", "", "Age of the oldest item of the class."},
	{"slab_items_crawler_reclaimed_total", counter, items, "crawler_reclaimed", "", "Expired items of the class that were found early."},
	{"slab_items_evicted_total", counter, items, "evicted", "", "Living items of the class that made room for others."},
	{"slab_items_evicted_nonzero_total", counter, items, "evicted_nonzero", "", "Of these, those that had an expiry."},
	{"slab_items_evicted_time_seconds", counter, items, "evicted_time", "", "How long the last of these had not been used."},
	{"slab_items_evicted_unfetched_total", counter, items, "evicted_unfetched", "", "Of these, those that were never read."},
	{"slab_items_expired_unfetched_total", counter, items, "expired_unfetched", "", "Items of the class that expired without having been read."},
	{"slab_items_outofmemory_total", counter, items, "outofmemory", "", "Stores of the class that found no memory."},
	{"slab_items_reclaimed_total", counter, items, "reclaimed", "", "Expired items of the class whose memory was used again."},
	{"slab_items_tailrepairs_total", counter, items, "tailrepairs", "", "Items of the class that were stuck."},
	{"slab_items_moves_to_cold", counter, items, "moves_to_cold", "", "Items of the class that moved to the cold queue."},
	{"slab_items_moves_to_warm", counter, items, "moves_to_warm", "", "Items of the class that moved to the warm queue."},
	{"slab_items_moves_within_lru", counter, items, "moves_within_lru", "", "Items of the class that moved within a queue."},
	{"slab_hot_items", gauge, items, "number_hot", "", "Items of the class in the hot queue."},
	{"slab_warm_items", gauge, items, "number_warm", "", "Items of the class in the warm queue."},
	{"slab_cold_items", gauge, items, "number_cold", "", "Items of the class in the cold queue."},
	{"slab_temporary_items", gauge, items, "number_temp", "", "Items of the class that are not evicted."},
	{"slab_hot_age_seconds", gauge, items, "age_hot", "", "Age of the oldest item in the hot queue."},
	{"slab_warm_age_seconds", gauge, items, "age_warm", "", "Age of the oldest item in the warm queue."},
	{"slab_mem_requested_bytes", gauge, items, "mem_requested", "", "Bytes that the items of the class asked for."},
	{"slab_lru_hits_total", counter, items, "hits_to_hot", "hot", hitsHelp},
	{"slab_lru_hits_total", counter, items, "hits_to_warm", "warm", hitsHelp},
	{"slab_lru_hits_total", counter, items, "hits_to_cold", "cold", hitsHelp},
	{"slab_lru_hits_total", counter, items, "hits_to_temp", "temporary", hitsHelp},

	{"slab_chunk_size_bytes", gauge, slabs, "chunk_size", "", "Bytes of a chunk of the class."},
	{"slab_chunks_per_page", gauge, slabs, "chunks_per_page", "", "Chunks of the class in a page."},
	{"slab_current_pages", gauge, slabs, "total_pages", "", "Pages of the class."},
	{"slab_current_chunks", gauge, slabs, "total_chunks", "", "Chunks of the class."},
	{"slab_chunks_used", gauge, slabs, "used_chunks", "", "Chunks of the class that hold an item."},
	{"slab_chunks_free", gauge, slabs, "free_chunks", "", "Chunks of the class that hold none."},
	{"slab_chunks_free_end", gauge, slabs, "free_chunks_end", "", "Chunks of the class that never held one."},
	{"slab_commands_total", counter, slabs, "get_hits", "get hit", slabCommandsHelp},
	{"slab_commands_total", counter, slabs, "delete_hits", "delete hit", slabCommandsHelp},
	{"slab_commands_total", counter, slabs, "incr_hits", "incr hit", slabCommandsHelp},
	{"slab_commands_total", counter, slabs, "decr_hits", "decr hit", slabCommandsHelp},
	{"slab_commands_total", counter, slabs, "cas_hits", "cas hit", slabCommandsHelp},
	{"slab_commands_total", counter, slabs, "cas_badval", "cas badval", slabCommandsHelp},
	{"slab_commands_total", counter, slabs, "touch_hits", "touch hit", slabCommandsHelp},
	{"slab_commands_total", counter, slabs, "cmd_set -cas_hits -cas_badval", "set hit", slabCommandsHelp},
}

const (
	commandsHelp     = "Requests, by command and by how they ended."
	slabCommandsHelp = "Requests, by class, by command and by how they ended."
	hitsHelp         = "Items of the class that were found, by their queue."
)

// labelNames are those of the metric.
func (m *metric) labelNames() (names []string) {
	if m.from == items || m.from == slabs {
		names = append(names, "slab")
	}
	switch {
	case strings.HasSuffix(m.name, "commands_total"):
		names = append(names, "command", "status")
	case m.labels != "":
		names = append(names, "lru")
	}
	return names
}

// rows are a statistics command's, by name.
type rows map[string]string

// classes are the rows of each slab class.
type classes map[string]rows

// tables are a snapshot, by name and class.
type tables struct {
	general, settings, totals rows
	items, slabs              classes
}

func newTables(s *memcache.Snapshot) tables {
	t := tables{rows{}, rows{}, rows{}, classes{}, classes{}}
	for _, r := range s.General {
		t.general[r.Name] = r.Value
	}
	for _, r := range s.Settings {
		t.settings[r.Name] = r.Value
	}
	for _, r := range s.Items {
		if rest, ok := strings.CutPrefix(r.Name, "items:"); ok {
			t.items.add(rest, r.Value)
		}
	}
	for _, r := range s.Slabs {
		if !t.slabs.add(r.Name, r.Value) {
			t.totals[r.Name] = r.Value
		}
	}
	return t
}

// add takes a row CLASS:NAME.
func (c classes) add(name, value string) bool {
	class, name, ok := strings.Cut(name, ":")
	if !ok {
		return false
	}
	if c[class] == nil {
		c[class] = rows{}
	}
	c[class][name] = value
	return true
}

// value is a metric's; a row that is missing has none, as with the exporter.
func (m *metric) value(r rows) (v float64, ok bool) {
	for i, key := range strings.Fields(m.key) {
		sign := 1.0
		if i > 0 {
			sign, key = -1, key[1:]
		}
		text, found := r[key]
		if !found {
			return 0, false
		}
		n, err := number(text)
		if err != nil {
			return 0, false
		}
		v += sign * n
	}
	return v, true
}

func number(text string) (float64, error) {
	switch text {
	case "yes":
		return 1, nil
	case "no":
		return 0, nil
	}
	return strconv.ParseFloat(text, 64)
}
