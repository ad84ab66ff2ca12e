// Package appliance assembles a node from its layers, and runs it as a process.
//
// # Where it sits
//
// On top: it is the one place that sees config, netio, slab and the protocols,
// and names their parts to each other. appliance/cli calls Run; tests call New.
//
//	config.Config -> New -> slab.Store <- memcache.Server <- netio.Server -> sockets
//
// # Types
//
//   - Node: a store, the protocols on it, and the loops under them (node.go),
//     with its addresses (listen.go, datagrams.go), certificates (tls.go), users
//     (credentials.go), memory file (restart.go) and operator's port (operator.go).
//   - Run: a Node as a process: limits, user, locked memory (process.go),
//     signals, log and exit code (run.go), pid file (pidfile.go).
//   - launch: how the process was started, and starts another: a daemon
//     (daemon.go), or its successor (upgrade.go), which has a parent (parent.go)
//     and its sockets (inherit.go). control: where an upgrade is asked for.
//   - manager: systemd (systemd.go), told by the loops' pulse that they run.
//
// # Threads and ownership
//
// netio's loops own all connections and call wire/memcache's sessions. The
// goroutine in Run owns the Node and waits for signals; it starts one that
// stops the node, and joins it. The admin port (appliance/admin) owns its
// own goroutine, asks the node only until it is detached, and ends with it. The
// shutdown command and the verbosity command come in on a loop and only post. The
// control and the signs of life have a goroutine each, which Run ends.
//
// # Invariants
//
//  1. Nothing is served before every address is bound: a node that starts half
//     looks healthy and is not.
//  2. Privileges are dropped before sockets are made, as memcached does: the
//     unix socket and the pid file belong to the user of -u.
//  3. The exit code of an ordered stop is 0, whatever clients were doing.
//  4. The log has a line for what happens to the node, and none for a request.
//     Called as memcached, stderr has memcached's own sentences where it has any.
//  5. One process serves a memory file at a time. Sockets are open in one process
//     or both during an upgrade, never in none.
//  6. A successor that fails costs nothing: its predecessor goes on, or starts
//     itself anew with what it saved.
//  7. No scrape touches memory that a stop gives back (admin.Server.Detach).
//
// # Limits
//
// Stopping waits 3 s for clients to take their replies, then cuts them.
// Starting waits 10 s for the names of -l, an upgrade 2 minutes for each word of
// the successor.
//
// # Tests
//
// node_test.go starts nodes in this process; processrig_test.go and cmd/panda's
// scripts start the binary. packaging_test.go holds units, image and documents to it.
package appliance
