package appliance

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// manager is who started this process and wants to know how it is: systemd, by
// the protocol of sd_notify. A nil one is told nothing.
type manager struct {
	conn     *net.UnixConn
	address  string        // NOTIFY_SOCKET
	watchdog time.Duration // how long it waits for a sign of life; 0: for ever
	ended    chan struct{}
	watching sync.WaitGroup
}

// newManager connects to NOTIFY_SOCKET; nil without one, or when nobody is there.
func newManager(address string) *manager {
	if !strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "@") {
		return nil // "", or of a kind that only virtual machines have
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		return nil
	}
	return &manager{conn: conn, address: address, ended: make(chan struct{})}
}

// watch reads WATCHDOG_USEC and WATCHDOG_PID.
func (m *manager) watch(microseconds, pid string, self int) {
	n, err := strconv.ParseInt(microseconds, 10, 64)
	if m == nil || err != nil || n <= 0 || pid != "" && pid != strconv.Itoa(self) {
		return
	}
	m.watchdog = time.Duration(n) * time.Microsecond
}

// tell sends variables. A manager that does not take them is none of our concern.
func (m *manager) tell(variables ...string) {
	if m != nil {
		m.conn.Write([]byte(strings.Join(variables, "\n")))
	}
}

// ready tells that clients are served, and begins the signs of life: one in half
// the time that the manager waits, as long as every loop runs.
func (m *manager) ready(status string, p *pulse) {
	m.tell("READY=1", "STATUS="+status)
	if m == nil || m.watchdog == 0 {
		return
	}
	m.watching.Go(func() { m.signs(p) })
}

func (m *manager) signs(p *pulse) {
	every := m.watchdog / 2
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if p.hung(max(every, hungMin)) == nil {
			m.tell("WATCHDOG=1")
		}
		select {
		case <-tick.C:
		case <-m.ended:
			return
		}
	}
}

// reloading brackets a reload, for Type=notify-reload.
func (m *manager) reloading(reload func()) {
	if m == nil {
		reload()
		return
	}
	m.tell("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", monotonicMicroseconds()))
	reload()
	m.tell("READY=1")
}

// close ends the signs of life.
func (m *manager) close() {
	if m != nil {
		close(m.ended)
		m.watching.Wait()
		m.conn.Close()
	}
}
