package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/effectlog"
)

// scanner is how far the goroutine has come that looks for frames.
type scanner struct {
	header   Header // the file's; of one that is damaged, what is known of it
	identity uint64
	known    bool     // the identity is
	trailer  *Trailer // that was not in its place
	lost     bool     // behind damage, no frame has been found yet
	told     int64    // where damage is known to be: a trailer's place; 0: nowhere

	rest  []byte // the beginning of a frame, from the span before
	large *span  // of a frame that is larger than a span
	have  int    // bytes of it

	number  uint64 // of the next frame
	records uint64 // before it
	sum     uint32

	frames, total, bytes uint64 // frames, records, and bytes of them that were found
}

// begin has the scanner begin behind the head, of which block is the bytes.
func (c *scanner) begin(header Header, block []byte) {
	c.header = header
	c.sum = crc32.Update(0, castagnoli, block[8:12])
}

// believe has it take frames of this identity for the file's, and no others. Until then
// it takes the first it finds.
func (c *scanner) believe(identity uint64) { c.identity, c.known = identity, true }

// run finds the frames, span by span.
func (r *reader) run() {
	defer close(r.found)
	c := &r.scan
	c.rest = make([]byte, 0, r.carry)
	for i := 0; !r.stopped.Load(); i++ {
		s, ok := <-r.loaders[i%loaders].loaded
		if !ok {
			break
		}
		if c.large != nil {
			r.extend(s)
		}
		if n := len(c.rest); n > 0 {
			s.bytes = s.buffer[r.carry-n:][:n+len(s.bytes)]
			s.offset -= int64(n)
			copy(s.bytes, c.rest)
			c.rest = c.rest[:0]
		}
		r.keepRest(s, r.split(s))
		r.found <- s
	}
	for i := range r.loaders { // those that are stopped hand over what they have
		for s := range r.loaders[i].loaded {
			r.free <- s
		}
	}
}

// keepRest keeps the beginning of a frame that is not whole in s, and takes need bytes.
func (r *reader) keepRest(s *span, need int) {
	c := &r.scan
	rest := s.bytes[s.size:]
	switch {
	case need == 0:
		return
	case need <= r.carry:
		c.rest = append(c.rest, rest...)
		return
	}
	c.large = <-r.large
	if len(c.large.buffer) < need {
		c.large.buffer = nil // first it is the collector's
		c.large.buffer = make([]byte, need)
	}
	c.large.offset = s.offset + int64(s.size)
	c.large.bytes = c.large.buffer[:need]
	c.have = copy(c.large.bytes, rest)
}

// extend adds to the frame that is larger than a span what s has of it.
func (r *reader) extend(s *span) {
	c := &r.scan
	n := copy(c.large.bytes[c.have:], s.bytes)
	c.have += n
	s.bytes = s.bytes[n:]
	s.offset += int64(n)
	if c.have == len(c.large.bytes) {
		r.split(c.large)
		r.found <- c.large
		c.large = nil
	}
}

// split finds the frames that are whole in s. What follows them, if there is anything,
// is the beginning of one that takes need bytes.
func (r *reader) split(s *span) (need int) {
	for s.size < len(s.bytes) {
		rest := s.bytes[s.size:]
		offset := s.offset + int64(s.size)
		f, err := parseFrame(rest)
		if err == nil && r.scan.known && f.identity != r.scan.identity || err == nil && offset+padded(int64(f.size)) > r.end {
			err = ErrFrame
		}
		if err != nil {
			if !r.lose(s, offset, err) {
				return 0
			}
			s.size += dio.BlockSize
			continue
		}
		if need = int(padded(int64(f.size))); need > len(rest) {
			return need
		}
		if !r.place(s, &f, offset) {
			return 0
		}
		s.size += need
	}
	return 0
}

// lose notes damage where a frame should be, and says whether to look for the next.
func (r *reader) lose(s *span, offset int64, err error) bool {
	if !r.scan.lost && offset != r.scan.told {
		s.damage = append(s.damage, r.at(offset, -1, err))
	}
	r.scan.lost = true
	return !r.ends(err)
}

// ends has the rest not read, if the damage err ends Read.
func (r *reader) ends(err error) bool {
	if r.options.Salvage != nil && !laterVersion(err) {
		return false
	}
	r.stopped.Store(true)
	return true
}

// place takes a frame that is whole in s, and says whether to go on: it is the one
// that is due, or what is missing is to be salvaged around.
func (r *reader) place(s *span, f *frame, offset int64) bool {
	c := &r.scan
	head := s.bytes[s.size:]
	if f.flags&frameTrailer != 0 {
		if t, err := parseTrailer(head[:padded(int64(f.size))]); err == nil && r.trailer == nil && c.trailer == nil {
			c.trailer = t
			return true
		}
		return r.lose(s, offset, ErrFrame)
	}
	if due := f.number == c.number && f.first == c.records; !due && (!c.lost || f.number < c.number) {
		err := fmt.Errorf("%w: frame %d, where %d is due", ErrOrder, f.number, c.number)
		s.damage = append(s.damage, r.at(offset, -1, err))
		if r.ends(err) {
			return false
		}
	}
	c.lost = false
	c.believe(f.identity)
	c.number, c.records = f.number+1, f.first+uint64(f.records)
	c.sum = addFrame(c.sum, head)
	c.frames++
	c.total += uint64(f.records)
	c.bytes += uint64(f.size)
	s.frames = append(s.frames, Frame{
		Offset: offset, Number: f.number, First: f.first, Records: int(f.records), Bytes: int(f.size), sum: f.sum, at: s.size,
	})
	return true
}

// runChecks checks spans, until there are no more.
func (r *reader) runChecks() {
	for s := range r.found {
		for i := range s.frames {
			if r.stopped.Load() {
				break
			}
			f := &s.frames[i]
			r.check(s, f)
			if r.options.Parallel && s.err == nil && (len(f.Damage) == 0 || r.options.Salvage != nil) {
				s.err = r.visit(f)
			}
		}
		r.checked <- s
	}
	if r.active.Add(-1) == 0 {
		close(r.checked)
	}
}

// check looks at each record of a frame, at the frame's checksum, and at what is
// behind the records.
func (r *reader) check(s *span, f *Frame) {
	body := s.bytes[f.at+frameHead:][:f.Bytes]
	at, from, count, begin := 0, 0, 0, 0 // the record's place, and that of the first whole one
	for count < f.Records {
		_, n, err := effectlog.ParseRecord(body[at:])
		if err == nil {
			at += n
			count++
			continue
		}
		f.Damage = append(f.Damage, r.at(f.Offset+frameHead+int64(at), int(f.First)+count, err))
		f.batch(body, from, at, count-begin, begin)
		n = skip(body[at:], count+1 == f.Records)
		if n == 0 || r.options.Salvage == nil {
			return
		}
		at += n
		count++
		from, begin = at, count
	}
	f.batch(body, from, at, count-begin, begin)
	switch {
	case at < len(body):
		f.Damage = append(f.Damage, r.at(f.Offset+frameHead+int64(at), int(f.First)+count, effectlog.ErrRecord))
	case len(f.Damage) == 0 && crc32.Checksum(body, castagnoli) != f.sum || !zero(s.bytes[f.at+frameHead+at:][:padded(int64(at))-frameHead-int64(at)]):
		f.Damage = append(f.Damage, r.at(f.Offset, -1, ErrFrame))
	}
}

// batch adds count records, from the frame's record first on, which stand in the
// frame's bytes from from to to.
func (f *Frame) batch(body []byte, from, to, count, first int) {
	if count > 0 {
		f.Batches = append(f.Batches, Batch{
			Records: body[from:to], Count: count, First: f.First + uint64(first), Offset: f.Offset + frameHead + int64(from),
		})
	}
}

// skip is the length of the damaged record at the beginning of src, if it leads to a
// whole record, or to the end behind the last; else 0.
func skip(src []byte, last bool) (n int) {
	if len(src) < 8 {
		return 0
	}
	size := int64(binary.LittleEndian.Uint32(src[4:]))
	if size < 8 || size > int64(len(src)) {
		return 0
	}
	if size == int64(len(src)) && last {
		return int(size)
	}
	if _, n, _ := effectlog.ParseRecord(src[size:]); n == 0 {
		return 0
	}
	return int(size)
}

// laterVersion says whether err is no damage, but what a later version has written.
func laterVersion(err error) bool {
	return errors.Is(err, ErrVersion) || errors.Is(err, effectlog.ErrVersion)
}
