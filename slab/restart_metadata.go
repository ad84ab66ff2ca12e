package slab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// The metadata: lines of text, each a name, a space and a value; an empty line;
// then numbers, low byte first; a CRC32C of all that.
//
//	panda-restart 1
//	NAME VALUE ...            settings, of which a misfit is named
//
//	runs    4 count, each     class 1, domain 1, queue 1, 0; free 2, fresh 2, head 2, 0 2;
//	                          checksum 4; owner 8
//	queues  4 count, each 4   of each queue, from the oldest run
//	slots   16384, each       sequence 8, flush mark 8
//	shards  each              buckets 4, old buckets 4, moved 4, flags 4, items 8, bytes 8;
//	                          segments, old ones: segment 4, checksum 4; spare: 4 count, each 4
//	groups  each              items by heat 4 * 8, weight 8
//	CRC32C  4
type metadata struct {
	settings, state  []Field // of the store's user
	layout           string
	groups           string
	arenaBytes       int64
	seed             uint64
	startMS, stopMS  int64
	shards           []savedShard
	runs             []savedRun
	queues           [queueCount][]uint32
	seqs, marks      []uint64 // by slot
	sums             []groupSums
	restorableShards int
}

type savedRun struct {
	class, domain     uint8
	queue             queue
	free, fresh, head uint16
	sum               uint32
	owner             uint64
}

type savedShard struct {
	n, oldN, moved uint32
	flushed        bool
	items, bytes   int64
	cur, old       []savedSegment
	spare          []uint32
}

// groupSums are the first numbers of counts: what a group has now.
type groupSums [countWeight + 1]int64

type savedSegment struct{ segment, sum uint32 }

const (
	magic = "panda-restart "
	// metadataFormat changes with what the metadata hold; layoutOf with what the arena holds.
	metadataFormat = 1
	itemLayout     = 1
	crcSize        = 4
	savedRunSize   = 24
	settingPrefix  = "setting."
	statePrefix    = "state."
)

// layoutOf names what the bytes of the arena mean: sizes, classes, byte order.
func layoutOf(c *classes) string {
	b := binary.LittleEndian.AppendUint32(nil, itemLayout)
	for i := range c.count {
		b = binary.LittleEndian.AppendUint32(b, c.size[i])
	}
	order := "little"
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		order = "big"
	}
	return fmt.Sprintf("%s-%d-%d-%08x", order, runSize, segSize, crc32.Checksum(b, castagnoli))
}

// tierLayout is what the layout ends with when values of items may be in a tier.
func tierLayout(tier bool) string {
	if tier {
		return "-tier"
	}
	return ""
}

// name stands for how items are grouped, since items have their group's number.
func (t *groups) name() string {
	b := fmt.Append(nil, t.overhead, t.flagsSize, t.bounds)
	return fmt.Sprintf("%d-%08x", len(t.bounds), crc32.Checksum(b, castagnoli))
}

// append appends the metadata to b.
func (m *metadata) append(b []byte) []byte {
	start := len(b)
	b = fmt.Appendf(b, "%s%d\n", magic, metadataFormat)
	for _, f := range m.fields() {
		b = fmt.Appendf(b, "%s %s\n", f.Name, f.Value)
	}
	b = append(b, '\n')
	le := binary.LittleEndian
	b = le.AppendUint32(b, uint32(len(m.runs)))
	for i := range m.runs {
		r := &m.runs[i]
		b = append(b, r.class, r.domain, uint8(r.queue), 0)
		b = le.AppendUint16(le.AppendUint16(b, r.free), r.fresh)
		b = le.AppendUint16(le.AppendUint16(b, r.head), 0)
		b = le.AppendUint64(le.AppendUint32(b, r.sum), r.owner)
	}
	for _, q := range m.queues {
		b = appendList(b, q)
	}
	for i := range m.seqs {
		b = le.AppendUint64(le.AppendUint64(b, m.seqs[i]), m.marks[i])
	}
	for i := range m.shards {
		b = m.shards[i].append(b)
	}
	for i := range m.sums {
		for _, n := range m.sums[i] {
			b = le.AppendUint64(b, uint64(n))
		}
	}
	return le.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

func appendList(b []byte, list []uint32) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(list)))
	for _, n := range list {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

func (h *savedShard) append(b []byte) []byte {
	le := binary.LittleEndian
	flags := uint32(0)
	if h.flushed {
		flags = 1
	}
	for _, n := range [...]uint32{h.n, h.oldN, h.moved, flags} {
		b = le.AppendUint32(b, n)
	}
	b = le.AppendUint64(le.AppendUint64(b, uint64(h.items)), uint64(h.bytes))
	for _, segs := range [...][]savedSegment{h.cur, h.old} {
		for _, seg := range segs {
			b = le.AppendUint32(le.AppendUint32(b, seg.segment), seg.sum)
		}
	}
	return appendList(b, h.spare)
}

// fields are the lines of the metadata behind the first.
func (m *metadata) fields() []Field {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	fields := []Field{
		{"layout", m.layout},
		{"groups", m.groups},
		{"shards", number(int64(len(m.shards)))},
		{"seed", strconv.FormatUint(m.seed, 10)},
		{"arena_bytes", number(m.arenaBytes)},
		{"start_ms", number(m.startMS)},
		{"stop_ms", number(m.stopMS)},
	}
	for _, f := range m.settings {
		fields = append(fields, Field{settingPrefix + f.Name, f.Value})
	}
	for _, f := range m.state {
		fields = append(fields, Field{statePrefix + f.Name, f.Value})
	}
	return fields
}

// Errors of parseMetadata beside ErrMetadata.
var errDamaged = errors.New("slab: metadata are damaged")

// parseMetadata reads what append wrote. ErrMetadata: that is none of ours. A text
// of another version has only its format, as the one field that does not fit.
func parseMetadata(text []byte) (*metadata, error) {
	if !bytes.HasPrefix(text, []byte(magic)) {
		return nil, ErrMetadata
	}
	if len(text) < len(magic)+crcSize {
		return nil, errDamaged
	}
	body := text[:len(text)-crcSize]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(text[len(body):]) {
		return nil, errDamaged
	}
	format, rest, ok := bytes.Cut(body[len(magic):], []byte("\n"))
	if !ok {
		return nil, errDamaged
	}
	if string(format) != strconv.Itoa(metadataFormat) {
		return &metadata{layout: "format " + string(format)}, nil
	}
	m := new(metadata)
	for {
		var line []byte
		if line, rest, ok = bytes.Cut(rest, []byte("\n")); !ok {
			return nil, errDamaged
		}
		if len(line) == 0 {
			break
		}
		name, v, _ := strings.Cut(string(line), " ")
		if !m.setField(name, v) {
			return nil, errDamaged
		}
	}
	r := &metadataReader{b: rest}
	m.read(r)
	if r.short || len(r.b) != 0 {
		return nil, errDamaged
	}
	return m, nil
}

// setField takes a line. Names that are not known are of a later minor change.
func (m *metadata) setField(name, v string) bool {
	var err error
	switch name {
	case "layout":
		m.layout = v
	case "groups":
		m.groups = v
	case "shards":
		m.restorableShards, err = strconv.Atoi(v)
	case "seed":
		m.seed, err = strconv.ParseUint(v, 10, 64)
	case "arena_bytes":
		m.arenaBytes, err = strconv.ParseInt(v, 10, 64)
	case "start_ms":
		m.startMS, err = strconv.ParseInt(v, 10, 64)
	case "stop_ms":
		m.stopMS, err = strconv.ParseInt(v, 10, 64)
	default:
		if s, ok := strings.CutPrefix(name, settingPrefix); ok {
			m.settings = append(m.settings, Field{s, v})
		} else if s, ok := strings.CutPrefix(name, statePrefix); ok {
			m.state = append(m.state, Field{s, v})
		}
	}
	return err == nil
}

// metadataReader takes numbers off the front of b.
type metadataReader struct {
	b     []byte
	short bool
}

func (r *metadataReader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.short, r.b = true, nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *metadataReader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *metadataReader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// count is how many things of so many bytes follow, or 0 when there are not so many.
func (r *metadataReader) count(n uint32, size int) int {
	if uint64(n)*uint64(size) > uint64(len(r.b)) {
		r.short = true
		return 0
	}
	return int(n)
}

func (r *metadataReader) list() []uint32 {
	list := make([]uint32, r.count(r.u32(), 4))
	for i := range list {
		list[i] = r.u32()
	}
	return list
}

func (r *metadataReader) segments(n uint32) []savedSegment {
	list := make([]savedSegment, r.count(n/segBuckets, 8))
	for i := range list {
		list[i] = savedSegment{r.u32(), r.u32()}
	}
	return list
}

func (m *metadata) read(r *metadataReader) {
	m.runs = make([]savedRun, r.count(r.u32(), savedRunSize))
	for i := range m.runs {
		b := r.take(savedRunSize)
		le := binary.LittleEndian
		m.runs[i] = savedRun{
			class: b[0], domain: b[1], queue: queue(b[2]),
			free: le.Uint16(b[4:]), fresh: le.Uint16(b[6:]), head: le.Uint16(b[8:]),
			sum: le.Uint32(b[12:]), owner: le.Uint64(b[16:]),
		}
	}
	for i := range m.queues {
		m.queues[i] = r.list()
	}
	n := r.count(Slots, 16)
	m.seqs, m.marks = make([]uint64, n), make([]uint64, n)
	for i := range n {
		m.seqs[i], m.marks[i] = r.u64(), r.u64()
	}
	if m.restorableShards < 1 || m.restorableShards > Slots {
		r.short = true
		return
	}
	m.shards = make([]savedShard, m.restorableShards)
	for i := range m.shards {
		h := &m.shards[i]
		h.n, h.oldN, h.moved = r.u32(), r.u32(), r.u32()
		h.flushed = r.u32() != 0
		h.items, h.bytes = int64(r.u64()), int64(r.u64())
		h.cur, h.old, h.spare = r.segments(h.n), r.segments(h.oldN), r.list()
	}
	const sumSize = (int(countWeight) + 1) * 8
	m.sums = make([]groupSums, len(r.b)/sumSize)
	for i := range m.sums {
		for j := range m.sums[i] {
			m.sums[i][j] = int64(r.u64())
		}
	}
}

// misfit finds what does not fit this store, and what it wants instead.
func (m *metadata) misfit(c *Config, s *Store) (field Field, wanted string) {
	if format, ok := strings.CutPrefix(m.layout, "format "); ok {
		return Field{"format", format}, strconv.Itoa(metadataFormat)
	}
	switch want := layoutOf(s.classes); {
	case m.layout == want+tierLayout(true) && !c.Tier:
		return Field{"ext_path", "true"}, "false"
	case m.layout != want && m.layout != want+tierLayout(true):
		return Field{"layout", m.layout}, want
	}
	for _, want := range c.FileSettings {
		if have := valueOf(m.settings, want.Name); have != want.Value {
			return Field{want.Name, have}, want.Value
		}
	}
	if want := s.groups.name(); m.groups != want {
		return Field{"groups", m.groups}, want
	}
	if c.Shards != 0 && c.Shards != len(m.shards) {
		return Field{"shards", strconv.Itoa(len(m.shards))}, strconv.Itoa(c.Shards)
	}
	if c.StartMS < m.stopMS-clockBackMS {
		return Field{"stop_ms", strconv.FormatInt(m.stopMS, 10)}, "not after " + strconv.FormatInt(c.StartMS, 10)
	}
	return Field{}, ""
}

// valueOf is the value of the field with this name, or "".
func valueOf(fields []Field, name string) string {
	for _, f := range fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// valid reports whether the metadata can be what a store wrote: nothing that is
// made of them lies out of bounds or is used twice.
func (m *metadata) valid(c *classes, groups int) bool {
	runs := len(m.runs)
	if m.arenaBytes&(runSize-1) != 0 || m.arenaBytes < MinLimit || m.arenaBytes > MaxLimit ||
		runs < 1 || int64(runs) > m.arenaBytes>>runShift || m.runs[0].class != classReserve ||
		len(m.shards)&(len(m.shards)-1) != 0 || len(m.sums) != groups {
		return false
	}
	for i := 1; i < runs; i++ {
		if !m.runs[i].valid(c) {
			return false
		}
	}
	return m.queuesValid(c) && m.segmentsValid()
}

func (r *savedRun) valid(c *classes) bool {
	switch {
	case r.class == classFree, r.class == classBare, r.class == classIndex:
		return true
	case r.queue >= queueCount:
		return false
	case r.class == classPiece:
		return true
	case int(r.class) >= c.count:
		return false
	}
	most := c.cap[r.class]
	return r.fresh <= most && r.head <= r.fresh && r.free < most && r.free >= most-r.fresh && (r.free > most-r.fresh) == (r.head != 0)
}

// holdsItems reports whether a run is one that stands in a queue.
func (r *savedRun) holdsItems() bool { return r.class < maxClasses || r.class == classPiece }

// queuesValid reports whether each run of items stands in its queue once.
func (m *metadata) queuesValid(c *classes) bool {
	want := 0
	for i := range m.runs {
		if m.runs[i].holdsItems() {
			want++
		}
	}
	queued := make([]bool, len(m.runs))
	for q, list := range m.queues {
		for _, id := range list {
			if int(id) >= len(m.runs) || queued[id] || !m.runs[id].holdsItems() || m.runs[id].queue != queue(q) {
				return false
			}
			queued[id] = true
			want--
		}
	}
	return want == 0
}

// segmentsValid reports whether each index's segments lie in runs of the index's,
// and no segment is used twice.
func (m *metadata) segmentsValid() bool {
	used := make([]uint64, len(m.runs)) // a bit for each segment of a run
	use := func(seg uint32, mayBeNone bool) bool {
		if seg == zeroSegment {
			return mayBeNone
		}
		id, bit := seg/segsPerRun, uint64(1)<<(seg%segsPerRun)
		if int(id) >= len(m.runs) || m.runs[id].class != classIndex || used[id]&bit != 0 {
			return false
		}
		used[id] |= bit
		return true
	}
	for i := range m.shards {
		h := &m.shards[i]
		if h.n == 0 || h.n%segBuckets != 0 || h.oldN%segBuckets != 0 || h.oldN == 0 && h.moved != 0 || h.oldN != 0 && h.moved >= h.oldN ||
			h.n >= 1<<homeBits || h.oldN >= 1<<homeBits ||
			h.items < 0 || h.items > int64(h.n+h.oldN)*bucketSlots {
			return false
		}
		for _, list := range [...][]savedSegment{h.cur, h.old} {
			for _, seg := range list {
				if !use(seg.segment, true) {
					return false
				}
			}
		}
		for _, seg := range h.spare {
			if !use(seg, false) {
				return false
			}
		}
	}
	return true
}
