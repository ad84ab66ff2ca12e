//go:build !linux

package load

import (
	"errors"
	"fmt"
	"time"
)

const timerID = -1

// poller exists on Linux only: what perf measures is read from its /proc.
type poller struct{}

func newPoller() (*poller, error) {
	return nil, fmt.Errorf("load: only Linux has epoll: %w", errors.ErrUnsupported)
}

func (*poller) add(fd, id int) error                          { return errors.ErrUnsupported }
func (*poller) wait(time.Duration) (int, error)               { return 0, errors.ErrUnsupported }
func (*poller) ready(i int) (id int, readable, writable bool) { return 0, false, false }
func (*poller) wake(time.Duration) error                      { return errors.ErrUnsupported }
func (*poller) close()                                        {}
