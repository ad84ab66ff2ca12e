package memcache

import (
	"fmt"
	"strings"

	"github.com/pandabeardb/panda/wire/memcache/binary"
)

// packetRow is a command of the binary protocol, with all its variants.
type packetRow struct {
	base     binary.Opcode
	run      func(w *worker, s *session, c *binary.Command) progress
	stranger bool   // also for clients that have not said who they are
	text     string // the command of the table that it is another encoding of,
	summary  string // or what it does
}

// packetTable has a row for each command. What requests of an opcode must look
// like is in the codec, what the commands do in table, where they are described.
var packetTable = [...]packetRow{
	{binary.Get, packetGet, false, "get", ""},
	{binary.GAT, packetGAT, false, "gat", ""},
	{binary.Touch, packetTouch, false, "touch", ""},
	{binary.Set, packetSet, false, "set", ""},
	{binary.Add, packetAdd, false, "add", ""},
	{binary.Replace, packetReplace, false, "replace", ""},
	{binary.Append, packetAppend, false, "append", ""},
	{binary.Prepend, packetPrepend, false, "prepend", ""},
	{binary.Delete, packetDelete, false, "delete", ""},
	{binary.Increment, packetIncrement, false, "incr", ""},
	{binary.Decrement, packetDecrement, false, "decr", ""},
	{binary.Stat, packetStat, false, "stats", ""},
	{binary.Flush, packetFlush, false, "flush_all", ""},
	{binary.Noop, packetNoop, false, "mn", ""},
	{binary.Version, packetVersion, true, "version", ""},
	{binary.Quit, packetQuit, false, "quit", ""},
	{binary.SASLList, packetMechanisms, true, "", "how a client can say who it is (with -S)"},
	{binary.SASLAuth, packetAuthenticate, true, "", "say who the client is (with -S)"},
	{binary.SASLStep, packetAuthenticate, true, "", "go on with it (with -S)"},
}

// packets is packetTable by opcode.
var packets = newPackets()

type packetEntry struct {
	run      func(w *worker, s *session, c *binary.Command) progress
	command  *binary.Command
	stranger bool
	flags    flag // of the text command
}

func newPackets() (entries [256]packetEntry) {
	for i := range packetTable {
		row := &packetTable[i]
		flags := flag(0)
		if text := lookup([]byte(row.text)); text != nil {
			flags = text.flags
		}
		for _, o := range row.variants() {
			entries[o] = packetEntry{row.run, o.Command(), row.stranger, flags}
		}
	}
	return entries
}

// variants are the opcodes of a row, in their order.
func (r *packetRow) variants() (list []binary.Opcode) {
	for o := range 256 {
		if c := binary.Opcode(o).Command(); c.Name != "" && c.Base == r.base {
			list = append(list, binary.Opcode(o))
		}
	}
	return list
}

// names are a row's opcodes, as the support table shows them.
func (r *packetRow) names() string {
	var names []string
	for _, o := range r.variants() {
		names = append(names, fmt.Sprintf("%s `%02x`", o.Command().Name, uint8(o)))
	}
	return strings.Join(names, ", ")
}

// binaryNames are the opcodes of a text command.
func binaryNames(text string) string {
	for i := range packetTable {
		if packetTable[i].text == text {
			return packetTable[i].names()
		}
	}
	return ""
}
