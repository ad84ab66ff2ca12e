package slab

// Sizes of the arena's parts, in bytes.
const (
	runShift = 16
	runSize  = 1 << runShift // what a class takes at a time: about 500 small items, 2 of the largest
	minChunk = 32            // header, a short key, a short value
	maxChunk = runSize / 2   // larger memory comes as pieces, see large.go
	// fineMax: 8 bytes are much of what is smaller; as fine steps above it would cost
	// more in half-filled runs than they save.
	fineMax = 160
	// closeMin: above it every number of chunks that a run can have is a class, for
	// an eighth of what is large is much.
	closeMin = 3000

	segShift = 10
	segSize  = 1 << segShift // one index segment
)

// Values of run.class beyond the size classes.
const (
	maxClasses   = 120
	classFree    = 255 // in the store's free list
	classIndex   = 254 // cut into index segments
	classPiece   = 253 // one whole piece of a large item
	classReserve = 252 // run 0, so that a zero reference is none
	classGhost   = 251 // the ghosts of evicted items
	classBare    = 250 // free, without memory behind it
	classDamaged = 249 // of a restart, until nothing names it any more
)

// classes are the chunk sizes: 8 bytes apart up to fineMax, then each about an
// eighth above the one before, a sixteenth from closeMin on, widened to what an
// equal division of a run gives.
type classes struct {
	count int
	size  [maxClasses]uint32 // bytes of a chunk
	cap   [maxClasses]uint16 // chunks in a run
	of    [maxChunk/8 + 1]uint8
}

func newClasses() *classes {
	c := new(classes)
	for want := uint32(minChunk); ; {
		chunks := runSize / want
		size := runSize / chunks &^ 7
		c.size[c.count], c.cap[c.count] = size, uint16(chunks)
		c.count++
		if size >= maxChunk {
			break
		}
		switch want = size + size/8&^7; {
		case size < fineMax:
			want = size + 8
		case size > closeMin:
			want = size + size/16&^7
		}
	}
	class := 0
	for units := range c.of {
		for uint32(units)*8 > c.size[class] {
			class++
		}
		c.of[units] = uint8(class)
	}
	return c
}

// forSize returns the class of the smallest chunk that holds n bytes (n <= maxChunk).
func (c *classes) forSize(n int) uint8 { return c.of[(n+7)>>3] }
