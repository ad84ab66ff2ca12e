package appliance

import (
	"os"
	"os/user"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/wire/memcache"
)

const (
	// gcPercent lets the Go heap grow to five times what lives in it before it
	// is collected. Data is not on that heap: what lives there is a few MB of
	// connections and buffers, and a collection scans no item, so a larger heap
	// costs little memory and keeps collections below one in many seconds.
	gcPercent = 400

	// spareFiles is what the process opens besides connections and loops: logs,
	// listeners, profiles, the runtime's own.
	spareFiles = 64

	// loopFiles is what a loop has: its poller, and what wakes it up.
	loopFiles = 2
)

// prepareProcess sets what belongs to the process and not to the node, in
// memcached's order: limits, then the user, then locked memory.
func prepareProcess(c *config.Config) *config.Exit {
	chooseLoops(c)
	prepareRuntime(c)
	if c.CoreDumps {
		if exit := raiseCoreLimit(); exit != nil {
			return exit
		}
	}
	connections, spare := uint64(c.Memcache.Settings.MaxConns), spareFiles+loopFiles*uint64(c.Loops)
	if c.TLS != nil {
		spare += connections // a handshake has a second descriptor of its socket
	}
	if exit := raiseFileLimit(connections, spare); exit != nil {
		return exit
	}
	readEarly(c.TLS)
	if exit := becomeUser(c); exit != nil {
		return exit
	}
	if c.LockMemory {
		if err := lockMemory(); err != nil {
			c.Warnings = append(c.Warnings, "warning: -k invalid, mlockall() failed: "+reasonText(err))
		}
	}
	return nil
}

// chooseLoops settles the number of loops when -t does not: one for each
// processor that the process may use, which a container's quota can make fewer
// than the machine has. Go knows it until GOMAXPROCS is set.
func chooseLoops(c *config.Config) {
	if c.Loops == 0 {
		c.Loops = runtime.GOMAXPROCS(0)
		c.Memcache.Settings.NumThreads = c.Loops
	}
}

// prepareRuntime sets the Go runtime, unless the environment did.
func prepareRuntime(c *config.Config) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(processorsFor(c))
	}
}

// processorsFor is how many goroutines run at the same time. One more than loops lets the
// collector and the signal handling run while every loop is busy, without taking a loop's
// turn, and so does one for each that waits for the disk all the time: not the keeper of the
// log's segments, nor a snapshot. If none is idle while the log's writer waits for a sync,
// the runtime's monitor looks every 20 µs for a processor to take away:
// docs/decisions/20261130-loops-yield.md.
func processorsFor(c *config.Config) int {
	n := c.Loops + 1
	if c.Persist.Mode == "log" {
		n++
	}
	if c.Flash.On() {
		n += readersOf(&c.Flash)
	}
	return n
}

// raiseCoreLimit is -r. Go dumps core only when it is told to.
func raiseCoreLimit() *config.Exit {
	debug.SetTraceback("crash")
	limit := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if unix.Setrlimit(unix.RLIMIT_CORE, &limit) != nil && unix.Getrlimit(unix.RLIMIT_CORE, &limit) == nil {
		limit.Cur = limit.Max
		unix.Setrlimit(unix.RLIMIT_CORE, &limit)
	}
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil || limit.Cur == 0 {
		return &config.Exit{Code: config.ExitOSError, Stderr: "failed to ensure corefile creation\n"}
	}
	return nil
}

// raiseFileLimit makes room for the connections that -c allows, and for what
// the process has besides: wanted, and gone without when the hard limit leaves
// no room, since -c allows some less than its number.
func raiseFileLimit(connections, spare uint64) *config.Exit {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return &config.Exit{Code: config.ExitOSError, Stderr: "failed to getrlimit number of files\n"}
	}
	want := connections + spare
	if uint64(limit.Cur) >= want {
		return nil
	}
	raised := limit
	raised.Cur = rlimitValue(want)
	raised.Max = max(raised.Max, raised.Cur)
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) == nil {
		return nil
	}
	if limit.Cur = limit.Max; uint64(limit.Max) >= connections && syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		return nil
	}
	return &config.Exit{Code: config.ExitOSError, Stderr: "failed to set rlimit for open files. Try starting as root or requesting smaller maxconns value.\n"}
}

// becomeUser is -u: root must say who it wants to be.
func becomeUser(c *config.Config) *config.Exit {
	if os.Getuid() != 0 && os.Geteuid() != 0 || !c.NeedsUser && c.User == "" {
		return nil
	}
	if c.User == "" {
		text := "must add '-u root' to start as root\n"
		if c.Memcache.Compat == memcache.Compat1618 {
			text = "can't run as root without the -u switch\n"
		}
		return &config.Exit{Code: config.ExitUsage, Stderr: text}
	}
	account, err := user.Lookup(c.User)
	if err != nil {
		return &config.Exit{Code: config.ExitNoUser, Stderr: "can't find the user " + c.User + " to switch to\n"}
	}
	uid, errUID := strconv.Atoi(account.Uid)
	gid, errGID := strconv.Atoi(account.Gid)
	if errUID == nil && errGID == nil {
		giveDataFolder(c, uid, gid)
	}
	if err := syscall.Setgroups(nil); err != nil {
		text := "failed to drop supplementary groups: " + reasonText(err)
		if err != syscall.EPERM { // which is who has no rights to drop
			return &config.Exit{Code: config.ExitOSError, Stderr: text + "\n"}
		}
		c.Warnings = append(c.Warnings, text)
	}
	if errUID != nil || errGID != nil || syscall.Setgid(gid) != nil || syscall.Setuid(uid) != nil {
		return &config.Exit{Code: config.ExitOSError, Stderr: "failed to assume identity of user " + c.User + "\n"}
	}
	return nil
}
