package appliance

import (
	"time"

	"github.com/pandabeardb/panda/appliance/status"
	"github.com/pandabeardb/panda/netio"
)

// hotKeysTold is how many hot keys /status names: what a screen holds, and more
// for who reads the JSON.
const hotKeysTold = 50

// addStatus adds to a reading what no statistics command says.
func (n *Node) addStatus(r *status.Reading) {
	r.TimeMS = time.Now().UnixMilli()
	r.Server.UptimeSeconds = int64(time.Since(n.started).Seconds())
	r.Latency = turnLatency(n.net.Latency())
	n.addTransport(r)
	for _, u := range n.store.RunUsage() {
		r.Runs = append(r.Runs, status.Run{ChunkBytes: int64(u.ChunkBytes), Small: u.Small, Main: u.Main, Fixed: u.Fixed})
	}
	answered := n.memcache.Shares()
	for i, l := range n.net.Shares() {
		r.Loops = append(r.Loops, status.Loop{
			Connections: l.Connections, BytesRead: uint64(l.BytesRead), BytesWritten: uint64(l.BytesWritten),
			Gets: answered[i].Gets, Sets: answered[i].Sets,
		})
	}
	if hot, sampled := n.memcache.HotKeys(hotKeysTold); sampled {
		r.HotKeys = &status.HotKeys{Samples: hot.Samples, Keys: []status.HotKey{}}
		for _, k := range hot.Keys {
			r.HotKeys.Keys = append(r.HotKeys.Keys, status.HotKey{Key: k.Key, Share: float64(k.Samples) / float64(max(1, hot.Samples))})
		}
	}
}

// addTransport adds what TLS and UDP count, where they are served.
func (n *Node) addTransport(r *status.Reading) {
	t := n.net.Transport()
	if n.config.TLS != nil {
		r.TLS = &status.TLS{
			HandshakeErrors: uint64(t.TLSHandshakeErrors), RecordErrors: uint64(t.TLSRecordErrors), NewSessions: uint64(t.TLSNewSessions),
		}
	}
	if len(n.config.UDP) > 0 {
		d := &t.Datagrams
		r.UDP = &status.UDP{
			Read: uint64(d.Read), Written: uint64(d.Written), Refused: uint64(d.Refused), Capped: uint64(d.Capped), Unsent: uint64(d.Unsent),
		}
	}
}

// turnLatency is the loops' measure of waiting, as a reading has it.
func turnLatency(l netio.Latency) *status.Latency {
	out := &status.Latency{Count: uint64(l.Count), SumNS: uint64(l.SumNS)}
	for _, b := range l.Buckets {
		out.Buckets = append(out.Buckets, status.Bucket{UpToNS: b.BoundNS, Count: uint64(b.Count)})
	}
	return out
}
