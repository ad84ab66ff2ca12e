package peer

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// threadTimes is the last seen time on a core of each thread of a process.
type threadTimes map[string]int64 // by thread id

// read brings the times up to date and returns their sum.
func (t threadTimes) read(proc string) (time.Duration, error) {
	tasks, err := os.ReadDir(filepath.Join(proc, "task"))
	if err != nil {
		return 0, err
	}
	for _, task := range tasks {
		b, err := os.ReadFile(filepath.Join(proc, "task", task.Name(), "schedstat"))
		if err != nil {
			continue // the thread has just ended: its last figure stays
		}
		ns, err := parseSchedstat(b)
		if err != nil {
			return 0, err
		}
		t[task.Name()] = ns
	}
	var sum int64
	for _, ns := range t {
		sum += ns
	}
	return time.Duration(sum), nil
}

// parseSchedstat returns the nanoseconds on a core of a schedstat file: "time
// on a core, time waiting for one, number of turns".
func parseSchedstat(b []byte) (int64, error) {
	f := bytes.Fields(b)
	if len(f) != 3 {
		return 0, fmt.Errorf("%w: schedstat %q", ErrProc, b)
	}
	ns, err := strconv.ParseInt(string(f[0]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: schedstat %q", ErrProc, b)
	}
	return ns, nil
}

// statTick is the unit of /proc/PID/stat: USER_HZ, 100 a second on every
// architecture that Go knows.
const statTick = 10 * time.Millisecond

// Fields of /proc/PID/stat, user time with system time behind it, counted from behind
// the name: of the process, and of its children that are gone and were waited for.
const (
	statOwn  = 11 // fields 14 and 15
	statGone = 13 // fields 16 and 17
)

// parseStat returns user plus system time of a /proc/PID/stat file, threads
// that ended included. The program's name may hold spaces and parentheses.
func parseStat(b []byte, field int) (time.Duration, error) {
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < field+2 {
		return 0, fmt.Errorf("%w: stat %q", ErrProc, b)
	}
	var ticks int64
	for _, s := range f[field : field+2] {
		n, err := strconv.ParseInt(string(s), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%w: stat %q", ErrProc, b)
		}
		ticks += n
	}
	return time.Duration(ticks) * statTick, nil
}

// CPU returns the time on a core of all threads since the server's start, and that of
// the processes it forks: redis rewrites its file in one.
func (s *Server) CPU() (time.Duration, error) {
	own, err := s.times.read(s.proc())
	if err != nil || s.Spec.Kind != Redis {
		return own, err
	}
	children, err := s.children()
	return own + children, err
}

// children is the CPU of the processes that the server has forked: of those that are
// gone in hundredths of a second.
func (s *Server) children() (time.Duration, error) {
	b, err := os.ReadFile(filepath.Join(s.proc(), "stat"))
	if err != nil {
		return 0, err
	}
	sum, err := parseStat(b, statGone)
	if err != nil {
		return 0, err
	}
	list, err := os.ReadFile(filepath.Join(s.proc(), "task", strconv.Itoa(s.PID), "children"))
	if err != nil {
		return 0, err
	}
	for _, pid := range bytes.Fields(list) {
		// One that has just ended is with the gone ones the next time.
		if running, err := (threadTimes{}).read(filepath.Join("/proc", string(pid))); err == nil {
			sum += running
		}
	}
	return sum, nil
}

// CoarseCPU is CPU as /proc/PID/stat has it, in hundredths of a second: a
// second opinion.
func (s *Server) CoarseCPU() (time.Duration, error) {
	b, err := os.ReadFile(filepath.Join(s.proc(), "stat"))
	if err != nil {
		return 0, err
	}
	return parseStat(b, statOwn)
}

func (s *Server) proc() string { return filepath.Join("/proc", strconv.Itoa(s.PID)) }
