package aio

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	commandRead = 0       // IOCB_CMD_PREAD
	notify      = 1       // IOCB_FLAG_RESFD
	noWait      = 8       // RWF_NOWAIT
	lengthMax   = 1 << 30 // of a read: the kernel does no more than 2 GiB at once
	addedMax    = 64      // reads in one Flush: 4 KiB of blocks
	eventsMax   = 64      // in one Take: 2 KiB of the kernel's events
)

// block is struct iocb.
type block struct {
	data    uint64
	key     [2]uint32 // aio_key and aio_rw_flags, which change places with the byte order
	command uint16
	_       int16 // aio_reqprio
	file    uint32
	buffer  uint64
	length  uint64
	offset  int64
	_       uint64
	flags   uint32
	notify  uint32
}

// event is struct io_event.
type event struct {
	data   uint64
	_      uint64 // of the block
	result int64
	_      int64
}

// Queue is a context of the kernel's. One goroutine at a time may use it.
type Queue struct {
	context uintptr
	notify  int // eventfd
	depth   int
	count   int // reads that have no Event yet
	added   int // of them, those that Flush has not handed over
	refused []Event
	blocks  [addedMax]block
	list    [addedMax]*block
	events  [eventsMax]event
}

// New makes a Queue for depth reads at a time. Its owner calls Close.
func New(depth int) (*Queue, error) {
	q := &Queue{depth: depth, refused: make([]Event, 0, depth)}
	for i := range q.list {
		q.list[i] = &q.blocks[i]
	}
	var err error
	if q.notify, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	if _, _, code := unix.Syscall(unix.SYS_IO_SETUP, uintptr(depth), uintptr(unsafe.Pointer(&q.context)), 0); code != 0 {
		unix.Close(q.notify)
		return nil, os.NewSyscallError("io_setup", code)
	}
	return q, nil
}

// FD is written to for every read that has come, by the kernel: who watches it for edges
// need not read it.
func (q *Queue) FD() int { return q.notify }

// Add takes a read that fills buffer with what is at offset of the file fd, which was opened
// with O_DIRECT. Flush hands it over, and Take tells of it with tag. false: depth reads are
// on their way, or the kernel takes no such length.
func (q *Queue) Add(fd uintptr, buffer []byte, offset int64, tag uint64) bool {
	if q.count == q.depth || len(buffer) == 0 || len(buffer) > lengthMax {
		return false
	}
	if q.added == addedMax {
		q.Flush()
	}
	q.blocks[q.added] = block{
		data: tag, key: noWaitKey, command: commandRead, file: uint32(fd),
		buffer: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(buffer)))), length: uint64(len(buffer)), offset: offset,
		flags: notify, notify: uint32(q.notify),
	}
	q.added++
	q.count++
	return true
}

// noWaitKey has RWF_NOWAIT in aio_rw_flags.
var noWaitKey = func() (key [2]uint32) {
	at := 1
	if one := uint16(1); *(*byte)(unsafe.Pointer(&one)) == 0 {
		at = 0 // big-endian
	}
	key[at] = noWait
	return key
}()

// Flush hands over what was added. What the kernel refuses at once is told by Take, too.
func (q *Queue) Flush() {
	for from := 0; from < q.added; {
		n, _, code := unix.Syscall(unix.SYS_IO_SUBMIT, q.context, uintptr(q.added-from), uintptr(unsafe.Pointer(&q.list[from])))
		switch code {
		case 0:
			from += int(n)
		case unix.EINTR:
		default: // of the first of them; those in front of it were taken
			q.refused = append(q.refused, Event{Tag: q.blocks[from].data, Error: code})
			from++
		}
	}
	q.added = 0
	runtime.KeepAlive(q)
}

// Take puts what has come into events, and does not wait: fewer than there is room for: that
// was all.
func (q *Queue) Take(events []Event) (n int) {
	n = copy(events, q.refused)
	if n > 0 {
		q.refused = q.refused[:copy(q.refused, q.refused[n:])]
		q.count -= n
		return n + q.Take(events[n:])
	}
	return q.take(events, 0)
}

// Wait is a Take that waits for at least one, if any is on its way.
func (q *Queue) Wait(events []Event) (n int) {
	q.Flush()
	if n = q.Take(events); n > 0 || q.count == 0 {
		return n
	}
	return q.take(events, 1)
}

// take asks the kernel, for at least so many at first.
func (q *Queue) take(events []Event, least int) (n int) {
	for n < len(events) && q.count > 0 {
		room := min(len(events)-n, eventsMax)
		var limit *unix.Timespec
		if least == 0 {
			limit = &now
		}
		got, _, code := unix.Syscall6(unix.SYS_IO_GETEVENTS, q.context, uintptr(least), uintptr(room),
			uintptr(unsafe.Pointer(&q.events)), uintptr(unsafe.Pointer(limit)), 0)
		if code == unix.EINTR {
			continue
		}
		if code != 0 {
			panic("BUG: aio: io_getevents: " + code.Error()) // the context is there until Close, and the rest is memory of ours
		}
		for i := range q.events[:got] {
			e := &q.events[i]
			events[n] = Event{Tag: e.data}
			if e.result < 0 {
				events[n].Error = syscall.Errno(-e.result)
			} else {
				events[n].N = int(e.result)
			}
			n++
		}
		q.count -= int(got)
		if least = 0; int(got) < room {
			break
		}
	}
	return n
}

// now is a time to wait: none.
var now unix.Timespec

// Close waits for what is on its way, and gives the context back.
func (q *Queue) Close() error {
	_, _, code := unix.Syscall(unix.SYS_IO_DESTROY, q.context, 0, 0)
	err := unix.Close(q.notify)
	if code != 0 {
		return os.NewSyscallError("io_destroy", code)
	}
	return err
}
