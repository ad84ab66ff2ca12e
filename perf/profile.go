package perf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pandabeardb/panda/perf/load"
)

// profileTime is how long a row is profiled if Options do not say: 400 samples
// a core at Go's rate.
const profileTime = 4 * time.Second

// profileSeconds is Options.ProfileTime in whole seconds.
func (o *Options) profileSeconds() int {
	if o.ProfileTime == 0 {
		return int(profileTime / time.Second)
	}
	return max(int(o.ProfileTime/time.Second), 1)
}

// profile saves a CPU profile of our server under a row's load, in a run of its
// own, so that profiling disturbs no figure.
func (c *contest) profile(ctx context.Context, r *Row) error {
	l := r.load()
	if l.Network == "" {
		l.Network = c.ours.Network
	}
	l.Address, l.TLS = c.ours.Address, c.ours.TLS
	seconds := c.o.profileSeconds()
	l.Duration = time.Duration(seconds+1) * time.Second
	var loadErr error
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, loadErr = load.Run(ctx, l)
	}()
	name := fmt.Sprintf("%s-t%d", strings.NewReplacer("/", "-", "=", "").Replace(r.Name), c.threads)
	path := filepath.Join(c.o.ProfileDir, name)
	var err error
	if c.ours.Pprof != "" {
		err = fetchProfile(ctx, c.ours.Pprof, seconds, path+".pprof")
	} else {
		err = recordProfile(ctx, c.ours.PID, seconds, path+".perf")
	}
	<-done
	return errors.Join(err, loadErr)
}

// fetchProfile asks a Go server for its CPU profile.
func fetchProfile(ctx context.Context, address string, seconds int, path string) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", address, seconds)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProfile, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s", ErrProfile, response.Status)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, response.Body); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// recordProfile has Linux's perf record a server that serves no profiles.
func recordProfile(ctx context.Context, pid, seconds int, path string) error {
	out, err := exec.CommandContext(ctx, "perf", "record", "-q", "-g", "-p", strconv.Itoa(pid),
		"-o", path, "--", "sleep", strconv.Itoa(seconds)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: perf record: %w: %s", ErrProfile, err, out)
	}
	return nil
}
