package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/effectlog"
	"github.com/pandabeardb/panda/disk/snapshot"
)

const inspectSnapshotLong = `Show a snapshot of a keyspace that survives (persist.mode = log or snapshot): its
head, its frames, the records in them, its trailer, and what is damaged. FILE is a
snapshot; of a FOLDER, which a server may be using, it is the newest.

A record's line has its offset in the file, its number in it, what it is, slot and
sequence, and the key. Bytes that are no text are escaped.

--json prints one object a line: snapshot, frames, records, trailer, damage, and at
the end a summary; "type" says which. A key or value that is no UTF-8 is escaped, and
then "escaped" is true.

Exit code: 0 nothing is damaged, 1 something is, or could not be read, 64 wrong
arguments.`

func newInspectSnapshot(code *int, stderr io.Writer) *cobra.Command {
	var o inspectOptions
	c := &cobra.Command{
		Use:     "snapshot FILE|FOLDER",
		Short:   "Show frames and records of a snapshot, and damage",
		Long:    inspectSnapshotLong,
		Example: "  panda inspect snapshot /var/lib/panda\n  panda inspect snapshot --json 0000000000000007.snapshot | jq 'select(.type == \"trailer\")'",
		Args:    cobra.ExactArgs(1),
		PreRunE: func(_ *cobra.Command, args []string) error { return switchValue(args, "json") },
		Run: func(c *cobra.Command, args []string) {
			if err := inspectSnapshot(args[0], o, c.OutOrStdout()); err != nil {
				fmt.Fprintf(stderr, "panda: inspect: %v\n", err)
				*code = config.ExitFailure
			}
		},
	}
	o.flags(c)
	return c
}

// A snapshotLister prints a snapshot. It has the log's way of printing records.
type snapshotLister struct {
	logLister
	name    string
	summary snapshotSummary
}

type snapshotSummary struct {
	Type    string `json:"type"`
	Frames  int    `json:"frames"`
	Records int    `json:"records"`
	Damaged int    `json:"damaged"`
}

// inspectSnapshot prints what is there; an error says how much is damaged.
func inspectSnapshot(path string, o inspectOptions, stdout io.Writer) error {
	disk, name, err := openInspected(path)
	if err != nil {
		return err
	}
	if name == "" {
		if name, err = newestSnapshot(disk); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	l := &snapshotLister{logLister: logLister{lister: o.lister(stdout), values: o.values}, name: name}
	trailer, err := snapshot.Inspect(disk, name, &snapshot.Inspector{Header: l.header, Frame: l.frame, Damage: l.damage})
	if damage := (*snapshot.DamageError)(nil); errors.As(err, &damage) {
		l.damage(damage)
		err = nil
	}
	if trailer != nil && trailer.Seqs != nil {
		l.trailer(trailer)
	}
	s := &l.summary
	s.Type, s.Records, s.Damaged = "summary", l.logLister.summary.Records, l.logLister.summary.Damaged
	l.print(s, "%d frames, %d records; %d damaged", s.Frames, s.Records, s.Damaged)
	err = cmp.Or(err, l.flush())
	if err == nil && s.Damaged > 0 {
		err = fmt.Errorf("%s: damaged places: %d", path, s.Damaged)
	}
	return err
}

// newestSnapshot is the one of a folder that a node would take.
func newestSnapshot(disk dio.FS) (name string, err error) {
	name, _, found, err := snapshot.Newest(disk, ".")
	var damage *snapshot.DamageError
	switch {
	case errors.As(err, &damage): // it is shown
		return name, nil
	case err == nil && !found:
		return "", errors.New("no snapshot")
	}
	return name, err
}

func (l *snapshotLister) header(h *snapshot.Header) {
	object := struct {
		Type      string          `json:"type"`
		File      string          `json:"file"`
		Serial    uint64          `json:"serial"`
		Identity  string          `json:"identity"`
		Begin     effectlog.Epoch `json:"begin_epoch"`
		CreatedMS int64           `json:"created_ms"`
	}{"snapshot", l.name, h.Serial, fmt.Sprintf("%016x", h.Identity), h.Begin, h.CreatedMS}
	l.print(object, "snapshot %s: number %d, identity %s, all up to epoch %d, begun %s",
		l.name, h.Serial, object.Identity, h.Begin, time.UnixMilli(h.CreatedMS).UTC().Format("2006-01-02T15:04:05.000Z"))
}

func (l *snapshotLister) frame(f *snapshot.Frame) {
	l.summary.Frames++
	l.print(struct {
		Type    string `json:"type"`
		File    string `json:"file"`
		Offset  int64  `json:"offset"`
		Number  uint64 `json:"number"`
		Records int    `json:"records"`
		Bytes   int    `json:"bytes"`
	}{"frame", l.name, f.Offset, f.Number, f.Records, f.Bytes},
		"  frame %d at %d: %d records, %d bytes", f.Number, f.Offset, f.Records, f.Bytes)
	for _, b := range f.Batches {
		l.part(l.name, &effectlog.Part{Records: b.Records, Count: b.Count, Offset: b.Offset, Number: int(b.First)})
	}
}

func (l *snapshotLister) trailer(t *snapshot.Trailer) {
	used := 0
	for _, seq := range t.Seqs {
		if seq > 0 {
			used++
		}
	}
	object := struct {
		Type    string          `json:"type"`
		File    string          `json:"file"`
		End     effectlog.Epoch `json:"end_epoch"`
		Frames  uint64          `json:"frames"`
		Records uint64          `json:"records"`
		Bytes   uint64          `json:"bytes"`
		Slots   int             `json:"slots"` // that anything was ever in
		Highest uint64          `json:"sequence_max"`
	}{"trailer", l.name, t.End, t.Frames, t.Records, t.Bytes, used, slices.Max(t.Seqs)}
	l.print(object, "  trailer: nothing behind epoch %d, %d frames, %d records, %d bytes, sequences of %d slots up to %d",
		t.End, t.Frames, t.Records, t.Bytes, used, object.Highest)
}
