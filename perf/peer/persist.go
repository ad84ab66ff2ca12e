package peer

import "strconv"

// Persist is what a server keeps of its data, and where.
type Persist struct {
	Mode   string // panda's persist.mode; redis: everything but "off" is its append-only file
	Fsync  string // always, everysec or no
	Folder string // that exists
	// SnapshotAfter is panda's persist.snapshot_after, in bytes; 0: its default.
	SnapshotAfter int64
	// FlashMB is the size of panda's file for values that memory has no room for, or that
	// were not used for a second; it lies beside the folder. 0: none.
	FlashMB int
}

// flashFile is the file's name.
func (p *Persist) flashFile() string { return p.Folder + ".flash" }

// serveArguments are those of panda under its own name, which knows persistence.
func (s *Spec) serveArguments(address, admin string) []string {
	a := []string{"serve", "--log-format", "text", "-t", strconv.Itoa(max(s.Threads, 1)),
		"-m", strconv.Itoa(max(s.MemoryMB, 64)) + "MB", "--admin", admin}
	if s.Unix {
		a = append(a, "-l", "", "-s", address)
	} else {
		a = append(a, "-l", "127.0.0.1", "-p", address)
	}
	p := s.Persist
	a = append(a, "--persist", p.Mode, "--data", p.Folder)
	if p.Fsync != "" {
		a = append(a, "--fsync", p.Fsync)
	}
	if p.SnapshotAfter > 0 {
		a = append(a, "--set", "persist.snapshot_after="+strconv.FormatInt(p.SnapshotAfter, 10)+"B")
	}
	if p.FlashMB > 0 {
		a = append(a, "--set", "flash.files="+p.flashFile()+":"+strconv.Itoa(p.FlashMB)+"MB", "--set", "flash.idle_after=1s")
	}
	return append(a, s.Extra...)
}

// redisArguments are those of redis-server, which snapshots nothing by itself.
func (s *Spec) redisArguments(address string) []string {
	a := []string{"--bind", "127.0.0.1", "--port", address, "--save", "", "--daemonize", "no",
		"--maxmemory", strconv.Itoa(max(s.MemoryMB, 64)) + "mb", "--enable-debug-command", "local"}
	if s.Unix {
		a[1], a[3] = "", "0"
		a = append(a, "--unixsocket", address)
	}
	if p := s.Persist; p != nil {
		a = append(a, "--dir", p.Folder)
		if p.Mode != "off" {
			a = append(a, "--appendonly", "yes", "--appendfsync", p.Fsync)
		}
	}
	return append(a, s.Extra...)
}
