package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"what"}, {"-quick"}} {
		if _, err := run(t.Context(), args, &bytes.Buffer{}, &bytes.Buffer{}); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", args, err)
		}
	}
	if _, err := run(t.Context(), []string{"soak", "-subject", "memcached", "more"}, &bytes.Buffer{}, &bytes.Buffer{}); err == nil {
		t.Error("an argument too many was taken")
	}
}

func TestLasts(t *testing.T) {
	for _, c := range []struct {
		s    settings
		want time.Duration
	}{
		{settings{}, time.Minute},
		{settings{quick: true}, time.Second},
		{settings{quick: true, duration: time.Hour}, time.Hour},
	} {
		if got := c.s.lasts(time.Second, time.Minute); got != c.want {
			t.Errorf("%+v: %v", c.s, got)
		}
	}
}

// The whole way, on the original: a server, a check, a report.
func TestSoak(t *testing.T) {
	var out bytes.Buffer
	held, err := run(t.Context(), []string{"soak", "-subject", "memcached", "-duration", "1s", "-clients", "2"}, &out, &bytes.Buffer{})
	if err != nil && strings.Contains(err.Error(), "program not found") {
		t.Skip("SKIP: memcached is not installed")
	}
	if err != nil || !held || !strings.Contains(out.String(), "no wrong answer") {
		t.Fatalf("held %v, %v:\n%s", held, err, &out)
	}
}
