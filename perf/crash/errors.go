package crash

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrOptions says that the check cannot be run as asked.
	ErrOptions = errors.New("crash: impossible options")
	// ErrReply says that a reply was not the one that it had to be.
	ErrReply = errors.New("crash: wrong reply")
	// ErrServer says that the server ended, or did not answer, though nobody killed it.
	ErrServer = errors.New("crash: the server failed")
)

// Wrong is what a crash may not leave behind.
type Wrong struct {
	Round  int
	Client int
	Why    string
	Keys   []string // what is known of some keys that show it
}

func (w *Wrong) Error() string {
	return fmt.Sprintf("crash: WRONG behind the crash of round %d, client %d: %s\n  %s",
		w.Round, w.Client, w.Why, strings.Join(w.Keys, "\n  "))
}
