package warmup

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// batchMax is how many requests a worker sends at once: values of 100 bytes
	// then take one read, and what is under way is little when an end is ordered.
	batchMax = 128

	// busyEvery and busyMax bound the wait for a crawler that does other work:
	// memcached keeps its own crawls away for a minute after it has said BUSY.
	busyEvery = time.Second
	busyMax   = 2 * time.Minute
)

// Dial opens a connection.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Config says what to import.
type Config struct {
	Source, Target string // host:port, or the path of a unix socket
	Connections    int    // to either side
	Overwrite      bool   // the source's value wins
	PerSecond      int    // items; 0: as fast as it goes
	SpoolDir       string // "": the system's folder for temporary files
	Dial           Dial   // nil: the network
	Note           func(text string)
}

// A run is one import under way.
type run struct {
	Config
	progress *Progress
	spool    *spool
	pace     pace
	mode     byte // of ms
	tasks    sync.WaitGroup
	cancel   context.CancelCauseFunc
}

// Run imports until everything is done, something fails or ctx ends, and
// returns what kept it from being done, or nil.
func Run(ctx context.Context, c Config, p *Progress) error {
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.Note == nil {
		c.Note = func(string) {}
	}
	r := &run{Config: c, progress: p, spool: newSpool(c.SpoolDir), pace: pace{perSecond: c.PerSecond}, mode: 'E'}
	if c.Overwrite {
		r.mode = 'S'
	}
	defer r.spool.remove()
	ctx, r.cancel = context.WithCancelCause(ctx)
	defer r.cancel(nil) // closes the connections
	context.AfterFunc(ctx, r.spool.stop)

	workers, err := r.connect(ctx)
	if err != nil {
		return reason(ctx, err)
	}
	r.start(ctx, r.dump)
	for _, w := range workers {
		r.start(ctx, w.ask)
		r.start(ctx, w.carry)
		r.start(ctx, w.confirm)
	}
	r.tasks.Wait()
	if err := r.spool.failure(); err != nil {
		p.spill.Store(&err)
	}
	return context.Cause(ctx)
}

// reason is why ctx ended, which explains err better than err does.
func reason(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// start runs a task; the first that fails ends all.
func (r *run) start(ctx context.Context, task func(context.Context) error) {
	r.tasks.Go(func() {
		if err := task(ctx); err != nil {
			r.cancel(err) // has no effect when ctx has ended already
		}
	})
}

// connect opens all connections of the workers, so that what cannot work is
// known before the source is troubled with a dump.
func (r *run) connect(ctx context.Context) ([]*worker, error) {
	workers := make([]*worker, r.Connections)
	for i := range workers {
		source, err := r.open(ctx, "source", r.Source)
		if err != nil {
			return nil, err
		}
		target, err := r.open(ctx, "target", r.Target)
		if err != nil {
			return nil, err
		}
		workers[i] = newWorker(r, source, target)
	}
	n, err := workers[0].source.items()
	r.progress.expected.Store(n)
	return workers, err
}

func (r *run) open(ctx context.Context, side, address string) (*peer, error) {
	p, err := connect(ctx, r.Dial, side, address)
	if err != nil {
		return nil, err
	}
	return p, p.greet()
}

// dump lists the source's keys into the spool.
func (r *run) dump(ctx context.Context) error {
	p, err := connect(ctx, r.Dial, "source", r.Source)
	if err != nil {
		return err
	}
	defer p.Close()
	p.limit = dumpLimit
	for waited := time.Duration(0); ; waited += busyEvery {
		again, err := r.list(p)
		if again == nil || err != nil {
			r.spool.close()
			r.progress.complete.Store(err == nil)
			return err
		}
		if waited == 0 {
			r.Note(fmt.Sprintf("the source is busy (%v); trying again for up to %v", again, busyMax))
		}
		if waited >= busyMax {
			return again
		}
		pause(ctx, busyEvery)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// list asks for one dump and takes it in. again is why it has to be asked for
// once more, later.
func (r *run) list(p *peer) (again, err error) {
	if err := p.send("lru_crawler metadump all\r\n"); err != nil {
		return nil, err
	}
	var key []byte
	for listed := false; ; listed = true {
		e, err := p.entry()
		if err != nil {
			return nil, err
		}
		if e.Kind == Started {
			if e, err = p.entry(); err != nil {
				return nil, err
			}
		}
		if e.Kind == Ended {
			return nil, nil
		}
		if e.Kind == Other && !listed {
			return refusal(e.Text)
		}
		r.progress.listed.Add(1)
		if key, err = AppendKey(key[:0], e.Key); err != nil {
			r.progress.refuse(Unreadable, e.Text)
			continue
		}
		if !reachable(key) {
			r.progress.add(Unreachable, 1)
			continue
		}
		if !r.spool.put(key) {
			return nil, nil
		}
	}
}

// entry returns the next line of a dump, which borrows from the reader.
func (p *peer) entry() (Entry, error) {
	line, err := p.line()
	if err == io.EOF {
		return Entry{}, fmt.Errorf("%s: %w", p.name, ErrDumpCut)
	}
	if err != nil {
		return Entry{}, err
	}
	e, n, err := ParseEntry(line)
	if err == nil && n == 0 {
		err = ErrLine
	}
	if err != nil {
		return Entry{}, fmt.Errorf("%s: %w: %.80q", p.name, err, line)
	}
	return e, nil
}

// refusal is what it means that a dump begins with text. memcached says
// NOTSTARTED when it has nothing to crawl.
func refusal(text []byte) (again, err error) {
	switch string(text) {
	case "BUSY currently processing crawler request":
		return ErrBusy, nil
	case "ERROR locked try again later":
		return ErrLocked, nil
	case "NOTSTARTED no items to crawl":
		return nil, nil
	case "ERROR metadump not allowed":
		return nil, ErrNotAllowed
	case "CLIENT_ERROR lru crawler disabled":
		return nil, ErrDisabled
	}
	return nil, fmt.Errorf("%w: it says %.80q", ErrRefused, text)
}
