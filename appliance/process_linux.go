package appliance

import "golang.org/x/sys/unix"

// rlimitValue is a number as a resource limit has it here.
func rlimitValue(n uint64) uint64 { return n }

// lockMemory is -k. Memory is locked when it is first used: locking what is
// reserved, as plain MCL_FUTURE would, would fill the whole arena at once.
func lockMemory() error {
	return unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
}

// monotonicMicroseconds is the time as systemd wants it of who reloads.
func monotonicMicroseconds() int64 {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return 0
	}
	return now.Nano() / 1000
}
