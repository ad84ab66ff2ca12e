package probe

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
)

// Sample is one reply.
type Sample struct {
	At   time.Duration // since the probe's beginning: when it was sent
	Took time.Duration // from the write to the read
	Late time.Duration // how much later than planned it was sent: the machine's doing, or a slow reply's before
}

// Probe is one connection, with a thread of its own that waits in the kernel and
// not in Go's scheduler, which is busy with load.
type Probe struct {
	file    *os.File
	fd      int
	start   time.Time
	every   time.Duration
	request []byte
	want    []byte
	buf     []byte
	samples []Sample
	stop    atomic.Bool
	done    chan error
}

// stall is how long a reply may take before it counts as none.
const stall = 30 * time.Second

// Start connects and begins to send request every so often, and to wait for
// reply, until Stop. At of a sample counts from start.
func Start(network, address string, start time.Time, every time.Duration, request, reply string) (*Probe, error) {
	conn, err := net.DialTimeout(network, address, stall)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	file, err := conn.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		return nil, err
	}
	p := &Probe{file: file, fd: int(file.Fd()), start: start, every: every,
		request: []byte(request), want: []byte(reply), buf: make([]byte, len(reply)), done: make(chan error, 1)}
	timeout := syscall.NsecToTimeval(int64(stall))
	if err = syscall.SetNonblock(p.fd, false); err == nil {
		err = syscall.SetsockoptTimeval(p.fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &timeout)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	go func() { p.done <- p.loop() }()
	return p, nil
}

func (p *Probe) loop() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for due := time.Since(p.start); !p.stop.Load(); {
		time.Sleep(due - time.Since(p.start)) // questions have their times; how late this wakes is measured, too
		sent := time.Since(p.start)
		if err := p.ask(); err != nil {
			return fmt.Errorf("probe after %v: %w", sent, err)
		}
		got := time.Since(p.start)
		p.samples = append(p.samples, Sample{At: sent, Took: got - sent, Late: sent - due})
		due = max(due+p.every, got)
	}
	return nil
}

func (p *Probe) ask() error {
	if _, err := syscall.Write(p.fd, p.request); err != nil {
		return err
	}
	for have := 0; have < len(p.buf); {
		n, err := syscall.Read(p.fd, p.buf[have:])
		if err == syscall.EINTR {
			continue
		}
		if err == nil && n == 0 {
			err = io.EOF
		}
		if err != nil {
			return fmt.Errorf("no reply: %d bytes, %w", have, err)
		}
		have += n
	}
	if !slices.Equal(p.buf, p.want) {
		return fmt.Errorf("reply %q, want %q", p.buf, p.want)
	}
	return nil
}

// Stop ends it and returns what it saw, in order.
func (p *Probe) Stop() ([]Sample, error) {
	p.stop.Store(true)
	err := <-p.done
	p.file.Close()
	return p.samples, err
}

// Quantiles are of the times that replies took, zero without samples.
func Quantiles(samples []Sample, at ...float64) []time.Duration {
	took := make([]time.Duration, len(samples))
	for i, s := range samples {
		took[i] = s.Took
	}
	slices.Sort(took)
	out := make([]time.Duration, len(at))
	for i, q := range at {
		if len(took) > 0 {
			out[i] = took[min(len(took)-1, int(q*float64(len(took))))]
		}
	}
	return out
}
