package groupsync

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

//go:embed groupsync.c
var source string

// ErrNoCompiler says that the machine has no C compiler.
var ErrNoCompiler = errors.New("groupsync: no C compiler (cc) on this machine")

// Kind is what the file is like that is written.
type Kind string

const (
	Appended    Kind = "appended"    // it grows, and the page cache is between
	Allocated   Kind = "allocated"   // and never written
	Overwritten Kind = "overwritten" // all of it was written before
)

// Build compiles the loop into dir and returns the program's path.
func Build(dir string) (program string, err error) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return "", ErrNoCompiler
	}
	c, program := filepath.Join(dir, "groupsync.c"), filepath.Join(dir, "groupsync")
	if err := os.WriteFile(c, []byte(source), 0o600); err != nil {
		return "", err
	}
	out, err := exec.Command(cc, "-O2", "-Wall", "-Wextra", "-o", program, c).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("groupsync: %w: %s", err, out)
	}
	return program, nil
}

// Run has the loop write groups of so many bytes in a folder, for some time, and returns
// how many became durable a second.
func Run(ctx context.Context, program, folder string, bytes int64, lasts time.Duration, kind Kind) (perSecond float64, err error) {
	file := filepath.Join(folder, "groupsync.data")
	defer os.Remove(file)
	command := exec.CommandContext(ctx, program, file, strconv.FormatInt(bytes, 10), strconv.FormatInt(lasts.Milliseconds(), 10), string(kind))
	out, err := command.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("groupsync: %w: %s", err, out)
	}
	var syncs, ns int64
	if _, err := fmt.Sscan(string(out), &syncs, &ns); err != nil || ns <= 0 {
		return 0, fmt.Errorf("groupsync: %q: %w", out, err)
	}
	return float64(syncs) / (float64(ns) / 1e9), nil
}
