package warmup

import (
	"os"
	"sync"
)

const (
	// blockBytes is how much is written to the file at once.
	blockBytes = 64 << 10

	// blocksInMemory bounds the keys in memory: 4 MB, which is all that a source
	// with fewer than some 100,000 items needs.
	blocksInMemory = 64
)

// A spool is a queue of keys, in order. What does not fit its memory goes to a
// temporary file without a name, which ends with the process. When that cannot
// be written put waits, which holds the source's crawler: slower, not wrong.
//
// A block is a row of keys, each with a byte for its length before it; a zero
// ends it early.
type spool struct {
	mu      sync.Mutex
	changed sync.Cond
	memory  [][]byte // full blocks, older than those in the file
	tail    []byte   // the block that put writes to, younger than all
	file    *os.File
	written int64 // blocks in the file
	read    int64 // of these, taken
	failed  error // why there is no file
	closed  bool  // no more will be put
	broken  bool  // neither put nor take waits
	dir     string
}

func newSpool(dir string) *spool {
	s := &spool{dir: dir}
	s.changed.L = &s.mu
	return s
}

// put appends a key of 1 to keyMax bytes. It reports whether anybody still wants it.
func (s *spool) put(key []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tail)+1+len(key) > blockBytes {
		s.seal()
	}
	if s.tail == nil {
		s.tail = make([]byte, 0, blockBytes)
	}
	if len(s.tail) == 0 {
		s.changed.Broadcast()
	}
	s.tail = append(s.tail, byte(len(key)))
	s.tail = append(s.tail, key...)
	return !s.broken
}

// seal moves the tail on: to memory, to the file, or, when there can be none,
// to memory after a while.
func (s *spool) seal() {
	if s.full() && s.spill() {
		return
	}
	for s.full() && !s.broken {
		s.changed.Wait()
	}
	s.keep()
}

// full reports whether the tail may not go to memory: that has no room, or what
// is in the file comes first.
func (s *spool) full() bool { return s.read != s.written || len(s.memory) >= blocksInMemory }

// keep moves the tail to memory.
func (s *spool) keep() {
	if len(s.tail) > 0 {
		s.memory = append(s.memory, s.tail)
		s.tail = nil
		s.changed.Broadcast()
	}
}

// spill moves the tail to the file.
func (s *spool) spill() bool {
	if s.failed == nil && s.file == nil {
		s.open()
	}
	if s.failed == nil {
		clear(s.tail[len(s.tail):blockBytes])
		_, s.failed = s.file.WriteAt(s.tail[:blockBytes], s.written*blockBytes)
	}
	if s.failed != nil {
		return false
	}
	s.written++
	s.tail = s.tail[:0]
	return true
}

// open makes the file, and takes its name away.
func (s *spool) open() {
	if s.file, s.failed = os.CreateTemp(s.dir, "panda-import-"); s.failed == nil {
		s.failed = os.Remove(s.file.Name())
	}
}

// take waits for keys and returns a block of them; nil: there are no more.
func (s *spool) take() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.broken {
		switch {
		case len(s.memory) > 0:
			block := s.memory[0]
			s.memory[0] = nil
			s.memory = s.memory[1:]
			s.changed.Broadcast()
			return block, nil
		case s.read < s.written:
			return s.fetch()
		case len(s.tail) > 0:
			block := s.tail
			s.tail = nil
			return block, nil
		case s.closed:
			return nil, nil
		}
		s.changed.Wait()
	}
	return nil, nil
}

// fetch reads a block from the file. An empty file is begun anew.
func (s *spool) fetch() ([]byte, error) {
	block := make([]byte, blockBytes)
	if _, err := s.file.ReadAt(block, s.read*blockBytes); err != nil {
		return nil, err
	}
	s.read++
	if s.read == s.written {
		s.read, s.written = 0, 0
		s.changed.Broadcast()
	}
	return block, nil
}

// close says that no more will be put.
func (s *spool) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.changed.Broadcast()
}

// stop ends everything that waits.
func (s *spool) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = true
	s.changed.Broadcast()
}

// remove gives the file back.
func (s *spool) remove() {
	if s.file != nil {
		s.file.Close()
	}
}

// failure is why keys could not go to a file, or nil.
func (s *spool) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// nextKey cuts the first key off a block; an empty one: there are no more.
func nextKey(block []byte) (key, rest []byte) {
	if len(block) == 0 || block[0] == 0 {
		return nil, nil
	}
	n := int(block[0])
	return block[1 : 1+n], block[1+n:]
}
