package diotest

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pandabeardb/panda/disk/dio"
)

// ErrStopped: the process has died, see StopAt.
var ErrStopped = errors.New("diotest: stopped")

// Event is a call that is about to be made: the method's name in small letters
// ("open", "write", "sync", "syncfolder" ...), the file's name, and for reads,
// writes and allocations the bytes.
type Event struct {
	Call string
	Name string
	Size int
}

// FS is a file system in memory, see the package comment.
type FS struct {
	lock    sync.Mutex
	names   map[string]*node // as they are now; "." is the root
	durable map[string]*node // as they would be after a crash that keeps no pending name
	pending []rename
	locks   map[string]bool
	space   int64 // 0: as much as there is memory
	before  func(Event) error
	calls   int
	stopAt  int // 0: never
}

// A node is a file or a folder.
type node struct {
	folder  bool
	data    []byte // as it is now
	durable []byte // as it was when Sync last covered it
	pending []change
}

// A rename is a change of a name that no SyncFolder has covered: source "" makes
// target, target "" removes source.
type rename struct {
	source, target string
	node           *node
}

func (r rename) touches(folder string) bool {
	return r.source != "" && path.Dir(r.source) == folder || r.target != "" && path.Dir(r.target) == folder
}

func (r rename) apply(names map[string]*node) {
	delete(names, r.source)
	if r.target != "" {
		names[r.target] = r.node
	}
}

// New makes an empty one.
func New() *FS {
	root := &node{folder: true}
	return &FS{
		names:   map[string]*node{".": root},
		durable: map[string]*node{".": root},
		locks:   map[string]bool{},
	}
}

// Before has hook called ahead of every call. The error it returns is the call's.
func (m *FS) Before(hook func(Event) error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.before = hook
}

// StopAt has the n-th call from now, counted from 1, and all after it fail with
// ErrStopped; 0: none.
func (m *FS) StopAt(n int) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.calls, m.stopAt = 0, n
}

// Calls is how many calls there were since StopAt, or New.
func (m *FS) Calls() int {
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.calls
}

// SetSpace makes it a disk of n bytes; 0: without end. Files count with their size.
func (m *FS) SetSpace(n int64) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.space = n
}

// dead says whether the process died before the call that is counted last.
func (m *FS) dead() bool { return m.stopAt > 0 && m.calls > m.stopAt }

// begin counts a call, asks the hook, and takes the lock if there is no error.
func (m *FS) begin(call, name string, size int) error {
	m.lock.Lock()
	m.calls++
	err := error(nil)
	if m.stopAt > 0 && m.calls >= m.stopAt {
		err = ErrStopped
	}
	hook := m.before
	m.lock.Unlock()
	if err == nil && hook != nil {
		err = hook(Event{call, name, size})
	}
	if err == nil && !fs.ValidPath(name) {
		err = fs.ErrInvalid
	}
	if err != nil {
		return &fs.PathError{Op: call, Path: name, Err: err}
	}
	m.lock.Lock()
	return nil
}

// fail is the error of a call whose name is at fault.
func fail(call, name string, err error) error { return &fs.PathError{Op: call, Path: name, Err: err} }

// change makes a change of a name, now and, in time, durable.
func (m *FS) change(r rename) {
	r.apply(m.names)
	m.pending = append(m.pending, r)
}

// parent is an error unless the folder that name is in exists.
func (m *FS) parent(name string) error {
	if folder := m.names[path.Dir(name)]; folder == nil {
		return fs.ErrNotExist
	} else if !folder.folder {
		return syscall.ENOTDIR
	}
	return nil
}

func (m *FS) Open(name string, mode dio.Mode) (dio.File, error) {
	if err := m.begin("open", name, 0); err != nil {
		return nil, err
	}
	defer m.lock.Unlock()
	n := m.names[name]
	switch err := m.parent(name); {
	case err != nil:
		return nil, fail("open", name, err)
	case n == nil && mode&(dio.Create|dio.New) == 0:
		return nil, fail("open", name, fs.ErrNotExist)
	case n == nil:
		n = &node{}
		m.change(rename{target: name, node: n})
	case mode&dio.New != 0:
		return nil, fail("open", name, fs.ErrExist)
	case n.folder:
		return nil, fail("open", name, syscall.EISDIR)
	}
	return &file{fs: m, node: n, name: name, aligned: mode&dio.Direct != 0, reads: mode&dio.ReadOnly != 0}, nil
}

func (m *FS) Rename(source, target string) error {
	if err := m.begin("rename", source, 0); err != nil {
		return err
	}
	defer m.lock.Unlock()
	n, old := m.names[source], m.names[target]
	switch err := m.parent(target); {
	case !fs.ValidPath(target):
		return fail("rename", target, fs.ErrInvalid)
	case err != nil:
		return fail("rename", target, err)
	case n == nil:
		return fail("rename", source, fs.ErrNotExist)
	case n.folder || old != nil && old.folder:
		return fail("rename", source, syscall.EISDIR) // nobody renames folders
	case source != target:
		m.change(rename{source, target, n})
	}
	return nil
}

func (m *FS) Remove(name string) error {
	if err := m.begin("remove", name, 0); err != nil {
		return err
	}
	defer m.lock.Unlock()
	n := m.names[name]
	switch {
	case n == nil:
		return fail("remove", name, fs.ErrNotExist)
	case n.folder && len(m.list(name)) > 0:
		return fail("remove", name, syscall.ENOTEMPTY)
	}
	m.change(rename{source: name})
	return nil
}

func (m *FS) MakeFolder(name string) error {
	if err := m.begin("makefolder", name, 0); err != nil {
		return err
	}
	defer m.lock.Unlock()
	n := m.names[name]
	switch err := m.parent(name); {
	case err != nil:
		return fail("makefolder", name, err)
	case n == nil:
		m.change(rename{target: name, node: &node{folder: true}})
	case !n.folder:
		return fail("makefolder", name, fs.ErrExist)
	}
	return nil
}

func (m *FS) List(name string) ([]fs.FileInfo, error) {
	if err := m.begin("list", name, 0); err != nil {
		return nil, err
	}
	defer m.lock.Unlock()
	if n := m.names[name]; n == nil {
		return nil, fail("list", name, fs.ErrNotExist)
	} else if !n.folder {
		return nil, fail("list", name, syscall.ENOTDIR)
	}
	return m.list(name), nil
}

func (m *FS) list(folder string) (infos []fs.FileInfo) {
	for name, n := range m.names {
		if name != "." && path.Dir(name) == folder {
			infos = append(infos, info{path.Base(name), int64(len(n.data)), n.folder})
		}
	}
	slices.SortFunc(infos, func(a, b fs.FileInfo) int { return strings.Compare(a.Name(), b.Name()) })
	return infos
}

func (m *FS) SyncFolder(name string) error {
	if err := m.begin("syncfolder", name, 0); err != nil {
		return err
	}
	defer m.lock.Unlock()
	if n := m.names[name]; n == nil {
		return fail("syncfolder", name, fs.ErrNotExist)
	} else if !n.folder {
		return fail("syncfolder", name, syscall.ENOTDIR)
	}
	m.pending = slices.DeleteFunc(m.pending, func(r rename) bool {
		if r.touches(name) {
			r.apply(m.durable)
			return true
		}
		return false
	})
	return nil
}

func (m *FS) Lock(name string) (io.Closer, error) {
	if err := m.begin("lock", name, 0); err != nil {
		return nil, err
	}
	defer m.lock.Unlock()
	if err := m.parent(name); err != nil {
		return nil, fail("lock", name, err)
	}
	if m.locks[name] {
		return nil, fail("lock", name, dio.ErrInUse)
	}
	if m.names[name] == nil {
		m.change(rename{target: name, node: &node{}})
	}
	m.locks[name] = true
	return unlock{m, name}, nil
}

type unlock struct {
	fs   *FS
	name string
}

func (u unlock) Close() error {
	u.fs.lock.Lock()
	defer u.fs.lock.Unlock()
	delete(u.fs.locks, u.name)
	return nil
}

// endless is the Space of a disk without end.
const endless = 1 << 50

func (m *FS) Space() (free, total int64, err error) {
	if err := m.begin("space", ".", 0); err != nil {
		return 0, 0, err
	}
	defer m.lock.Unlock()
	total = m.space
	if total == 0 {
		total = endless
	}
	return max(total-m.used(), 0), total, nil
}

func (m *FS) used() (sum int64) {
	for _, n := range m.names {
		sum += int64(len(n.data))
	}
	return sum
}

// room is an error if n may not grow to size.
func (m *FS) room(n *node, size int64) error {
	if more := size - int64(len(n.data)); m.space > 0 && more > 0 && m.used()+more > m.space {
		return syscall.ENOSPC
	}
	return nil
}

type info struct {
	name   string
	size   int64
	folder bool
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.folder }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.folder {
		return fs.ModeDir | 0o750
	}
	return 0o640
}
