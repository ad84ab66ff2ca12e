package effectlog

import (
	"encoding/binary"
	"iter"
)

// The value of a KindFlushAll: for each slot concerned a mark, slot sequence << 14 |
// slot, in the order of the slots. What has no later stamp in its slot is absent.

const (
	markLen  = 8         // bytes
	slotMask = 1<<14 - 1 // of a stamp
)

// AppendMark appends a slot's mark, whose slot is above those before it.
func AppendMark(dst []byte, mark uint64) []byte {
	return binary.LittleEndian.AppendUint64(dst, mark)
}

// Marks are those of the value of a record that is whole.
func Marks(value []byte) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for ; len(value) >= markLen; value = value[markLen:] {
			if !yield(binary.LittleEndian.Uint64(value)) {
				return
			}
		}
	}
}

// marksInOrder says whether a value is whole marks, one for a slot, in their order.
func marksInOrder(value []byte) bool {
	if len(value)%markLen != 0 {
		return false
	}
	last := -1
	for mark := range Marks(value) {
		slot := int(mark & slotMask)
		if slot <= last {
			return false
		}
		last = slot
	}
	return true
}
