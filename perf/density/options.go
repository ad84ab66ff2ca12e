package density

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/pandabeardb/panda/perf/peer"
)

// Options say what to measure.
type Options struct {
	Panda     string // its binary
	Memcached string // its binary; empty: from PATH
	Quick     bool   // small, for development
	Alone     bool   // Scale: ours only
	Duration  time.Duration
	Seed      uint64
	Log       io.Writer // progress; nil: none
}

func (o *Options) logf(format string, args ...any) {
	if o.Log != nil {
		fmt.Fprintf(o.Log, format+"\n", args...)
	}
}

// kinds are the servers of a comparison, ours last.
var kinds = []peer.Kind{peer.Memcached, peer.Panda}

func (o *Options) spec(kind peer.Kind, threads, memoryMB int) peer.Spec {
	s := peer.Spec{Kind: kind, Binary: o.Panda, Threads: threads, MemoryMB: memoryMB}
	if kind == peer.Memcached {
		s.Binary = o.Memcached
	}
	return s
}

// with runs f on a server that is started before and stopped behind it.
func (o *Options) with(spec peer.Spec, f func(s *peer.Server) error) error {
	s, err := peer.Start(spec)
	if err != nil {
		return err
	}
	return errors.Join(f(s), s.Stop())
}

// cancelled is the error of a context that ended.
func cancelled(ctx context.Context) error { return context.Cause(ctx) }
