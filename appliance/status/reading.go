package status

// Format is the version of the JSON of a Reading and of a Report: fields may be
// added in it, but none changes its meaning or goes.
const Format = 1

// Reading is a server at one moment: totals since its start, or since its last
// `stats reset`, and what is current. As JSON it is what /status answers;
// docs/status.md says what the fields mean. What a server does not tell is
// missing (pointers and lists) or zero.
type Reading struct {
	Format      int         `json:"format"`
	TimeMS      int64       `json:"time_ms"`
	Server      Server      `json:"server"`
	Commands    Commands    `json:"commands"`
	Connections Connections `json:"connections"`
	Network     Network     `json:"network"`
	Items       Items       `json:"items"`
	Memory      Memory      `json:"memory"`
	CPUSeconds  float64     `json:"cpu_seconds"`
	Auth        *Auth       `json:"auth,omitempty"`
	TLS         *TLS        `json:"tls,omitempty"`
	UDP         *UDP        `json:"udp,omitempty"`
	Classes     []Class     `json:"classes"`

	// Of panda only, by its operator's port.
	Runs    []Run    `json:"runs,omitempty"`
	Loops   []Loop   `json:"loops,omitempty"`
	Latency *Latency `json:"latency,omitempty"`
	HotKeys *HotKeys `json:"hot_keys,omitempty"`
	Persist *Persist `json:"persist,omitempty"`
}

// Server says who answers.
type Server struct {
	Name          string `json:"name"`    // "panda", "memcached"; "" when it does not say
	Version       string `json:"version"` // of panda
	Memcached     string `json:"memcached"`
	PID           int64  `json:"pid"`
	UptimeSeconds int64  `json:"uptime_seconds"`
	Threads       int64  `json:"threads"` // loops, of panda
}

// Outcome counts a command's requests by what they found.
type Outcome struct {
	Hits   uint64 `json:"hits"`
	Misses uint64 `json:"misses"`
}

func (o Outcome) total() uint64 { return o.Hits + o.Misses }

// Commands counts requests, a get of several keys once for each.
type Commands struct {
	Get    Outcome `json:"get"`
	Set    uint64  `json:"set"` // all that store, cas included
	Delete Outcome `json:"delete"`
	Incr   Outcome `json:"incr"`
	Decr   Outcome `json:"decr"`
	Touch  Outcome `json:"touch"`
	CAS    CAS     `json:"cas"`
	Flush  uint64  `json:"flush"`
	Meta   uint64  `json:"meta"` // me
}

// CAS counts stores that were to happen only if nothing had changed.
type CAS struct {
	Hits   uint64 `json:"hits"`
	Misses uint64 `json:"misses"`
	BadVal uint64 `json:"badval"`
}

// other is what is neither a get, a set, nor a delete.
func (c *Commands) other() uint64 {
	return c.Incr.total() + c.Decr.total() + c.Touch.total() + c.Flush + c.Meta
}

// Connections of clients.
type Connections struct {
	Current        int64  `json:"current"`
	Limit          int64  `json:"limit"`
	Total          uint64 `json:"total"`
	Rejected       uint64 `json:"rejected"`        // over the limit
	IdleKicks      uint64 `json:"idle_kicks"`      // closed for having been silent
	Yields         uint64 `json:"yields"`          // turns that ended before the requests did
	ListenDisabled uint64 `json:"listen_disabled"` // times that the limit stopped accepting
}

// Network is bytes from and to clients.
type Network struct {
	BytesRead    uint64 `json:"bytes_read"`
	BytesWritten uint64 `json:"bytes_written"`
}

// Items are what is stored, and what became of it.
type Items struct {
	Current          int64  `json:"current"`
	Total            uint64 `json:"total"` // ever stored
	Evicted          uint64 `json:"evicted"`
	EvictedUnfetched uint64 `json:"evicted_unfetched"` // of these, those that nobody had read
	Expired          uint64 `json:"expired"`           // expired ones that were found
	ExpiredUnfetched uint64 `json:"expired_unfetched"`
	TooLarge         uint64 `json:"too_large"` // stores refused
	NoMemory         uint64 `json:"no_memory"` // stores refused
}

// Memory of items, in bytes.
type Memory struct {
	Limit int64 `json:"limit"`
	Used  int64 `json:"used"`  // of it, index included
	Items int64 `json:"items"` // headers, keys and values of what is stored
	Index int64 `json:"index"`
}

// overhead is what is neither items nor free: index, rounding, free chunks.
func (m *Memory) overhead() int64 { return max(0, m.Used-m.Items) }

// Auth counts what clients did to say who they are.
type Auth struct {
	Commands uint64 `json:"commands"`
	Errors   uint64 `json:"errors"`
}

// TLS counts what became of connections that it protects.
type TLS struct {
	HandshakeErrors uint64 `json:"handshake_errors"`
	RecordErrors    uint64 `json:"record_errors"` // connections that a bad record ended
	NewSessions     uint64 `json:"new_sessions"`  // handshakes that resumed none
}

// UDP counts datagrams.
type UDP struct {
	Read    uint64 `json:"read"`
	Written uint64 `json:"written"`
	Refused uint64 `json:"refused"` // from who may not ask
	Capped  uint64 `json:"capped"`  // requests whose source had its share
	Unsent  uint64 `json:"unsent"`  // of replies, which the system did not take
}

func (a *Auth) errors() uint64 {
	if a == nil {
		return 0
	}
	return a.Errors
}

func (t *TLS) errors() uint64 {
	if t == nil {
		return 0
	}
	return t.HandshakeErrors + t.RecordErrors
}

func (u *UDP) dropped() uint64 {
	if u == nil {
		return 0
	}
	return u.Refused + u.Capped + u.Unsent
}

// Class is items of about one size: a slab class of memcached. Bytes are what
// memcached would count for them.
type Class struct {
	Class       int    `json:"class"`
	ChunkBytes  int64  `json:"chunk_bytes"`
	Items       int64  `json:"items"`
	Hot         int64  `json:"hot"`
	Warm        int64  `json:"warm"`
	Cold        int64  `json:"cold"`
	Bytes       int64  `json:"bytes"`
	ChunksBytes int64  `json:"chunks_bytes"` // of the chunks that they take, or would in memcached
	Gets        uint64 `json:"get_hits"`
	Sets        uint64 `json:"sets"`
	Evicted     uint64 `json:"evicted"`
	NoMemory    uint64 `json:"no_memory"`
	AgeSeconds  int64  `json:"age_seconds"` // of the one that was not used for longest
}

// Run is memory that is cut into chunks of one size, by the queue of eviction
// that it stands in; free chunks are included.
type Run struct {
	ChunkBytes int64 `json:"chunk_bytes"`
	Small      int64 `json:"small_bytes"` // came lately
	Main       int64 `json:"main_bytes"`  // was read again
	Fixed      int64 `json:"fixed_bytes"` // is not evicted
}

// Loop is one loop's part.
type Loop struct {
	Connections  int64  `json:"connections"`
	BytesRead    uint64 `json:"bytes_read"`
	BytesWritten uint64 `json:"bytes_written"`
	Gets         uint64 `json:"gets"`
	Sets         uint64 `json:"sets"`
}

// Latency is how long connections waited for their replies, in the loops' own
// measure: one batch of events in 64.
type Latency struct {
	Count   uint64   `json:"count"`
	SumNS   uint64   `json:"sum_ns"`
	Buckets []Bucket `json:"buckets"` // rising; each counts what none before it does
}

// Bucket is a class of times.
type Bucket struct {
	UpToNS int64  `json:"up_to_ns,omitempty"` // none: the last, which has no bound
	Count  uint64 `json:"count"`
}

// HotKeys are the keys that most requests name, by samples.
type HotKeys struct {
	Samples uint64   `json:"samples"`
	Keys    []HotKey `json:"keys"`
}

// HotKey is a key, in which bytes that are not printable ASCII, and backslashes,
// are written \xNN; and its part of the samples, at least.
type HotKey struct {
	Key   string  `json:"key"`
	Share float64 `json:"share"`
}
