package appliance

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// What the process leaves for others to read: its id (-P), and the ports that it
// bound (MEMCACHED_PORT_FILENAME). What goes wrong with them is said, and is no
// reason not to serve.

// writePIDFile is -P. A successor finds the process in it that it succeeds, and
// who has started anew finds itself.
func (p *process) writePIDFile() {
	name := p.config.PIDFile
	if name == "" {
		return
	}
	if old, err := os.ReadFile(name); err == nil && !p.launch.parent.inUpgrade() && !p.launch.anew {
		pid, err := strconv.Atoi(strings.TrimSpace(string(old)))
		if err == nil && pid > 0 && syscall.Kill(pid, 0) == nil {
			p.complain(fmt.Sprintf("WARNING: The pid file contained the following (running) pid: %d", pid),
				"the pid file names a process that runs", "pid", pid)
		}
	}
	if err := replaceFile(name, ".tmp", strconv.Itoa(os.Getpid())+"\n"); err != nil {
		sentence := "Could not open the pid file " + name + ".tmp for writing: "
		if renamed := new(os.LinkError); errors.As(err, &renamed) {
			sentence = "Could not rename the pid file from " + name + ".tmp to " + name + ": "
		}
		p.complain(sentence+reasonText(err), "could not write the pid file", "error", err)
	}
}

// removePIDFile is a daemon's, at its end.
func (p *process) removePIDFile() {
	name := p.config.PIDFile
	if !p.config.Daemon || name == "" {
		return
	}
	if err := os.Remove(name); err != nil {
		p.complain("Could not remove the pid file "+name+": "+reasonText(err), "could not remove the pid file", "error", err)
	}
}

// writePortFile tells the file named by MEMCACHED_PORT_FILENAME which ports
// were bound: none, when -p and -U are 0. With -s alone there is no such file.
func (p *process) writePortFile() {
	name, text := os.Getenv("MEMCACHED_PORT_FILENAME"), portLines(p.node)
	if name == "" || text == "" && p.config.Unix != nil {
		return
	}
	if err := replaceFile(name, ".lck", text); err != nil {
		p.complain(fmt.Sprintf("Failed to open \"%s.lck\": %s", name, reasonText(err)), "could not write the file of ports", "error", err)
	}
}

// portLines lists a node's ports, a line each.
func portLines(n *Node) string {
	var text strings.Builder
	for _, addr := range n.addrs {
		bound, err := netip.ParseAddrPort(addr.String())
		if err != nil {
			continue // a path
		}
		family := "INET"
		if bound.Addr().Is6() {
			family = "INET6"
		}
		fmt.Fprintf(&text, "%s %s: %d\n", strings.ToUpper(addr.Network()), family, bound.Port())
	}
	return text.String()
}

// replaceFile writes a file under another name and renames it, so that nobody
// reads half of it.
func replaceFile(name, suffix, text string) error {
	if err := os.WriteFile(name+suffix, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(name+suffix, name)
}
