package dio

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

const (
	folderMode = 0o750 // what is stored is the operator's, and the group's to back up
	fileMode   = 0o640
)

// folder is the kernel's FS.
type folder struct {
	root     string
	readOnly bool
}

// Folder makes the folder root, if it is not there, and is its FS.
func Folder(root string) (FS, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(root, folderMode); err != nil {
		return nil, err
	}
	// The folder itself must be there after a crash, too.
	if err := (folder{root: filepath.Dir(root)}).SyncFolder("."); err != nil && !errors.Is(err, fs.ErrPermission) {
		return nil, err
	}
	return folder{root: root}, nil
}

// ReadOnlyFolder is the FS of a folder that must be there, which another process may
// use meanwhile: every file is opened with ReadOnly, and all that would change
// something is refused with syscall.EROFS.
func ReadOnlyFolder(root string) (FS, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(root)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: root, Err: syscall.ENOTDIR}
	}
	if err != nil {
		return nil, err
	}
	return folder{root: root, readOnly: true}, nil
}

// refused is the error of what would change a folder that is only read.
func refused(operation, path string) error {
	return &fs.PathError{Op: operation, Path: path, Err: syscall.EROFS}
}

// writable is path, for what changes the folder.
func (d folder) writable(operation, name string) (string, error) {
	path, err := d.path(operation, name)
	if err == nil && d.readOnly {
		err = refused(operation, path)
	}
	return path, err
}

// path is where name is; a name that leads out of the folder is refused.
func (d folder) path(operation, name string) (string, error) {
	if !fs.ValidPath(name) || strings.ContainsRune(name, filepath.Separator) && filepath.Separator != '/' {
		return "", &fs.PathError{Op: operation, Path: name, Err: fs.ErrInvalid}
	}
	return filepath.Join(d.root, filepath.FromSlash(name)), nil
}

func (d folder) Open(name string, mode Mode) (File, error) {
	path, err := d.path("open", name)
	if err != nil {
		return nil, err
	}
	flags := os.O_RDWR
	if mode&ReadOnly != 0 || d.readOnly {
		flags = os.O_RDONLY
	}
	if d.readOnly && mode&(Create|New) != 0 {
		return nil, refused("open", path)
	}
	if mode&(Create|New) != 0 {
		flags |= os.O_CREATE
	}
	if mode&New != 0 {
		flags |= os.O_EXCL
	}
	f, err := os.OpenFile(path, flags, fileMode)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: fs.ErrInvalid}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	aligned := mode&Direct != 0
	return &diskFile{File: f, aligned: aligned, direct: aligned && bypassCache(f), reads: flags == os.O_RDONLY}, nil
}

func (d folder) Rename(source, target string) error {
	from, err := d.writable("rename", source)
	if err != nil {
		return err
	}
	to, err := d.writable("rename", target)
	if err != nil {
		return err
	}
	return os.Rename(from, to)
}

func (d folder) Remove(name string) error {
	path, err := d.writable("remove", name)
	if err != nil {
		return err
	}
	return os.Remove(path)
}

func (d folder) MakeFolder(name string) error {
	path, err := d.writable("mkdir", name)
	if err != nil {
		return err
	}
	err = os.Mkdir(path, folderMode)
	if errors.Is(err, fs.ErrExist) {
		if info, infoErr := os.Stat(path); infoErr == nil && info.IsDir() {
			return nil
		}
	}
	return err
}

func (d folder) List(name string) ([]fs.FileInfo, error) {
	path, err := d.path("readdir", name)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	infos := make([]fs.FileInfo, 0, len(entries))
	for _, entry := range entries {
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since
		}
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

func (d folder) SyncFolder(name string) error {
	path, err := d.writable("sync", name)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func (d folder) Lock(name string) (io.Closer, error) {
	path, err := d.writable("lock", name)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
	}
	return f, nil
}

func (d folder) Space() (free, total int64, err error) {
	free, total, err = space(d.root)
	if err != nil {
		return 0, 0, &fs.PathError{Op: "statfs", Path: d.root, Err: err}
	}
	return free, total, nil
}

// diskFile is the kernel's File.
type diskFile struct {
	*os.File
	aligned bool         // the caller asked for direct I/O
	direct  bool         // and has it
	reads   bool         // and nothing else
	open    sync.RWMutex // read: the descriptor is in use; written: it is closed
	syncing sync.Mutex   // the kernel tells one Sync of a failure, and no other
	failed  atomic.Pointer[error]
}

func (f *diskFile) Direct() bool { return f.direct }

// refuse is the error of a call that the file's state or its arguments forbid.
func (f *diskFile) refuse(operation string, write bool, p []byte, offset int64) error {
	err := f.afterSync(write)
	if err == nil && f.aligned {
		err = CheckAligned(p, offset)
	}
	if err != nil {
		return &fs.PathError{Op: operation, Path: f.Name(), Err: err}
	}
	return nil
}

// afterSync refuses what writes after a Sync that failed, and to a file that is only read.
func (f *diskFile) afterSync(write bool) error {
	if write && f.reads {
		return syscall.EBADF
	}
	if first := f.failed.Load(); write && first != nil {
		return errors.Join(ErrSyncFailed, *first)
	}
	return nil
}

func (f *diskFile) refuseVec(operation string, write bool, buffers [][]byte, offset int64) error {
	for _, b := range buffers {
		if err := f.refuse(operation, write, b, offset); err != nil {
			return err
		}
	}
	return nil
}

// ReadAt and WriteAt are os.File's own: they allocate nothing.
func (f *diskFile) ReadAt(p []byte, offset int64) (n int, err error) {
	if err := f.refuse("read", false, p, offset); err != nil {
		return 0, err
	}
	n, err = f.File.ReadAt(p, offset)
	if f.endsWithin(n) && errors.Is(err, syscall.EINVAL) {
		err = io.EOF
	}
	return n, err
}

func (f *diskFile) WriteAt(p []byte, offset int64) (n int, err error) {
	if err := f.refuse("write", true, p, offset); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, offset)
}

// endsWithin says whether direct reads that had n bytes met the end of a file that
// is no multiple of a block: the next read would be refused, not at the end.
func (f *diskFile) endsWithin(n int) bool { return f.direct && n&(BlockSize-1) != 0 }

func (f *diskFile) ReadVec(buffers [][]byte, offset int64) (n int, err error) {
	if err := f.refuseVec("read", false, buffers, offset); err != nil {
		return 0, err
	}
	return f.transfer("read", readVec, buffers, offset)
}

func (f *diskFile) WriteVec(buffers [][]byte, offset int64) (n int, err error) {
	if err := f.refuseVec("write", true, buffers, offset); err != nil {
		return 0, err
	}
	return f.transfer("write", writeVec, buffers, offset)
}

// vecMax is how many buffers go into one system call (IOV_MAX of all systems).
const vecMax = 1024

// transfer calls until all buffers are through, since the kernel may do less than
// it was asked to.
func (f *diskFile) transfer(operation string, call func(fd int, buffers [][]byte, offset int64) (int, error),
	buffers [][]byte, offset int64) (n int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	for rest := skip(buffers, 0); len(rest) > 0; {
		var done int
		controlErr := raw.Control(func(fd uintptr) { done, err = call(int(fd), rest[:min(len(rest), vecMax)], offset+int64(n)) })
		switch {
		case controlErr != nil:
			err = controlErr
		case err == syscall.EINTR:
			continue
		case err == nil && done == 0 && operation == "read":
			return n, io.EOF
		case err == nil && done == 0:
			err = io.ErrShortWrite
		}
		if err != nil {
			return n, &fs.PathError{Op: operation, Path: f.Name(), Err: err}
		}
		n += done
		rest = skip(rest, done)
		if len(rest) > 0 && f.endsWithin(n) {
			return n, io.EOF
		}
	}
	return n, nil
}

// skip is what is left of buffers after n bytes, without empty ones in front. It
// changes no slice of the caller's.
func skip(buffers [][]byte, n int) [][]byte {
	for len(buffers) > 0 && n >= len(buffers[0]) {
		n -= len(buffers[0])
		buffers = buffers[1:]
	}
	if n > 0 {
		rest := make([][]byte, len(buffers))
		copy(rest, buffers)
		rest[0] = rest[0][n:]
		return rest
	}
	return buffers
}

func (f *diskFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f *diskFile) Truncate(size int64) error {
	if err := f.refuse("truncate", true, nil, 0); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *diskFile) Allocate(offset, n int64) error {
	if err := f.refuse("allocate", true, nil, 0); err != nil {
		return err
	}
	f.open.RLock()
	defer f.open.RUnlock()
	if err := allocate(f.File, offset, n); err != nil {
		return &fs.PathError{Op: "allocate", Path: f.Name(), Err: err}
	}
	return nil
}

func (f *diskFile) Sync() error {
	f.open.RLock()
	defer f.open.RUnlock()
	f.syncing.Lock()
	defer f.syncing.Unlock()
	if err := f.refuse("sync", true, nil, 0); err != nil {
		return err
	}
	if err := syncData(f.File); err != nil {
		return f.failSync(err)
	}
	return nil
}

func (f *diskFile) Close() error {
	f.open.Lock()
	defer f.open.Unlock()
	return f.File.Close()
}

func (f *diskFile) failSync(cause error) error {
	err := error(&fs.PathError{Op: "sync", Path: f.Name(), Err: cause})
	f.failed.CompareAndSwap(nil, &err)
	return err
}
