package effectlog

import (
	"errors"
	"io"
	"sync"

	"github.com/pandabeardb/panda/disk/dio"
)

const (
	// chunkBytes is read at once: above it a disk's rate grows no more.
	chunkBytes = 4 << 20
	// carryBytes of a chunk are taken along into the next one's window, so that a frame
	// of the usual size lies there in one piece.
	carryBytes = stageBytes + dio.BlockSize
	// windowsMax is one that is read into, one that is checked, one that is visited, and
	// one between them: 20 MiB.
	windowsMax = 4
)

// A window is memory for a chunk, behind room for what the one before it has left.
type window struct{ buffer []byte }

// windows are those of one Read.
type windows struct {
	free  chan *window
	made  int // the fetching goroutine's; there is one at a time
	carry int
	chunk int
}

// newWindows are for files up to this size.
func newWindows(largest int64) *windows {
	chunk := min(chunkBytes, padded(largest))
	return &windows{free: make(chan *window, windowsMax), carry: int(min(carryBytes, chunk)), chunk: int(chunk)}
}

// take waits for a window; nil: until stop.
func (ws *windows) take(stop <-chan struct{}) *window {
	select {
	case w := <-ws.free:
		return w
	default:
	}
	if ws.made < windowsMax {
		ws.made++
		return &window{dio.Aligned(ws.carry + ws.chunk)}
	}
	select {
	case w := <-ws.free:
		return w
	case <-stop:
		return nil
	}
}

// fetched is a chunk, which one read has brought.
type fetched struct {
	window *window
	offset int64
	n      int
	err    error
}

// A source gives the bytes of one file to its one user, and reads ahead of him.
type source struct {
	file    dio.File
	size    int64
	windows *windows
	quit    <-chan struct{}
	release func(*window)                       // a window that is behind the user
	broken  func(offset int64, err error) error // a block cannot be read; nil: it is taken for zeros

	window *window
	data   []byte // in window
	from   int64  // where data is in the file
	next   int64  // the chunk that comes

	ahead chan fetched // from the goroutine that reads
	stop  chan struct{}
	ended sync.WaitGroup
}

// seek goes on at offset, a multiple of the block.
func (s *source) seek(offset int64) {
	s.close()
	s.from, s.next, s.data = offset, offset, nil
	s.ahead, s.stop = make(chan fetched, windowsMax), make(chan struct{})
	s.ended.Go(func() { s.fetch(offset) })
}

// fetch reads chunks to the file's end.
func (s *source) fetch(offset int64) {
	defer close(s.ahead)
	for offset < s.size {
		w := s.windows.take(s.stop)
		if w == nil {
			return
		}
		n, err := s.file.ReadAt(w.buffer[s.windows.carry:], offset)
		if err == io.EOF {
			err = nil
			if offset+int64(n) < s.size { // it has become shorter
				err = io.ErrUnexpectedEOF
			}
		}
		c := fetched{w, offset, n, err}
		s.ahead <- c // has room for all windows
		select {
		case <-s.stop:
			return
		default:
		}
		offset += int64(s.windows.chunk)
	}
}

// close ends the reading ahead.
func (s *source) close() {
	if s.window != nil {
		s.release(s.window)
		s.window, s.data = nil, nil
	}
	if s.stop == nil {
		return
	}
	close(s.stop)
	s.ended.Wait()
	s.stop = nil
	for c := range s.ahead {
		s.windows.free <- c.window
	}
}

// bytes are n bytes of the file from offset on, a multiple of the block; what is
// behind its end is zero. They are valid until the window is released.
func (s *source) bytes(offset int64, n int) ([]byte, error) {
	if s.stop == nil || offset < s.from || offset > s.next {
		s.seek(offset)
	}
	for {
		have := s.data[min(offset-s.from, int64(len(s.data))):]
		switch {
		case len(have) >= n:
			return have[:n], nil
		case s.next >= s.size:
			return append(make([]byte, 0, n), have...)[:n], nil
		case len(have) > s.windows.carry:
			return s.large(have, n)
		}
		if err := s.advance(have); err != nil {
			return nil, err
		}
	}
}

// large are bytes that no window holds, in memory of their own.
func (s *source) large(have []byte, n int) ([]byte, error) {
	b := append(make([]byte, 0, n), have...)
	for len(b) < n && s.next < s.size {
		if err := s.advance(nil); err != nil {
			return nil, err
		}
		b = append(b, s.data[:min(len(s.data), n-len(b))]...)
	}
	return b[:n], nil
}

// advance goes on to the next chunk, and takes along what was had of the last one.
func (s *source) advance(have []byte) error {
	var c fetched
	select {
	case c = <-s.ahead:
	case <-s.quit: // nobody gives windows back any more
		return errQuit
	}
	carry := s.windows.carry
	end := carry + int(padded(int64(c.n)-frameHead)) // to the end of the block
	if c.err != nil {
		end = carry + s.windows.chunk
		if err := s.mend(c); err != nil {
			s.windows.free <- c.window
			return err
		}
	} else {
		clear(c.window.buffer[carry+c.n : end])
	}
	copy(c.window.buffer[carry-len(have):], have)
	if s.window != nil {
		s.release(s.window)
	}
	s.window = c.window
	s.data = c.window.buffer[carry-len(have) : end]
	s.from, s.next = c.offset-int64(len(have)), c.offset+int64(s.windows.chunk)
	return nil
}

// mend reads a chunk again that could not be read, block by block.
func (s *source) mend(c fetched) error {
	all := c.window.buffer[s.windows.carry:]
	for at := 0; at < len(all); at += dio.BlockSize {
		block := all[at : at+dio.BlockSize]
		offset := c.offset + int64(at)
		if offset >= s.size {
			clear(block)
			continue
		}
		n, err := s.file.ReadAt(block, offset)
		if err != nil && !(errors.Is(err, io.EOF) && offset+int64(n) >= s.size) {
			if err := s.broken(offset, err); err != nil {
				return err
			}
			n = 0
		}
		clear(block[n:])
	}
	return nil
}
