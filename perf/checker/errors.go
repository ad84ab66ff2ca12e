package checker

import (
	"errors"
	"fmt"
	"strings"
)

// ErrConfig says that a check cannot be run as asked.
var ErrConfig = errors.New("checker: impossible configuration")

// Wrong is a wrong answer, with the conversation that led to it.
type Wrong struct {
	Client       int
	Why          string
	Request      string
	Conversation []string // about the same key first, then the last of the connection
}

func (w *Wrong) Error() string {
	return fmt.Sprintf("checker: WRONG ANSWER to client %d: %s\n  request: %s\n  %s",
		w.Client, w.Why, w.Request, strings.Join(w.Conversation, "\n  "))
}
