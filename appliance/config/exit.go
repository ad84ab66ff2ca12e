package config

import "fmt"

// Exit codes, as memcached uses them (sysexits.h).
const (
	ExitOK       = 0
	ExitFailure  = 1
	ExitUsage    = 64 // EX_USAGE
	ExitNoUser   = 67 // EX_NOUSER
	ExitOSError  = 71 // EX_OSERR
	notSupported = "panda: option %s (%s) is not supported yet"
)

// An Exit says that the program ends instead of serving: with a text the user
// asked for (-h, -V), or because it cannot go on.
type Exit struct {
	Code   int
	Stdout string
	Stderr string
}

// Error is the text that goes to the user.
func (e *Exit) Error() string { return e.Stderr + e.Stdout }

// fail is an Exit with one line on stderr.
func fail(code int, format string, args ...any) *Exit {
	return &Exit{Code: code, Stderr: fmt.Sprintf(format, args...) + "\n"}
}
