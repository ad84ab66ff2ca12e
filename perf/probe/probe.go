package probe

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"time"
)

// Sample is one reply.
type Sample struct {
	At   time.Duration // since the beginning: when it was sent
	Took time.Duration // from the write to the read
	Late time.Duration // how much later than planned the probe woke up to send it
}

// Probe is one connection.
type Probe struct {
	conn    net.Conn
	in      *bufio.Reader
	start   time.Time
	every   time.Duration
	request []byte
	reply   []byte
	samples []Sample
	stop    chan struct{}
	done    chan error
}

// stall is how long a reply may take before it counts as none.
const stall = 30 * time.Second

// Start connects and begins to send request every so often, and to wait for
// reply, until Stop.
func Start(network, address string, every time.Duration, request, reply string) (*Probe, error) {
	conn, err := net.DialTimeout(network, address, stall)
	if err != nil {
		return nil, err
	}
	p := &Probe{conn: conn, in: bufio.NewReader(conn), start: time.Now(), every: every,
		request: []byte(request), reply: make([]byte, len(reply)),
		stop: make(chan struct{}), done: make(chan error, 1)}
	go func() { p.done <- p.loop(reply) }()
	return p, nil
}

func (p *Probe) loop(reply string) error {
	runtime.LockOSThread() // so that it does not queue behind other goroutines of this thread
	defer runtime.UnlockOSThread()
	due := time.Duration(0)
	for {
		select {
		case <-p.stop:
			return nil
		case <-time.After(due - time.Since(p.start)):
		}
		sent := time.Since(p.start)
		if err := p.ask(reply); err != nil {
			return fmt.Errorf("probe after %v: %w", sent, err)
		}
		got := time.Since(p.start)
		p.samples = append(p.samples, Sample{At: sent, Took: got - sent, Late: sent - due})
		due = max(due+p.every, got)
	}
}

func (p *Probe) ask(reply string) error {
	if err := p.conn.SetDeadline(time.Now().Add(stall)); err != nil {
		return err
	}
	if _, err := p.conn.Write(p.request); err != nil {
		return err
	}
	if _, err := io.ReadFull(p.in, p.reply); err != nil {
		return err
	}
	if string(p.reply) != reply {
		return fmt.Errorf("reply %q, want %q", p.reply, reply)
	}
	return nil
}

// Stop ends it and returns what it saw, in order.
func (p *Probe) Stop() ([]Sample, error) {
	close(p.stop)
	err := <-p.done
	p.conn.Close()
	return p.samples, err
}

// Quantiles are of the times that replies took.
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
