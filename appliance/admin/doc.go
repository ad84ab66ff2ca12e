// Package admin is the operator's HTTP port: metrics, health and profiles.
//
// # Where it sits
//
// The appliance makes a Server for its node, gives it functions to ask, and
// ends it with the node. It alone knows Prometheus's library.
//
//	GET /metrics -> promhttp -> collector.Collect -> Source.Snapshot -> the stats commands' rows
//	POST /snapshot -> Server.snapshot -> Source.TakeSnapshot
//	GET /status  -> Server.status -> the same, as a status.Reading, and Source.Status
//
// # Types
//
//   - Server: a listener on loopback, its handlers, and the one goroutine that
//     accepts (server.go, listener.go).
//   - Source: what the node tells. Nothing else of the node is seen.
//   - metric: a row of memcached (memcached.go): a name that the dashboards of
//     prometheus/memcached_exporter expect, and the statistics row it comes from.
//     What is ours and no exporter's begins with panda_ (collector.go).
//
// # Ownership
//
// The Server owns its goroutine; net/http's handlers run on others. Detach ends
// their way into the node and waits for those that are in it: the node's memory
// may be given back after that. Close ends the goroutine.
//
// # Invariants
//
//  1. The address is a loopback one, and so is the Host that a request names, so
//     that no web page can read this port through a browser; nor can one have a
//     browser send the header without which nothing here changes anything.
//  2. A scrape takes the same short locks as `stats`, on its own thread: no loop
//     waits for it. At most two run at once.
//  3. /healthz says 200 only while clients are accepted.
//
// # Limits
//
// 32 connections; headers of 16 KiB within 5 s; a reply within 2 minutes, which
// bounds a profile; but for a snapshot, where each line may take 10 s. Only GET and
// HEAD, and a POST of /snapshot, with a header that no web page can send.
//
// # Tests
//
// go test ./appliance/admin; testdata/exporter-names.txt lists the exporter's
// names, each of which must be there.
package admin
