package effectlog

import (
	"path"

	"github.com/pandabeardb/panda/disk/dio"
)

// An Inspector is told what is in a log, segment by segment and frame by frame, in
// the order of the files. What it is given is its own until it returns.
type Inspector struct {
	Segment func(*Segment)
	Frame   func(*Frame)
	Damage  func(*DamageError)
}

// A Segment is one file of the log.
type Segment struct {
	File     string
	Serial   uint64
	Identity uint64
	First    Epoch // nothing in it is of an earlier one
	Bytes    int64
	Blank    bool // made ready, and no part of the log yet
}

// A Frame is what was written at once.
type Frame struct {
	File    string
	Offset  int64 // in File
	Bytes   int64 // of File
	First   Epoch // epochs from First to Epoch, or frames of one
	Epoch   Epoch
	Durable Epoch // the last one known to be durable then
	Records int   // as the head says
	Last    bool  // Epoch ends here
	End     bool  // the segment ends here
	Note    bool  // it only says what is durable
	Parts   []Part
}

// A Part is records of a frame, one after the other, all of them whole: Peek,
// ParseChecked. Only damage makes several of a frame.
type Part struct {
	Records []byte
	Count   int
	Offset  int64 // in the file
	Number  int   // of the first one in the segment
}

// Inspect goes through the log in folder, or through one file of it, around all
// damage. It changes nothing, and the log may be in use. An error that is a
// *DamageError is one that ends it.
func Inspect(disk dio.FS, folder, name string, visit *Inspector) (*Tail, error) {
	files, err := segmentFiles(disk, folder)
	if err != nil {
		return nil, err
	}
	if name != "" && parseName(name) == 0 { // a copy under another name
		files = []file{{name: name}}
	}
	r := newReader(disk, folder, files)
	r.inspect, r.salvage, r.only = true, true, name
	err = r.run(func(e *event) error {
		switch {
		case e.damage != nil:
			visit.Damage(e.damage)
		case e.segment != nil:
			visit.Segment(e.segment)
		case e.frame != nil:
			visit.Frame(e.frame)
		}
		return nil
	})
	return r.tail, err
}

func (r *reader) emitSegment(s *segment) error {
	if !r.inspect {
		return nil
	}
	return r.emit(event{segment: &Segment{File: r.name, Serial: s.serial, Identity: s.identity, First: s.first, Bytes: r.size}})
}

// emitBlank tells of a segment that was only made ready.
func (r *reader) emitBlank(f file) error {
	if !r.inspect || r.only != "" && r.only != f.name {
		return nil
	}
	return r.emit(event{segment: &Segment{File: path.Join(r.folder, f.name), Serial: f.serial, Bytes: f.size, Blank: true}})
}

func (r *reader) emitFrame(parts []part, f *frame, offset, next int64) error {
	if !r.inspect {
		return nil
	}
	frame := &Frame{
		File: r.name, Offset: offset, Bytes: next - offset,
		First: f.first, Epoch: f.epoch, Durable: f.durable, Records: int(f.records),
		Last: f.flags&frameLast != 0, End: f.flags&frameEnd != 0, Note: f.flags&frameNote != 0,
	}
	for _, p := range parts {
		if p.count > 0 {
			frame.Parts = append(frame.Parts, Part{p.records, p.count, p.offset, p.number})
		}
	}
	return r.emit(event{frame: frame})
}
