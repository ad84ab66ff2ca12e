package appliance

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Errors of RequestUpgrade.
var (
	errNoPeers    = errors.New("not supported on this platform; SIGUSR2 asks a node for an upgrade, and its log says what became of it")
	errNotTheNode = errors.New("somebody else answers at its address")
	errHungUp     = errors.New("the node ended the conversation before it said that the new process serves; its log says why")
)

// RequestUpgrade asks the node in process pid to hand over to a new process of
// binary, a path; "": of the path under which the node was started. step is
// told what goes on. The result is the new process's id.
func RequestUpgrade(pid int, binary string, step func(text string)) (int, error) {
	if !peersKnown {
		return 0, errNoPeers
	}
	conn, err := net.DialTimeout("unix", controlPrefix+strconv.Itoa(pid), controlTimeout)
	if err != nil {
		return 0, fmt.Errorf("process %d cannot be asked: %w", pid, err)
	}
	defer conn.Close()
	// Anybody may have taken the name while no node had it.
	if _, peer, err := peerOf(conn.(*net.UnixConn)); err != nil || peer != pid {
		return 0, fmt.Errorf("process %d: %w (%v)", pid, errNotTheNode, err)
	}
	conn.SetDeadline(time.Now().Add(2*successorTimeout + putBackTimeout + killTimeout))
	json.NewEncoder(conn).Encode(upgradeRequest{Binary: binary}) // a node that refuses has answered, and hung up
	for in := json.NewDecoder(conn); ; {
		var r upgradeReply
		if err := in.Decode(&r); err != nil {
			return 0, fmt.Errorf("%w (%v)", errHungUp, err)
		}
		switch {
		case r.Error != "":
			return 0, errors.New(r.Error)
		case r.PID != 0:
			return r.PID, nil
		}
		step(r.Step)
	}
}

// Nodes lists the processes that can be asked for an upgrade.
func Nodes() ([]int, error) {
	if !peersKnown {
		return nil, errNoPeers
	}
	sockets, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return nil, err
	}
	return nodesIn(string(sockets)), nil
}

// nodesIn finds them in the kernel's list, of which the last field is the name:
// listening sockets, and those of their connections.
func nodesIn(sockets string) (pids []int) {
	seen := map[int]bool{}
	for line := range strings.Lines(sockets) {
		_, number, found := strings.Cut(line, " "+controlPrefix)
		pid, err := strconv.Atoi(strings.TrimSpace(number))
		if found && err == nil && pid > 0 && !seen[pid] {
			seen[pid] = true
			pids = append(pids, pid)
		}
	}
	return pids
}
