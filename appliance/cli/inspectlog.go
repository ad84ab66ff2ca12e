package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/disk/effectlog"
)

const inspectLogLong = `Show the log of a keyspace that survives (persist.mode = log): its segments, their
frames, the records in them, and what is damaged. FOLDER is a data folder, which a
server may be using; FILE is one segment.

A record's line has its offset in the file, its number in the segment, what it did,
slot and sequence, and the key. Bytes that are no text are escaped. What follows the
last whole frame of a log that was interrupted is called torn, and is no damage.

--json prints one object a line: segments, frames, records, damage, and at the end
a summary; "type" says which. A key or value that is no UTF-8 is escaped, and then
"escaped" is true.

Exit code: 0 nothing is damaged, 1 something is, or could not be read, 64 wrong
arguments.`

func newInspectLog(code *int, stderr io.Writer) *cobra.Command {
	var o inspectOptions
	c := &cobra.Command{
		Use:     "log FILE|FOLDER",
		Short:   "Show segments, frames and records of a log, and damage",
		Long:    inspectLogLong,
		Example: "  panda inspect log /var/lib/panda\n  panda inspect log --json 0000000000000007.log | jq 'select(.type == \"damage\")'",
		Args:    cobra.ExactArgs(1),
		PreRunE: func(_ *cobra.Command, args []string) error { return switchValue(args, "json") },
		Run: func(c *cobra.Command, args []string) {
			if err := inspectLog(args[0], o, c.OutOrStdout()); err != nil {
				fmt.Fprintf(stderr, "panda: inspect: %v\n", err)
				*code = config.ExitFailure
			}
		},
	}
	o.flags(c)
	return c
}

// A logLister prints a log.
type logLister struct {
	*lister
	values  bool
	summary logSummary
}

type logSummary struct {
	Type     string          `json:"type"`
	Segments int             `json:"segments"`
	Frames   int             `json:"frames"`
	Records  int             `json:"records"`
	Epoch    effectlog.Epoch `json:"epoch"` // the last whole one
	Damaged  int             `json:"damaged"`
	Torn     bool            `json:"torn"`
}

// inspectLog prints what is there; an error says how much is damaged.
func inspectLog(path string, o inspectOptions, stdout io.Writer) error {
	disk, name, err := openInspected(path)
	if err != nil {
		return err
	}
	l := &logLister{lister: o.lister(stdout), values: o.values}
	s := &l.summary
	tail, err := effectlog.Inspect(disk, ".", name, &effectlog.Inspector{Segment: l.segment, Frame: l.frame, Damage: l.damage})
	if damage := (*effectlog.DamageError)(nil); errors.As(err, &damage) {
		l.damage(damage)
		err = nil
	}
	if tail != nil && tail.Torn != nil {
		s.Torn = true
		l.place("torn", tail.Torn)
	}
	s.Type = "summary"
	l.print(s, "%d segments, %d frames, %d records, up to epoch %d; %d damaged", s.Segments, s.Frames, s.Records, s.Epoch, s.Damaged)
	err = cmp.Or(err, l.flush())
	switch {
	case err != nil:
		return err
	case s.Segments == 0 && s.Damaged == 0:
		return fmt.Errorf("%s: no segment of a log", path)
	case s.Damaged > 0:
		return fmt.Errorf("%s: damaged places: %d", path, s.Damaged)
	}
	return nil
}

func (l *logLister) segment(s *effectlog.Segment) {
	l.summary.Segments++
	object := struct {
		Type     string          `json:"type"`
		File     string          `json:"file"`
		Serial   uint64          `json:"serial"`
		Identity string          `json:"identity"`
		First    effectlog.Epoch `json:"first_epoch"`
		Bytes    int64           `json:"bytes"`
		Blank    bool            `json:"blank,omitempty"`
	}{"segment", s.File, s.Serial, fmt.Sprintf("%016x", s.Identity), s.First, s.Bytes, s.Blank}
	if s.Blank {
		l.print(object, "segment %s: %d bytes, made ready, not begun", s.File, s.Bytes)
		return
	}
	l.print(object, "segment %s: %d bytes, identity %s, epochs from %d", s.File, s.Bytes, object.Identity, s.First)
}

func (l *logLister) frame(f *effectlog.Frame) {
	l.summary.Frames++
	if f.Last {
		l.summary.Epoch = max(l.summary.Epoch, f.Epoch)
	}
	kind := "frame"
	switch {
	case f.End:
		kind = "end"
	case f.Note:
		kind = "note"
	}
	object := struct {
		Type    string          `json:"type"`
		File    string          `json:"file"`
		Offset  int64           `json:"offset"`
		Bytes   int64           `json:"bytes"`
		First   effectlog.Epoch `json:"first_epoch"`
		Epoch   effectlog.Epoch `json:"epoch"`
		Last    bool            `json:"whole"`
		Durable effectlog.Epoch `json:"durable"`
		Records int             `json:"records"`
	}{kind, f.File, f.Offset, f.Bytes, f.First, f.Epoch, f.Last, f.Durable, f.Records}
	switch {
	case kind != "frame":
		l.print(object, "  %s at %d: durable up to %d", kind, f.Offset, f.Durable)
	case f.Last:
		l.print(object, "  frame at %d: epochs %d to %d, %d records, %d bytes, durable up to %d", f.Offset, f.First, f.Epoch, f.Records, f.Bytes, f.Durable)
	default:
		l.print(object, "  frame at %d: a part of epoch %d, %d records, %d bytes, durable up to %d", f.Offset, f.Epoch, f.Records, f.Bytes, f.Durable)
	}
	for _, p := range f.Parts {
		l.part(f.File, &p)
	}
}

// part prints records.
func (l *logLister) part(file string, p *effectlog.Part) {
	offset, number := p.Offset, p.Number
	for rest := p.Records; len(rest) > 0; {
		r, n := effectlog.ParseChecked(rest)
		l.record(file, offset, number, &r)
		rest, offset, number = rest[n:], offset+int64(n), number+1
	}
}

// A logRecord is a record, as it is printed.
type logRecord struct {
	Type     string    `json:"type"`
	File     string    `json:"file"`
	Offset   int64     `json:"offset"`
	Number   int       `json:"number"`
	Kind     string    `json:"kind"`
	Slot     uint64    `json:"slot"`
	Sequence uint64    `json:"sequence"`
	Key      string    `json:"key,omitempty"`
	Bytes    int       `json:"bytes,omitempty"` // of the value
	Value    *string   `json:"value,omitempty"`
	Escaped  bool      `json:"escaped,omitempty"`
	ExpiryMS int64     `json:"expiry_ms,omitempty"`
	CAS      uint64    `json:"cas,omitempty,string"` // too large for JSON's numbers
	Flags    uint32    `json:"flags,omitempty"`
	Bits     uint32    `json:"bits,omitempty"`
	DB       uint32    `json:"db,omitempty"`
	Marks    []logMark `json:"marks,omitempty"` // of a flush all
}

type logMark struct {
	Slot     uint64 `json:"slot"`
	Sequence uint64 `json:"sequence"`
}

var logKinds = map[effectlog.Kind]string{
	effectlog.KindSet: "set", effectlog.KindTouch: "touch", effectlog.KindDelete: "delete", effectlog.KindExpire: "expire",
	effectlog.KindEvict: "evict", effectlog.KindFlush: "flush", effectlog.KindFlushAll: "flush all", effectlog.KindState: "state", effectlog.KindMark: "mark",
}

// of a stamp
const (
	slotBits = 14
	slotMask = 1<<slotBits - 1
)

func (l *logLister) record(file string, offset int64, number int, r *effectlog.Record) {
	l.summary.Records++
	key, value := quoted(r.Key), quoted(r.Value)
	o := &logRecord{
		Type: "record", File: file, Offset: offset, Number: number, Kind: logKinds[r.Kind],
		Slot: r.Stamp & slotMask, Sequence: r.Stamp >> slotBits, Key: key, Bytes: len(r.Value),
		ExpiryMS: r.ExpiryMS, CAS: r.CAS, Flags: r.Flags, Bits: r.Bits, DB: r.DB,
	}
	if r.Kind == effectlog.KindFlushAll {
		o.Bytes = 0
		for mark := range effectlog.Marks(r.Value) {
			o.Marks = append(o.Marks, logMark{mark & slotMask, mark >> slotBits})
		}
	} else if l.values && (r.Kind == effectlog.KindSet || r.Kind == effectlog.KindState) {
		o.Value = &value
	}
	if l.lines != nil {
		o.Escaped = key != string(r.Key) || o.Value != nil && value != string(r.Value)
		l.print(o, "")
		return
	}
	l.print(nil, "    %d #%d %s", offset, number, o.text(r))
}

// text is the record in one line.
func (o *logRecord) text(r *effectlog.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s slot %d sequence %d", o.Kind, o.Slot, o.Sequence)
	if len(r.Key) > 0 {
		fmt.Fprintf(&b, " %q", r.Key)
	}
	switch r.Kind {
	case effectlog.KindSet, effectlog.KindState:
		fmt.Fprintf(&b, ", %d bytes", len(r.Value))
	case effectlog.KindFlushAll:
		fmt.Fprintf(&b, ", %d slots", len(o.Marks))
	}
	if r.ExpiryMS != 0 {
		fmt.Fprintf(&b, ", expires %s", time.UnixMilli(r.ExpiryMS).UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	for _, field := range []struct {
		name  string
		value uint64
	}{{"cas", r.CAS}, {"flags", uint64(r.Flags)}, {"bits", uint64(r.Bits)}, {"db", uint64(r.DB)}} {
		if field.value != 0 {
			fmt.Fprintf(&b, ", %s %d", field.name, field.value)
		}
	}
	if o.Value != nil {
		fmt.Fprintf(&b, ": %q", r.Value)
	}
	return b.String()
}

func (l *logLister) damage(d *effectlog.DamageError) {
	l.summary.Damaged++
	l.place("damage", d)
}

// place prints where the log cannot be believed, or ends.
func (l *logLister) place(kind string, d *effectlog.DamageError) {
	object := struct {
		Type   string `json:"type"`
		File   string `json:"file"`
		Offset int64  `json:"offset"`
		Record int    `json:"record"` // -1: a head
		Error  string `json:"error"`
	}{kind, d.File, d.Offset, d.Record, d.Err.Error()}
	l.print(object, "%s: %v", kind, d)
}
