package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/pandabeardb/panda/perf/verdict"
)

// Options say what to check.
type Options struct {
	Panda  string // its binary
	Fsync  string // always, everysec or no
	Judge  string // what must hold; empty: what Fsync promises
	Rounds int    // crashes; 0: 100
	Seed   uint64
	Folder string    // where the data folder is made; empty: the system's for temporary files
	Flash  bool      // values that were not used for a second are on flash, too
	Log    io.Writer // progress; nil: none

	// LoadMost is how long a round's load lasts at most; 0: 2.5 s, so that a snapshot is
	// due in some of them.
	LoadMost time.Duration
}

const (
	roundsFull   = 100
	loadMostFull = 2500 * time.Millisecond
	loadLeast    = 50 * time.Millisecond

	clientsOf = 8   // connections that own keys
	keysOf    = 512 // of each
	depthOf   = 16  // requests in one write, at most
	threads   = 2
	memoryMB  = 512 // several times what they store
	// snapshotAfter is the least that can be set: snapshots go on all the time.
	snapshotAfter = 1 << 20
	// flashMB holds all of it, too: nothing is dropped.
	flashMB = 1024
)

func (o *Options) logf(format string, args ...any) {
	if o.Log != nil {
		fmt.Fprintf(o.Log, "crash: "+format+"\n", args...)
	}
}

// Run checks. A crash that left something behind that it may not is an error, a *Wrong.
func Run(ctx context.Context, o Options) (*verdict.Report, error) {
	if o.Rounds == 0 {
		o.Rounds = roundsFull
	}
	if o.LoadMost == 0 {
		o.LoadMost = loadMostFull
	}
	if o.Judge == "" {
		o.Judge = o.Fsync
	}
	for _, f := range []string{o.Fsync, o.Judge} {
		if f != "always" && f != "everysec" && f != "no" {
			return nil, fmt.Errorf("%w: fsync %q", ErrOptions, f)
		}
	}
	folder, err := os.MkdirTemp(o.Folder, "panda-crash")
	if err != nil {
		return nil, err
	}
	c := newCourse(&o, filepath.Join(folder, "data"))
	err = c.run(ctx)
	if err != nil {
		// What is there is evidence.
		return c.report(), fmt.Errorf("%w\nthe data folder, as it is: %s", err, folder)
	}
	return c.report(), errors.Join(err, os.RemoveAll(folder))
}
