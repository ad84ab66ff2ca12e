package effectlog

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"path"
	"sync"
	"sync/atomic"

	"github.com/pandabeardb/panda/disk/dio"
)

// A keeper is the goroutine on which a Writer has done what would delay it: files are
// made and removed, each of which may wait for the file system's journal.
type keeper struct {
	lock   sync.Mutex
	change sync.Cond // of jobs, busy, closed
	jobs   []func()
	busy   bool
	closed bool
	inline bool // tests: jobs are done by who gives them, so that calls have an order
	ended  sync.WaitGroup

	disk     dio.FS
	folder   string
	doomed   []string // segments to be removed, oldest first
	doomErr  error    // why the last removal failed
	zeroFill []byte
}

func newKeeper(disk dio.FS, folder string, inline bool) *keeper {
	k := &keeper{disk: disk, folder: folder, inline: inline}
	k.change.L = &k.lock
	if !inline {
		k.ended.Go(k.run)
	}
	return k
}

func (k *keeper) run() {
	k.lock.Lock()
	defer k.lock.Unlock()
	for {
		for len(k.jobs) == 0 {
			if k.closed {
				return
			}
			k.change.Wait()
		}
		job := k.jobs[0]
		k.jobs, k.busy = k.jobs[1:], true
		k.lock.Unlock()
		job()
		k.lock.Lock()
		k.busy = false
		k.change.Broadcast()
	}
}

// do has a job done, after those before it.
func (k *keeper) do(job func()) {
	if k.inline {
		job()
		return
	}
	k.lock.Lock()
	k.jobs = append(k.jobs, job)
	k.change.Broadcast()
	k.lock.Unlock()
}

// wait returns when all jobs are done.
func (k *keeper) wait() {
	k.lock.Lock()
	for len(k.jobs) > 0 || k.busy {
		k.change.Wait()
	}
	k.lock.Unlock()
}

// close ends the goroutine, when all jobs are done.
func (k *keeper) close() {
	k.lock.Lock()
	k.closed = true
	k.change.Broadcast()
	k.lock.Unlock()
	k.ended.Wait()
}

// forget is a job: remove the segments of these names, after those that could not be
// removed before. One after the other, durably: a crash must not leave a gap.
func (k *keeper) forget(names []string) {
	k.lock.Lock()
	k.doomed = append(k.doomed, names...)
	doomed := k.doomed
	k.lock.Unlock()
	err := error(nil)
	for len(doomed) > 0 && err == nil {
		err = k.remove(doomed[0])
		if err == nil {
			doomed = doomed[1:]
		}
	}
	k.lock.Lock()
	k.doomed, k.doomErr = doomed, err
	k.lock.Unlock()
}

func (k *keeper) remove(name string) error {
	if err := k.disk.Remove(path.Join(k.folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return k.disk.SyncFolder(k.folder)
}

// forgetError is why the last removal failed.
func (k *keeper) forgetError() error {
	k.lock.Lock()
	defer k.lock.Unlock()
	return k.doomErr
}

// A spare is a segment that is made ahead. Until ready only the keeper's jobs touch it.
type spare struct {
	keeper  *keeper
	segment segment
	size    int64 // that is wanted
	least   int64 // that is enough, if the disk has no room for size
	made    int64 // that it has
	filled  int64 // bytes that are written, in place of only being allocated
	asked   int64 // of these, the Writer's
	file    dio.File
	err     error
	ready   atomic.Bool // durable: its first frame may be written
}

// newSpare is the segment of a serial; nothing in it will be of an epoch before first.
func newSpare(k *keeper, serial uint64, first Epoch, size, least int64) *spare {
	s := segment{serial: serial, identity: rand.Uint64(), first: first}
	return &spare{keeper: k, segment: s, size: size, least: min(size, least), filled: dio.BlockSize}
}

// path is the file's.
func (s *spare) path() string { return path.Join(s.keeper.folder, s.segment.name()) }

// create is a job: make the file, with its head. It has its name at once, so that
// nothing but writes is left to do when it is wanted: without a frame it is no part of
// the log.
func (s *spare) create() {
	f, err := s.keeper.disk.Open(s.path(), dio.New|dio.Direct)
	if err != nil {
		s.err = err
		return
	}
	s.file = f
	head := dio.Aligned(dio.BlockSize)
	s.segment.put(head)
	s.fail(s.allocate())
	if s.err == nil {
		s.fail(second(f.WriteAt(head, 0)))
	}
}

// allocate takes room on the disk: what is wanted, or a quarter to a half of what there is;
// of less than four times what is enough it may take all.
func (s *spare) allocate() error {
	half := func(size int64) int64 { return size / 2 &^ (dio.BlockSize - 1) }
	size := s.size
	err := s.file.Allocate(0, size)
	for errors.Is(checkFull(err), ErrFull) && half(size) >= s.least {
		size = half(size)
		if err = s.file.Truncate(0); err == nil { // of what it may have got
			err = s.file.Allocate(0, size)
		}
	}
	if err == nil && size < s.size && half(size) >= s.least { // the rest is for snapshots, and for others
		size = half(size)
		err = s.file.Truncate(size)
	}
	s.made = size
	return err
}

// fail removes what cannot be finished.
func (s *spare) fail(err error) {
	if err == nil {
		return
	}
	s.err = errors.Join(err, s.file.Close(), s.keeper.disk.Remove(s.path()))
	s.file = nil
}

// fill is a job: write zeros up to an offset.
func (s *spare) fill(end int64) {
	k := s.keeper
	if k.zeroFill == nil {
		k.zeroFill = dio.Aligned(fillBytes)
	}
	for end = min(end, s.made); s.err == nil && s.filled < end; {
		n := min(fillBytes, end-s.filled)
		s.fail(second(s.file.WriteAt(k.zeroFill[:n], s.filled)))
		s.filled += n
	}
}

// finish is a job: make the file durable.
func (s *spare) finish() {
	if s.err != nil || s.ready.Load() {
		return
	}
	s.fail(s.file.Sync())
	if s.err == nil {
		s.fail(s.keeper.disk.SyncFolder(s.keeper.folder))
	}
	s.ready.Store(s.err == nil)
}

// discard removes a spare that is not needed, when the keeper has no jobs left.
func (s *spare) discard() error {
	if s.file == nil {
		return nil
	}
	err := errors.Join(s.file.Close(), s.keeper.disk.Remove(s.path()))
	s.file = nil
	return err
}

func second(_ int, err error) error { return err }
