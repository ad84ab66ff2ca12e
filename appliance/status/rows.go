package status

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Rows are the lines of one of memcached's statistics commands, by name.
type Rows map[string]string

// Tables are what four of them say.
type Tables struct {
	General  Rows // stats
	Items    Rows // stats items: items:CLASS:NAME
	Slabs    Rows // stats slabs: CLASS:NAME, and totals without a class
	Settings Rows // stats settings
}

// FromTables makes a reading of what any memcached says.
func FromTables(t Tables) Reading {
	g := t.General
	r := Reading{
		Format: Format,
		TimeMS: g.n("time") * 1000,
		Server: Server{
			Name: serverName(g), Memcached: g["version"], PID: g.n("pid"), UptimeSeconds: g.n("uptime"), Threads: g.n("threads"),
		},
		Commands: Commands{
			Get:    g.outcome("get"),
			Set:    g.u("cmd_set"),
			Delete: g.outcome("delete"),
			Incr:   g.outcome("incr"),
			Decr:   g.outcome("decr"),
			Touch:  g.outcome("touch"),
			CAS:    CAS{g.u("cas_hits"), g.u("cas_misses"), g.u("cas_badval")},
			Flush:  g.u("cmd_flush"),
			Meta:   g.u("cmd_meta"),
		},
		Connections: Connections{
			Current: g.n("curr_connections"), Limit: g.n("max_connections"), Total: g.u("total_connections"),
			Rejected: g.u("rejected_connections"), IdleKicks: g.u("idle_kicks"), Yields: g.u("conn_yields"), ListenDisabled: g.u("listen_disabled_num"),
		},
		Network: Network{g.u("bytes_read"), g.u("bytes_written")},
		Items: Items{
			Current: g.n("curr_items"), Total: g.u("total_items"), Evicted: g.u("evictions"), EvictedUnfetched: g.u("evicted_unfetched"),
			Expired: g.u("reclaimed") + g.u("crawler_reclaimed"), ExpiredUnfetched: g.u("expired_unfetched"),
			TooLarge: g.u("store_too_large"), NoMemory: g.u("store_no_memory"),
		},
		Memory:     Memory{Limit: g.n("limit_maxbytes"), Used: t.Slabs.n("total_malloced"), Items: g.n("bytes"), Index: g.n("hash_bytes")},
		CPUSeconds: g.f("rusage_user") + g.f("rusage_system"),
		Classes:    classes(t),
	}
	if t.Settings["auth_enabled_sasl"] == "yes" || on(t.Settings["auth_enabled_ascii"]) {
		r.Auth = &Auth{g.u("auth_cmds"), g.u("auth_errors")}
	}
	if t.Settings["ssl_enabled"] == "yes" {
		r.TLS = &TLS{HandshakeErrors: g.u("ssl_handshake_errors"), NewSessions: g.u("ssl_new_sessions")}
	}
	return r
}

// serverName tells the original, which names its libevent, from panda, which
// has none.
func serverName(g Rows) string {
	switch g["libevent"] {
	case "":
		return ""
	case "none":
		return "panda"
	}
	return "memcached"
}

func on(file string) bool { return file != "" && file != "no" }

// classes are the slab classes that have items, or had.
func classes(t Tables) (list []Class) {
	at := map[int]int{}
	class := func(number string) *Class {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > classMax {
			return nil
		}
		i, ok := at[n]
		if !ok {
			i = len(list)
			at[n] = i
			list = append(list, Class{Class: n})
		}
		return &list[i]
	}
	for name, value := range t.Slabs {
		number, field, ok := strings.Cut(name, ":")
		if c := class(number); ok && c != nil {
			c.slabs(field, parse(value))
		}
	}
	for name, value := range t.Items {
		rest, _ := strings.CutPrefix(name, "items:")
		number, field, ok := strings.Cut(rest, ":")
		if c := class(number); ok && c != nil {
			c.items(field, parse(value))
		}
	}
	for i := range list {
		list[i].ChunksBytes *= list[i].ChunkBytes // so far their number
	}
	slices.SortFunc(list, func(a, b Class) int { return cmp.Compare(a.Class, b.Class) })
	return list
}

// classMax bounds the classes that are believed; memcached has 63.
const classMax = 255

// slabs takes a row of `stats slabs`.
func (c *Class) slabs(field string, v float64) {
	switch field {
	case "chunk_size":
		c.ChunkBytes = int64(v)
	case "used_chunks":
		c.ChunksBytes = int64(v)
	case "get_hits":
		c.Gets = uint64(v)
	case "cmd_set":
		c.Sets = uint64(v)
	}
}

// items takes a row of `stats items`.
func (c *Class) items(field string, v float64) {
	switch field {
	case "number":
		c.Items = int64(v)
	case "number_hot":
		c.Hot = int64(v)
	case "number_warm":
		c.Warm = int64(v)
	case "number_cold":
		c.Cold = int64(v)
	case "mem_requested":
		c.Bytes = int64(v)
	case "evicted":
		c.Evicted = uint64(v)
	case "outofmemory":
		c.NoMemory = uint64(v)
	case "age":
		c.AgeSeconds = int64(v)
	}
}

func (r Rows) f(name string) float64 { return parse(r[name]) }
func (r Rows) n(name string) int64   { return int64(parse(r[name])) }
func (r Rows) u(name string) uint64  { return uint64(parse(r[name])) }

func (r Rows) outcome(command string) Outcome {
	return Outcome{r.u(command + "_hits"), r.u(command + "_misses")}
}

// parse reads a number; what is none, or below 0, is 0. Numbers above 2^53 are
// rounded.
func parse(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v > 0 && v < 1<<63) {
		return 0
	}
	return v
}
