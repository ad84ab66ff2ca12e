package diotest

import (
	"errors"
	"io"
	"io/fs"
	"syscall"

	"github.com/pandabeardb/panda/disk/dio"
)

// A change is what was done to a file and no Sync has covered: bytes at an offset,
// or, without bytes, a new size.
type change struct {
	offset   int64
	bytes    []byte
	size     int64
	doubtful bool // a Sync that covered it has failed: no other will make it durable
}

// apply is data after the change.
func (c change) apply(data []byte) []byte {
	if c.bytes == nil {
		return resize(data, c.size)
	}
	data = resize(data, max(int64(len(data)), c.offset+int64(len(c.bytes))))
	copy(data[c.offset:], c.bytes)
	return data
}

func resize(data []byte, size int64) []byte {
	if size <= int64(len(data)) {
		return data[:size:size]
	}
	return append(data, make([]byte, size-int64(len(data)))...)
}

func (n *node) change(c change) {
	n.data = c.apply(n.data)
	n.pending = append(n.pending, c)
}

// file is a dio.File.
type file struct {
	fs      *FS
	node    *node
	name    string
	aligned bool
	reads   bool // and nothing else
	closed  bool
	failed  error // of the first Sync that failed
}

// begin takes the file system's lock if there is no error.
func (f *file) begin(call string, size int) error {
	if err := f.fs.begin(call, f.name, size); err != nil {
		return err
	}
	if f.closed {
		f.fs.lock.Unlock()
		return fail(call, f.name, fs.ErrClosed)
	}
	return nil
}

// refuse is an error if the arguments, or an earlier Sync, forbid the call.
func (f *file) refuse(write bool, buffers [][]byte, offset int64) error {
	if offset < 0 {
		return errors.New("negative offset")
	}
	if write && f.reads {
		return syscall.EBADF
	}
	if write && f.failed != nil {
		return errors.Join(dio.ErrSyncFailed, f.failed)
	}
	for _, b := range buffers {
		if err := dio.CheckAligned(b, offset); f.aligned && err != nil {
			return err
		}
	}
	return nil
}

func (f *file) ReadAt(p []byte, offset int64) (int, error) { return f.ReadVec([][]byte{p}, offset) }

func (f *file) WriteAt(p []byte, offset int64) (int, error) { return f.WriteVec([][]byte{p}, offset) }

func (f *file) ReadVec(buffers [][]byte, offset int64) (n int, err error) {
	if err := f.begin("read", total(buffers)); err != nil {
		return 0, err
	}
	defer f.fs.lock.Unlock()
	if err := f.refuse(false, buffers, offset); err != nil {
		return 0, fail("read", f.name, err)
	}
	for _, b := range buffers {
		had := copy(b, f.node.data[min(offset+int64(n), int64(len(f.node.data))):])
		n += had
		if had < len(b) {
			return n, io.EOF
		}
	}
	return n, nil
}

func (f *file) WriteVec(buffers [][]byte, offset int64) (n int, err error) {
	err = f.begin("write", total(buffers))
	broken := err != nil
	if broken {
		f.fs.lock.Lock()
	}
	defer f.fs.lock.Unlock()
	if refusal := f.refuse(true, buffers, offset); refusal != nil {
		return 0, fail("write", f.name, refusal)
	}
	p := make([]byte, 0, total(buffers))
	for _, b := range buffers {
		p = append(p, b...)
	}
	if broken {
		p = p[:len(p)/2]
	}
	if len(p) == 0 || f.closed || f.fs.dead() {
		return 0, err
	}
	if full := f.fs.room(f.node, offset+int64(len(p))); full != nil {
		return 0, fail("write", f.name, full)
	}
	f.node.change(change{offset: offset, bytes: p})
	if broken {
		return 0, err
	}
	return len(p), nil
}

func total(buffers [][]byte) (n int) {
	for _, b := range buffers {
		n += len(b)
	}
	return n
}

func (f *file) Size() (int64, error) {
	if err := f.begin("size", 0); err != nil {
		return 0, err
	}
	defer f.fs.lock.Unlock()
	return int64(len(f.node.data)), nil
}

func (f *file) Truncate(size int64) error {
	if err := f.begin("truncate", 0); err != nil {
		return err
	}
	defer f.fs.lock.Unlock()
	err := f.refuse(true, nil, size)
	if err == nil {
		err = f.fs.room(f.node, size)
	}
	if err != nil {
		return fail("truncate", f.name, err)
	}
	f.node.change(change{size: size})
	return nil
}

func (f *file) Allocate(offset, n int64) error {
	if err := f.begin("allocate", int(n)); err != nil {
		return err
	}
	defer f.fs.lock.Unlock()
	err := f.refuse(true, nil, offset)
	if err == nil && n <= 0 {
		err = syscall.EINVAL
	}
	if err != nil {
		return fail("allocate", f.name, err)
	}
	size := offset + n
	if err = f.fs.room(f.node, size); err != nil { // it keeps what it got, as with ext4
		size = (int64(len(f.node.data)) + f.fs.space - f.fs.used()) &^ (dio.BlockSize - 1)
		err = fail("allocate", f.name, err)
	}
	if size > int64(len(f.node.data)) {
		f.node.change(change{size: size})
	}
	return err
}

func (f *file) Sync() error {
	err := f.begin("sync", 0)
	if err != nil {
		f.fs.lock.Lock()
	}
	defer f.fs.lock.Unlock()
	if refusal := f.refuse(true, nil, 0); refusal != nil {
		return fail("sync", f.name, refusal)
	}
	if err != nil {
		f.failed = err
		for i := range f.node.pending {
			f.node.pending[i].doubtful = true
		}
		return err
	}
	var doubtful []change
	for _, c := range f.node.pending {
		if c.doubtful {
			doubtful = append(doubtful, c)
			continue
		}
		f.node.durable = c.apply(f.node.durable)
	}
	f.node.pending = doubtful
	return nil
}

func (f *file) Direct() bool { return f.aligned }

func (f *file) Close() error {
	if err := f.begin("close", 0); err != nil {
		return err
	}
	defer f.fs.lock.Unlock()
	f.closed = true
	return nil
}
