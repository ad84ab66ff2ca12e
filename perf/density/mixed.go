package density

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/pandabeardb/panda/perf/peer"
)

// connections share the work, so that every thread of a server gets some.
const connections = 16

// stall is how long a server may take for a batch.
const stall = 30 * time.Second

// mixed are keys with values of different sizes: both follow from the number.
type mixed struct {
	low, high int // bytes of a value, log-uniform between them
	seed      uint64
}

// size of value i.
func (m mixed) size(i int) int {
	x := (uint64(i) + m.seed) * 0x9e3779b97f4a7c15
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	x ^= x >> 31
	share := float64(x>>11) / (1 << 53)
	return min(m.high, int(float64(m.low)*math.Exp(share*math.Log(float64(m.high)/float64(m.low)))))
}

func mixedKey(dst []byte, i int) []byte { return fmt.Appendf(dst, "panda:mixed:%08d", i) }

// appendMixed appends a value: its number, then noise that repeats it.
func (m mixed) appendMixed(dst []byte, i int) []byte {
	end := len(dst) + m.size(i)
	for n := 0; len(dst) < end; n++ {
		dst = strconv.AppendInt(dst, int64(i), 36)
		dst = append(strconv.AppendInt(append(dst, '.'), int64(n), 36), ' ')
	}
	return dst[:end]
}

// line is one connection of a load.
type line struct {
	conn   net.Conn
	in     *bufio.Reader
	out    []byte
	value  []byte
	expect []byte
}

func dialLine(s *peer.Server) (*line, error) {
	conn, err := net.DialTimeout(s.Network, s.Address, stall)
	if err != nil {
		return nil, err
	}
	return &line{conn: conn, in: bufio.NewReaderSize(conn, 256<<10)}, nil
}

// each runs f on connections side by side, the numbers from 0 divided among them.
func each(ctx context.Context, s *peer.Server, n int, f func(l *line, numbers []int) error) error {
	errs := make(chan error, connections)
	var all sync.WaitGroup
	for first := range connections {
		all.Go(func() {
			l, err := dialLine(s)
			if err != nil {
				errs <- err
				return
			}
			defer l.conn.Close()
			const batch = 16
			for i := first; i < n && ctx.Err() == nil; i += batch * connections {
				var numbers []int
				for j := i; j < n && len(numbers) < batch; j += connections {
					numbers = append(numbers, j)
				}
				if err := f(l, numbers); err != nil {
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
	return cancelled(ctx)
}

// send writes what was composed, while its replies may be read.
func (l *line) send() (wait func() error) {
	_ = l.conn.SetDeadline(time.Now().Add(stall)) // a connection that is gone fails in what follows
	done := make(chan error, 1)
	go func() {
		_, err := l.conn.Write(l.out)
		done <- err
	}()
	return func() error { return <-done }
}

// set stores the numbered values; refused counts what memory had no room for.
func (m mixed) set(l *line, numbers []int) (refused int, err error) {
	l.out = l.out[:0]
	for _, i := range numbers {
		l.out = append(mixedKey(append(l.out, "set "...), i), " 0 0 "...)
		l.out = append(strconv.AppendInt(l.out, int64(m.size(i)), 10), "\r\n"...)
		l.out = append(m.appendMixed(l.out, i), "\r\n"...)
	}
	wait := l.send()
	for range numbers {
		reply, err := l.in.ReadSlice('\n')
		switch {
		case err != nil:
			return refused, err
		case string(reply) == "SERVER_ERROR out of memory storing object\r\n":
			refused++
		case string(reply) != "STORED\r\n":
			return refused, fmt.Errorf("%w: set: %q", ErrServer, reply)
		}
	}
	return refused, wait()
}

// get returns how many of the numbered values are there, and their bytes, keys
// counted.
func (m mixed) get(l *line, numbers []int) (items, size int64, err error) {
	l.out = l.out[:0]
	for _, i := range numbers {
		l.out = append(mixedKey(append(l.out, "get "...), i), "\r\n"...)
	}
	wait := l.send()
	for _, i := range numbers {
		there, err := m.receive(l, i)
		if err != nil {
			return items, size, err
		}
		if there {
			items++
			size += int64(m.size(i) + keyLength)
		}
	}
	return items, size, wait()
}

// receive reads the reply to one get.
func (m mixed) receive(l *line, i int) (there bool, err error) {
	head, err := l.in.ReadSlice('\n')
	if err != nil || string(head) == "END\r\n" {
		return false, err
	}
	l.expect = append(mixedKey(append(l.expect[:0], "VALUE "...), i), " 0 "...)
	l.expect = append(strconv.AppendInt(l.expect, int64(m.size(i)), 10), "\r\n"...)
	if !bytes.Equal(head, l.expect) {
		return false, fmt.Errorf("%w: get: %q, want %q", ErrServer, head, l.expect)
	}
	l.expect = append(m.appendMixed(l.expect[:0], i), "\r\nEND\r\n"...)
	if cap(l.value) < len(l.expect) {
		l.value = make([]byte, 2*len(l.expect))
	}
	l.value = l.value[:len(l.expect)]
	if _, err := io.ReadFull(l.in, l.value); err != nil {
		return false, err
	}
	if !bytes.Equal(l.value, l.expect) {
		return false, fmt.Errorf("%w: value %d is not what was stored", ErrServer, i)
	}
	return true, nil
}

// statistics are the numbers of "stats".
func statistics(s *peer.Server) (map[string]int64, error) {
	l, err := dialLine(s)
	if err != nil {
		return nil, err
	}
	defer l.conn.Close()
	l.out = []byte("stats\r\n")
	wait := l.send()
	all := map[string]int64{}
	for {
		text, err := l.in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if text == "END\r\n" {
			return all, wait()
		}
		var name, value string
		if _, err := fmt.Sscanf(text, "STAT %s %s", &name, &value); err != nil {
			continue // a value with spaces
		}
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			all[name] = n
		}
	}
}
