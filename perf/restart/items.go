package restart

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pandabeardb/panda/perf/peer"
)

const (
	keyPrefix = "panda:restart:"
	keyDigits = 8
	keyBytes  = len(keyPrefix) + keyDigits
	// Values have from valueLeast to valueMost bytes, 100 in the mean.
	valueLeast, valueMost = 40, 160
	// Each ttlEvery-th item has a TTL, longer than the measurement.
	ttlEvery, ttlSeconds = 10, 6 * 3600

	// connections share the work, so that every thread of a server gets some.
	connections = 8
	// batchItems is how many items one request, or one write of sets, is for.
	batchItems = 64
	// stall is how long a server may take for a batch.
	stall = 30 * time.Second
)

func appendKey(dst []byte, i int) []byte {
	var digits [keyDigits]byte
	for at := keyDigits - 1; at >= 0; at-- {
		digits[at] = byte('0' + i%10)
		i /= 10
	}
	return append(append(dst, keyPrefix...), digits[:]...)
}

// keyNumber is the number of the item that a key names, or -1.
func keyNumber(key []byte) int {
	digits, ok := bytes.CutPrefix(key, []byte(keyPrefix))
	n, err := strconv.Atoi(string(digits))
	if !ok || err != nil || len(digits) != keyDigits {
		return -1
	}
	return n
}

// seedOf is the number from which an item's value follows; its last bits are the
// flags, too.
func seedOf(i int) uint64 { return (uint64(i) + 1) * 0x9e3779b97f4a7c15 }

func flagsOf(i int) uint32 { return uint32(seedOf(i)) }

func lengthOf(i int) int { return valueLeast + int(seedOf(i)>>40)%(valueMost-valueLeast+1) }

func appendValue(dst []byte, i int) []byte {
	end := len(dst) + lengthOf(i)
	for x := seedOf(i) | 1; len(dst) < end; {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		dst = binary.LittleEndian.AppendUint64(dst, x)
	}
	return dst[:end]
}

// line is one connection.
type line struct {
	conn          net.Conn
	in            *bufio.Reader
	out           []byte
	value, expect []byte
}

func dial(s *peer.Server) (*line, error) {
	conn, err := net.DialTimeout(s.Network, s.Address, stall)
	if err != nil {
		return nil, err
	}
	return &line{conn: conn, in: bufio.NewReaderSize(conn, 128<<10), value: make([]byte, valueMost+2)}, nil
}

// send writes what was composed, which the server reads without waiting for us.
func (l *line) send() error {
	if err := l.conn.SetDeadline(time.Now().Add(stall)); err != nil {
		return err
	}
	_, err := l.conn.Write(l.out)
	l.out = l.out[:0]
	return err
}

// each has connections side by side do f, for batches of the numbers from 0 on.
func each(ctx context.Context, s *peer.Server, n int, f func(l *line, from, to int) error) error {
	errs := make(chan error, connections)
	var next atomic.Int64
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			l, err := dial(s)
			if err != nil {
				errs <- err
				return
			}
			defer l.conn.Close()
			for ctx.Err() == nil {
				from := int(next.Add(batchItems)) - batchItems
				if from >= n {
					return
				}
				if err := f(l, from, min(from+batchItems, n)); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return err
	}
	return context.Cause(ctx)
}

// fill stores items.
func fill(ctx context.Context, s *peer.Server, n int) error {
	return each(ctx, s, n, func(l *line, from, to int) error {
		for i := from; i < to; i++ {
			ttl := 0
			if i%ttlEvery == 0 {
				ttl = ttlSeconds
			}
			l.out = appendKey(append(l.out, "set "...), i)
			l.out = fmt.Appendf(l.out, " %d %d %d noreply\r\n", flagsOf(i), ttl, lengthOf(i))
			l.out = append(appendValue(l.out, i), "\r\n"...)
		}
		l.out = append(l.out, "mn\r\n"...)
		if err := l.send(); err != nil {
			return err
		}
		if reply, err := l.in.ReadString('\n'); err != nil || reply != "MN\r\n" {
			return fmt.Errorf("%w: %q behind sets: %v", ErrServer, reply, err)
		}
		return nil
	})
}

// readAll reads all items, and returns how many are there, and the first that is
// not, or -1. One that is there and not right is an error.
func readAll(ctx context.Context, s *peer.Server, n int) (found, missing int, err error) {
	var there atomic.Int64
	var absent atomic.Int64
	absent.Store(math.MaxInt64)
	err = each(ctx, s, n, func(l *line, from, to int) error {
		numbers := make([]int, 0, batchItems)
		for i := from; i < to; i++ {
			numbers = append(numbers, i)
		}
		return l.get(numbers, func(i int, hit bool) {
			if hit {
				there.Add(1)
				return
			}
			for was := absent.Load(); int64(i) < was && !absent.CompareAndSwap(was, int64(i)); was = absent.Load() {
			}
		})
	})
	if missing = int(absent.Load()); missing == math.MaxInt64 {
		missing = -1
	}
	return int(there.Load()), missing, err
}

// get asks for items by one request, and tells of each whether it is there.
func (l *line) get(numbers []int, tell func(i int, hit bool)) error {
	l.out = append(l.out, "get"...)
	for _, i := range numbers {
		l.out = appendKey(append(l.out, ' '), i)
	}
	l.out = append(l.out, "\r\n"...)
	if err := l.send(); err != nil {
		return err
	}
	at := 0 // what was not answered
	for {
		head, err := l.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		i := len(numbers)
		if string(head) != "END\r\n" {
			if i, err = l.receive(head, numbers[at:]); err != nil {
				return err
			}
			i += at
		}
		for ; at < i; at++ {
			tell(numbers[at], false)
		}
		if at == len(numbers) {
			return nil
		}
		tell(numbers[at], true)
		at++
	}
}

// receive reads a value whose head was read, and returns which of those that are
// still to come it is.
func (l *line) receive(head []byte, numbers []int) (at int, err error) {
	text := string(head)
	fields := strings.Fields(text)
	if len(fields) != 4 || fields[0] != "VALUE" {
		return 0, fmt.Errorf("%w: get: %q", ErrServer, text)
	}
	i := keyNumber([]byte(fields[1]))
	for at < len(numbers) && numbers[at] != i {
		at++
	}
	if at == len(numbers) || text != fmt.Sprintf("VALUE %s %d %d\r\n", fields[1], flagsOf(i), lengthOf(i)) {
		return 0, fmt.Errorf("%w: get: %q", ErrServer, text)
	}
	l.expect = append(appendValue(l.expect[:0], i), "\r\n"...)
	l.value = l.value[:len(l.expect)]
	if _, err := io.ReadFull(l.in, l.value); err != nil {
		return 0, err
	}
	if !bytes.Equal(l.value, l.expect) {
		return 0, fmt.Errorf("%w: value %d is not what was stored", ErrServer, i)
	}
	return at, nil
}

// itemCount is what the server says it has.
func itemCount(s *peer.Server) (n int, err error) {
	l, err := dial(s)
	if err != nil {
		return 0, err
	}
	defer l.conn.Close()
	l.out = append(l.out, "stats\r\n"...)
	if err := l.send(); err != nil {
		return 0, err
	}
	for n = -1; ; {
		text, err := l.in.ReadString('\n')
		switch number, ok := strings.CutPrefix(text, "STAT curr_items "); {
		case err != nil:
			return 0, err
		case ok:
			if n, err = strconv.Atoi(strings.TrimSpace(number)); err != nil {
				return 0, fmt.Errorf("%w: %q", ErrServer, text)
			}
		case text == "END\r\n" && n >= 0:
			return n, nil
		case text == "END\r\n":
			return 0, fmt.Errorf("%w: stats without curr_items", ErrServer)
		}
	}
}
