package memcache

import (
	"encoding/binary"
	"strings"

	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// flag says something about a command.
type flag uint16

const (
	lines   flag = 1 << iota // takes the raw line: any number of keys, no tokens
	admin                    // in the new dialect looked up after all others: leading spaces are allowed, noreply is seen
	old                      // only in the old dialect
	debug                    // only with relaxed_privileges
	data                     // a data block follows
	later                    // not all of it works yet
	hot                      // found by its first four bytes, see shortcuts
	changes                  // waits while the log is behind, see worker.behind
)

// row is a command.
type row struct {
	name    string
	run     func(w *worker, s *session) progress
	oldMin  int8 // tokens, the command itself among them, that the old dialect asks for,
	oldMax  int8 // and allows (0: any number); else it answers ERROR
	newMin  int8 // tokens that the new dialect asks for; else "CLIENT_ERROR bad command line format"
	flags   flag
	summary string // for the support table
}

// table has a row for each command: its name, what runs it, how many tokens
// the two dialects want, and what is special about it. A command may look at
// its tokens again; the counts here are those whose violation memcached finds
// before it looks at anything else.
var table = [...]row{
	{"get", getPlain, 2, 0, 2, lines | hot, "values of keys"},
	{"gets", getCAS, 2, 0, 2, lines, "values and CAS tokens of keys"},
	{"gat", getTouch, 2, 0, 3, lines | changes, "values of keys, with a new expiry"},
	{"gats", getTouchCAS, 2, 0, 3, lines | changes, "values and CAS tokens of keys, with a new expiry"},
	{"bget", getAncient, 2, 0, 0, lines | old, "an old name of get (1.6.18 only)"},
	{"set", storeSet, 5, 6, 5, data | hot | changes, "store"},
	{"add", storeAdd, 5, 6, 5, data | changes, "store a key that is absent"},
	{"replace", storeReplace, 5, 6, 5, data | changes, "store a key that is present"},
	{"append", storeAppend, 5, 6, 5, data | changes, "add to the end of a value"},
	{"prepend", storePrepend, 5, 6, 5, data | changes, "add to the front of a value"},
	{"cas", storeCAS, 6, 7, 5, data | changes, "store if the CAS token still holds"},
	{"delete", deleteKey, 2, 4, 2, changes, "remove a key"},
	{"incr", increment, 3, 4, 3, changes, "add to a number, modulo 2^64"},
	{"decr", decrement, 3, 4, 3, changes, "subtract from a number, down to 0"},
	{"touch", touch, 3, 4, 3, changes, "new expiry"},
	{"mg", metaGet, 2, 0, 2, hot, "meta get, flags b c C f h k l O q s t u v E N R T"},
	{"ms", metaSet, 2, 0, 3, data | hot | changes, "meta set, flags b c C E F I k O q s T M N"},
	{"md", metaDelete, 2, 0, 2, changes, "meta delete, flags b C E I k O q T x"},
	{"ma", metaArithmetic, 2, 0, 2, changes, "meta arithmetic, flags b C E N J D T M O q t c v k"},
	{"me", metaDebug, 0, 0, 2, 0, "what is known about an item"},
	{"mn", metaNoop, 0, 0, 0, 0, "answers MN"},
	{"version", version, 0, 0, 0, 0, "the version whose replies we give"},
	{"quit", quit, 0, 0, 0, 0, "close the connection"},
	{"stats", stats, 0, 0, 0, 0, "statistics: general, items, slabs, sizes, cachedump, conns, settings, detail, reset"},
	{"watch", watch, 0, 0, 0, 0, "lines of what happens: fetchers, mutations, evictions, connevents, deletions; others stay silent"},
	{"flush_all", flushAll, 1, 3, 0, admin | changes, "everything becomes absent, now or later"},
	{"verbosity", verbosity, 2, 3, 0, admin, "how much is logged"},
	{"shutdown", shutdown, 0, 0, 0, admin, "stop the server (with -A)"},
	{"cache_memlimit", cacheMemlimit, 2, 3, 0, admin, "change the memory limit"},
	{"lru", lru, 2, 0, 0, admin, "eviction settings: temp_ttl works, the others are remembered"},
	{"lru_crawler", lruCrawler, 0, 0, 0, admin, "early reclaim, and dumps of all keys: metadump, mgdump"},
	{"slabs", slabs, 0, 0, 0, admin, "page moves by hand: answered, for memory moves by itself"},
	{"extstore", extstore, 2, 0, 0, admin, "what goes to flash, and how its pages are compacted"},
	{"refresh_certs", refreshCerts, 0, 0, 0, admin, "load the certificates again"},
	{"config", config, 0, 0, 0, admin, "config get cluster: auto-discovery of nodes"},
	{"debugtime", debugtime, 1, 0, 0, admin | debug, "move the clock (with -o relaxed_privileges)"},
	{"misbehave", misbehave, 0, 0, 0, admin | debug, "try what a sandbox forbids (with -o relaxed_privileges)"},
}

// names finds a row by a perfect hash of a name's length, first two and last
// bytes. It is built once and never changes.
var names = newNameIndex()

type nameIndex struct {
	multiplier uint32
	rows       [256]*row
}

const nameIndexTries = 1 << 16

func newNameIndex() *nameIndex {
	for m := uint32(1); m < nameIndexTries; m++ {
		x := &nameIndex{multiplier: m*2654435761 | 1}
		if x.fill() {
			return x
		}
	}
	panic("BUG: no multiplier makes the names of the commands collide nowhere")
}

func (x *nameIndex) fill() bool {
	for i := range table {
		at := &x.rows[x.slot([]byte(table[i].name))]
		if *at != nil {
			return false
		}
		*at = &table[i]
	}
	return true
}

func (x *nameIndex) slot(name []byte) uint8 {
	h := uint32(name[0]) | uint32(name[1])<<8 | uint32(name[len(name)-1])<<16 | uint32(len(name))<<24
	return uint8(h * x.multiplier >> 24)
}

// lookup finds the row of a command, nil when there is none.
func lookup(name []byte) *row {
	if len(name) < 2 {
		return nil
	}
	r := names.rows[names.slot(name)]
	if r == nil || r.name != string(name) {
		return nil
	}
	return r
}

// shortcuts are the hot commands by name and space, in four bytes or three.
var shortcuts = newShortcuts()

type shortcut struct {
	prefix, mask uint32
	row          *row
}

func newShortcuts() (list []shortcut) {
	for i := range table {
		if table[i].flags&hot == 0 {
			continue
		}
		var b [4]byte
		n := copy(b[:], table[i].name+" ")
		list = append(list, shortcut{binary.LittleEndian.Uint32(b[:]), 1<<(8*n) - 1, &table[i]})
	}
	return list
}

// named finds the command that a line begins with, up to a space.
func (w *worker) named(line []byte) *row {
	if len(line) >= 4 {
		v := binary.LittleEndian.Uint32(line)
		for i := range shortcuts {
			if c := &shortcuts[i]; v&c.mask == c.prefix {
				return c.row
			}
		}
	}
	return w.known(ascii.Word(line))
}

// known is lookup, for the commands that this server has.
func (w *worker) known(name []byte) *row {
	r := lookup(name)
	if r == nil || r.flags&(old|debug) == 0 {
		return r
	}
	if r.flags&old != 0 && w.dialect != ascii.Old || r.flags&debug != 0 && !w.server.config.RelaxedPrivileges {
		return nil
	}
	return r
}

// SupportTable is README's table of commands, in Markdown.
func SupportTable() string {
	var b strings.Builder
	b.WriteString("| command | what it does | binary protocol | support |\n|---|---|---|---|\n")
	for i := range table {
		support := "full"
		if table[i].flags&later != 0 {
			support = "partly"
		}
		b.WriteString("| `" + table[i].name + "` | " + table[i].summary + " | " + binaryNames(table[i].name) + " | " + support + " |\n")
	}
	for i := range packetTable {
		if row := &packetTable[i]; row.text == "" {
			b.WriteString("| | " + row.summary + " | " + row.names() + " | full |\n")
		}
	}
	return b.String()
}
