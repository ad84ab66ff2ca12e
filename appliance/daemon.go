package appliance

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/pandabeardb/panda/appliance/config"
)

// -d: Go cannot fork, so the program runs itself again, in a session of its own,
// and ends when that process serves, or with its exit code when it does not
// come to it. (memcached forks before it binds: its exit code is 0 whatever
// becomes of the daemon.) Until it serves, the daemon has its parent's stderr.

// daemonize is the parent's part.
func (l *launch) daemonize(stderr io.Writer) int {
	c, err := l.start(childOptions{program: l.self, purpose: forDaemon, sockets: l.sockets, session: true})
	if err != nil {
		fmt.Fprintf(stderr, "failed to daemon() in order to daemonize: %v\n", err)
		return config.ExitFailure
	}
	defer c.conn.Close()
	if line, err := bufio.NewReader(c.conn).ReadString('\n'); err == nil && line == sayServing+"\n" {
		return config.ExitOK
	}
	var exit *exec.ExitError
	if errors.As(<-c.ended, &exit) && exit.ExitCode() > 0 {
		return exit.ExitCode()
	}
	return config.ExitFailure // killed, or ended in order before it served
}

// leaveFolder is memcached's: a daemon keeps no folder busy, unless it is to
// dump core there. Relative names are relative to / from here on.
func leaveFolder(c *config.Config) error {
	if !c.Daemon || c.CoreDumps {
		return nil
	}
	return os.Chdir("/")
}

// detach is memcached's, too: without -v, a daemon prints nothing.
func detach(c *config.Config) {
	if !c.Daemon || c.Memcache.Verbosity > 0 {
		return
	}
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return // a root without devices
	}
	for fd := range 3 {
		unix.Dup2(null, fd)
	}
	unix.Close(null)
}
