package memcache

import (
	"errors"

	"github.com/pandabeardb/panda/disk/tier"
	"github.com/pandabeardb/panda/slab"
	"github.com/pandabeardb/panda/wire"
)

// Compat says whose replies are given where memcached's own changed: in 1.6.40
// its text parser was rewritten.
type Compat uint8

const (
	Compat1645 Compat = iota // replies of memcached >= 1.6.40 (the default)
	Compat1618               // replies of memcached <= 1.6.39
)

// Version is what the version command and `stats` say.
func (c Compat) Version() string {
	if c == Compat1618 {
		return "1.6.18"
	}
	return "1.6.45"
}

// Protocol says which of memcached's protocols a connection speaks.
type Protocol uint8

const (
	ProtocolAuto   Protocol = iota // its first byte decides: 0x80 is binary (the default)
	ProtocolASCII                  // text, whatever comes
	ProtocolBinary                 // binary, whatever comes
)

// String is the protocol as `stats settings` names it.
func (p Protocol) String() string { return [...]string{"auto-negotiate", "ascii", "binary"}[p] }

// Config is everything a session must know, fixed at start.
type Config struct {
	Compat   Compat
	Protocol Protocol // -B, of connections whose listener says nothing else

	ItemSizeMax       int  // -I, bytes of a whole item on memcached's formula (see itemTotal); 0: 1 MiB
	RequestsPerTurn   int  // -R, the most requests of a turn; 0: not given, see turn.go
	CASDisabled       bool // -C
	FlushDisabled     bool // -F
	ShutdownEnabled   bool // -A
	RelaxedPrivileges bool // -o relaxed_privileges: the debug commands (debugtime)
	DumpDisabled      bool // -X
	WatchDisabled     bool // -W

	StatsPrefix byte // -D, the delimiter of `stats detail`; 0: ':'
	StatsDetail bool // -D was given: detail is on from the start
	Verbosity   int  // -v's given

	Settings Settings // what else `stats settings` prints
}

// Settings is what `stats settings` prints beside what Config and the session
// decide themselves (verbosity, oldest, shutdown_command, stat_key_prefix,
// detail_enabled, reqs_per_event, cas_enabled, item_size_max, flush_enabled,
// dump_enabled). One field per key, in memcached's order. Start from
// DefaultSettings and change what a flag changed.
type Settings struct {
	MaxBytes              int64   // maxbytes
	MaxConns              int     // maxconns
	TCPPort               int     // tcpport
	UDPPort               int     // udpport
	Inter                 string  // inter; "" prints NULL
	Evictions             bool    // evictions
	DomainSocket          string  // domain_socket; "" prints NULL
	Umask                 uint32  // umask, printed in octal
	GrowthFactor          float64 // growth_factor
	ChunkSize             int     // chunk_size
	NumThreads            int     // num_threads
	NumThreadsPerUDP      int     // num_threads_per_udp
	TCPBacklog            int     // tcp_backlog
	BindingProtocol       string  // binding_protocol: Protocol.String
	AuthEnabledSASL       bool    // auth_enabled_sasl
	AuthEnabledASCII      string  // auth_enabled_ascii: the file; "" prints no
	MaxConnsFast          bool    // maxconns_fast
	HashpowerInit         int     // hashpower_init
	SlabReassign          bool    // slab_reassign
	SlabAutomove          int     // slab_automove
	SlabAutomoveRatio     float64 // slab_automove_ratio
	SlabAutomoveWindow    int     // slab_automove_window; 0: the version's default
	SlabChunkMax          int     // slab_chunk_max
	LRUCrawler            bool    // lru_crawler
	LRUCrawlerSleepUS     int     // lru_crawler_sleep
	LRUCrawlerToCrawl     int     // lru_crawler_tocrawl
	TailRepairTime        int     // tail_repair_time
	HashAlgorithm         string  // hash_algorithm
	LRUMaintainerThread   bool    // lru_maintainer_thread
	LRUSegmented          bool    // lru_segmented
	HotLRUPct             int     // hot_lru_pct
	WarmLRUPct            int     // warm_lru_pct
	HotMaxFactor          float64 // hot_max_factor
	WarmMaxFactor         float64 // warm_max_factor
	TempLRU               bool    // temp_lru
	TemporaryTTL          int     // temporary_ttl
	IdleTimeoutSeconds    int     // idle_timeout
	WatcherLogbufSize     int     // watcher_logbuf_size
	WorkerLogbufSize      int     // worker_logbuf_size
	ReadBufMemLimit       int     // read_buf_mem_limit
	TrackSizes            bool    // track_sizes
	ExtItemSize           int     // ext_item_size
	ExtItemAge            uint32  // ext_item_age
	ExtLowTTL             int     // ext_low_ttl
	ExtRecacheRate        int     // ext_recache_rate
	ExtWbufSize           int     // ext_wbuf_size
	ExtCompactUnder       int     // ext_compact_under
	ExtDropUnder          int     // ext_drop_under
	ExtMaxSleep           int     // ext_max_sleep
	ExtMaxFrag            float64 // ext_max_frag
	SlabAutomoveFreeRatio float64 // slab_automove_freeratio
	ExtDropUnread         bool    // ext_drop_unread
	SSLEnabled            bool    // ssl_enabled
	SSLChainCert          string  // ssl_chain_cert; "" prints (null)
	SSLKey                string  // ssl_key; "" prints (null)
	SSLVerifyMode         int     // ssl_verify_mode, as OpenSSL numbers it
	SSLKeyFormat          int     // ssl_keyformat
	SSLCiphers            string  // ssl_ciphers; "" prints NULL
	SSLCACert             string  // ssl_ca_cert; "" prints NULL
	SSLWbufSize           int     // ssl_wbuf_size
	SSLSessionCache       bool    // ssl_session_cache
	SSLKernelTLS          bool    // ssl_kernel_tls
	SSLMinVersion         string  // ssl_min_version
	NumNAPIIDs            int     // num_napi_ids; 0 prints (null) or 0, as the version does
	MemoryFile            string  // memory_file; "" prints (null)
}

// DefaultSettings are memcached's, started without flags.
func DefaultSettings() Settings {
	return Settings{
		MaxBytes:              64 << 20,
		MaxConns:              1024,
		TCPPort:               11211,
		Evictions:             true,
		Umask:                 0o700,
		GrowthFactor:          1.25,
		ChunkSize:             48,
		NumThreads:            4,
		TCPBacklog:            1024,
		BindingProtocol:       "auto-negotiate",
		MaxConnsFast:          true,
		SlabReassign:          true,
		SlabAutomove:          1,
		SlabAutomoveRatio:     0.8,
		SlabChunkMax:          512 << 10,
		LRUCrawler:            true,
		LRUCrawlerSleepUS:     100,
		HashAlgorithm:         "murmur3",
		LRUMaintainerThread:   true,
		LRUSegmented:          true,
		HotLRUPct:             20,
		WarmLRUPct:            40,
		HotMaxFactor:          0.2,
		WarmMaxFactor:         2,
		TemporaryTTL:          61,
		WatcherLogbufSize:     256 << 10,
		WorkerLogbufSize:      64 << 10,
		ExtItemSize:           512,
		ExtItemAge:            1<<32 - 1,
		ExtRecacheRate:        2000,
		ExtWbufSize:           4 << 20,
		ExtMaxSleep:           1000000,
		ExtMaxFrag:            0.8,
		SlabAutomoveFreeRatio: 0.01,
		SSLKeyFormat:          1,
		SSLWbufSize:           16 << 10,
		SSLMinVersion:         "tlsv1.2",
	}
}

// Env is what lies around the sessions, given by the appliance.
type Env struct {
	Store *slab.Store
	Loops int

	// Transport is the layer below's counters; nil: all zero.
	Transport func() wire.Transport

	// Shutdown asks the process to stop: the shutdown command (-A). Called on a
	// loop, so it must not wait. nil: the command is refused.
	Shutdown func(graceful bool)

	// ClusterNodes is "host|ip|port host|ip|port ..." for `config get cluster`
	// and `get AmazonElastiCache:cluster`; nil: no node is named, and the
	// commands are unknown, as in memcached.
	ClusterNodes func() string

	// Listeners are the addresses that are listened on, with their descriptors,
	// for `stats conns`; nil: none is shown.
	Listeners func() []wire.Peer

	// Wake has a loop resume its parked sessions soon. Called on any loop, so it
	// must not wait. nil: watchers get their lines on ticks only.
	Wake func(loop int)

	// Token checks a name and a password of the text protocol (-Y); nil: nobody
	// is asked. Called on loops, by several at a time; it takes as long whatever
	// it is given.
	Token func(user, password []byte) bool

	// SASL is asked by the binary protocol (-S); nil: nobody is asked.
	SASL SASL

	// AuthFailed hears of a failed attempt; nil: nobody does. Called on a loop.
	AuthFailed func(peer *wire.Peer)

	// SetVerbosity hears of the verbosity command; nil: nobody does.
	SetVerbosity func(level int)

	// Certificates are TLS's; nil: there is no TLS.
	Certificates *Certificates

	// Durable is what keeps the store; nil: nothing does.
	Durable *Durability

	// SampleKeys asks for HotKeys. Config.DumpDisabled forbids them.
	SampleKeys bool

	// Tier holds values that memory has no room for; its Owner is TierOwner(Store). nil:
	// there is none.
	Tier *tier.Tier

	// Restored is what State of the server before a warm restart said.
	Restored []slab.Field

	StartedAtMS int64 // Unix time of the process's start, on the loops' clock (wire.Out.NowMS)
	PID         int
}

// Errors of New.
var (
	ErrNoStore = errors.New("memcache: Env.Store is nil")
	ErrNoLoops = errors.New("memcache: Env.Loops must be at least 1")
)
