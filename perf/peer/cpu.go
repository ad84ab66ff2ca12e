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

// parseStat returns user plus system time of a /proc/PID/stat file, threads
// that ended included. The program's name may hold spaces and parentheses.
func parseStat(b []byte) (time.Duration, error) {
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	const utime, stime = 11, 12 // fields 14 and 15, the name being the second
	if len(f) <= stime {
		return 0, fmt.Errorf("%w: stat %q", ErrProc, b)
	}
	var ticks int64
	for _, s := range f[utime : stime+1] {
		n, err := strconv.ParseInt(string(s), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%w: stat %q", ErrProc, b)
		}
		ticks += n
	}
	return time.Duration(ticks) * statTick, nil
}

// CPU returns the time on a core of all threads since the server's start.
func (s *Server) CPU() (time.Duration, error) { return s.times.read(s.proc()) }

// CoarseCPU is CPU as /proc/PID/stat has it, in hundredths of a second: a
// second opinion.
func (s *Server) CoarseCPU() (time.Duration, error) {
	b, err := os.ReadFile(filepath.Join(s.proc(), "stat"))
	if err != nil {
		return 0, err
	}
	return parseStat(b)
}

func (s *Server) proc() string { return filepath.Join("/proc", strconv.Itoa(s.PID)) }
