package density

import "errors"

// ErrServer says that a server did not do what the measurement rests on.
var ErrServer = errors.New("density: unexpected answer")
