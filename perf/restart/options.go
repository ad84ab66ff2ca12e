package restart

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/pandabeardb/panda/perf/peer"
	"github.com/pandabeardb/panda/perf/verdict"
)

// Options say what to measure.
type Options struct {
	Panda     string // its binary; empty: memcached alone
	Memcached string // its binary; empty: from PATH
	Quick     bool   // small, for development
	Alone     bool   // ours only
	Dir       string // where the memory file lies; empty: the machine's tmpfs. Recover: where the data folder does; empty: with temporary files
	Seed      uint64
	Log       io.Writer // progress; nil: none

	items, memoryMB int // for tests
}

const (
	itemsFull, memoryFull   = 5_000_000, 2048 // MB: more than either needs
	itemsQuick, memoryQuick = 200_000, 128
	// sharedMemory is a tmpfs wherever there is one.
	sharedMemory = "/dev/shm"
)

func (o *Options) logf(format string, args ...any) {
	if o.Log != nil {
		fmt.Fprintf(o.Log, format+"\n", args...)
	}
}

// size chooses how many items there are.
func (o *Options) size() {
	switch {
	case o.items > 0:
	case o.Quick:
		o.items, o.memoryMB = itemsQuick, memoryQuick
	default:
		o.items, o.memoryMB = itemsFull, memoryFull
	}
}

// Run measures.
func Run(ctx context.Context, o Options) (*verdict.Report, error) {
	o.size()
	if o.Dir == "" {
		o.Dir = sharedMemory
	}
	dir, err := os.MkdirTemp(o.Dir, "panda-restart")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r := &verdict.Report{}
	for _, kind := range []peer.Kind{peer.Memcached, peer.Panda} {
		if kind == peer.Memcached && o.Alone || kind == peer.Panda && o.Panda == "" {
			continue
		}
		c := &course{Options: o, report: r, kind: kind, file: filepath.Join(dir, string(kind))}
		if err := c.run(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
	}
	return r, nil
}
