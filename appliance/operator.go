package appliance

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/pandabeardb/panda/appliance/admin"
	"github.com/pandabeardb/panda/netio"
	"github.com/pandabeardb/panda/wire/memcache"
)

// errAtLimit is what /healthz says at the limit of connections.
var errAtLimit = errors.New("the limit of connections is reached: no further client is served")

// listenAdmin binds the operator's port, if there is to be one.
func (n *Node) listenAdmin() (err error) {
	address := n.config.Admin
	given := n.given.claimNamed(nameAdmin)
	if given != nil {
		address = given.address
	}
	if address == "" {
		return nil
	}
	source := admin.Source{
		Version:  n.config.Version,
		Snapshot: func() memcache.Snapshot { return n.memcache.Snapshot(time.Now().UnixMilli()) },
		Memory:   n.store.Stats,
		Status:   n.addStatus,
		Health:   n.health,

		Transport: n.net.Transport,
		Histograms: func() []admin.Histogram {
			return []admin.Histogram{turnTimes(n.net.Latency())}
		},
	}
	n.addPersist(&source)
	n.addFlash(&source)
	n.admin, err = admin.ListenBy(func(network, address string) (net.Listener, error) {
		return n.bindAdmin(given, network, address)
	}, address, source, n.log)
	if err != nil {
		return fmt.Errorf("%w: %w (another: %s)", ErrAdmin, err, n.adminOption())
	}
	return nil
}

// adminOption is how the operator's port is moved, under either name: a second
// node on a host has to.
func (n *Node) adminOption() string {
	if n.config.AsMemcached {
		return "-o panda_admin=HOST:PORT"
	}
	return `--admin HOST:PORT, or admin.address; "" is none`
}

// AdminAddr is the operator's port; nil without one.
func (n *Node) AdminAddr() net.Addr {
	if n.admin == nil {
		return nil
	}
	return n.admin.Addr()
}

// health is asked while the node serves; a node that stops is detached. A loop
// that hangs serves none of its clients. At the limit of connections new ones
// wait, or are told and closed: neither is served.
func (n *Node) health() error {
	if hung := n.pulse.hung(n.pulse.limit); hung != nil {
		return hung
	}
	if t := n.net.Transport(); t.AcceptingPaused || t.CurrentConnections >= int64(n.config.Clients) {
		return errAtLimit
	}
	return nil
}

// turnTimes is the loops' own measure of how long a connection waits for its
// reply.
func turnTimes(l netio.Latency) admin.Histogram {
	h := admin.Histogram{
		Name: "panda_turn_duration_seconds",
		Help: "From a connection's input being seen to its replies being written; one batch of events in 64 is measured.",
		Sum:  float64(l.SumNS) / 1e9,
	}
	for _, b := range l.Buckets {
		if b.BoundNS > 0 {
			h.Bounds = append(h.Bounds, float64(b.BoundNS)/1e9)
		}
		h.Counts = append(h.Counts, uint64(b.Count))
	}
	return h
}
