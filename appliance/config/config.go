package config

import (
	"log/slog"
	"net/netip"
	"os"
	"time"

	"github.com/pandabeardb/panda/wire/memcache"
)

// Defaults and limits, memcached's where it has one.
const (
	defaultPort    = 11211
	defaultThreads = 4         // of memcached; ours without -t: one loop per processor
	itemSizeMin    = 1 << 10   // -I
	itemSizeMax    = 1 << 30   // -I
	itemSizePlain  = 1 << 20   // -I not given
	slabPage       = 1 << 20   // memcached's slab page, which slab_chunk_max must divide
	portMax        = 65535     //
	threadsWarned  = 64        // -t above it is warned of
	slabClassesMax = 63        // of -o slab_sizes
	slabClassStep  = 8         // bytes that one of slab_sizes has to be above the one before
	reservedFDs    = 5         // per thread, kept back from -c
	chunkMax       = 512 << 10 // slab_chunk_max not given
)

// Config is what the node is told, once, at its start.
type Config struct {
	Memcache memcache.Config // and, in its Settings, what `stats settings` prints

	Listeners []Listener    // TCP; empty when Unix is set, or with -p 0
	UDP       []Listener    // -U; empty: off
	Unix      *UnixSocket   // -s
	BindAll   bool          // an address that is taken is an error, though others are free
	Backlog   int           // -b
	Loops     int           // -t; 0: one per core
	Clients   int           // connections served at once, see clientLimit
	IdleAfter time.Duration // -o idle_timeout; 0: never

	TLS        *TLS           // -Z; nil: none
	SASL       bool           // -S
	AuthFile   string         // -Y; "": none
	UDPClients []netip.Prefix // who may use UDP besides this host

	User       string // -u
	NeedsUser  bool   // memcached's rule: root must say -u
	Daemon     bool   // -d
	MemoryFile string // -e; "": none
	Persist    Persist
	Flash      Flash  // -o ext_path
	PIDFile    string // -P
	LockMemory bool   // -k
	CoreDumps  bool   // -r
	Admin      string // -o panda_admin, admin.address: a loopback address for metrics, health and profiles; "": none

	AsMemcached bool       // called as memcached: its habits on stderr
	LogLevel    slog.Level // what is logged
	LogFormat   string     // json, text, or auto: text for a terminal
	File        string     // the config file that was read
	Version     string     // of panda, for logs and metrics

	Warnings []string // for the log, in order
}

// Listener is one TCP address.
type Listener struct {
	Host     string // name or number; "": all addresses
	Port     int    // 0: any free one
	Security Security
	Protocol memcache.Protocol
}

// Security is how a listener's connections are protected.
type Security uint8

const (
	PlainText Security = iota
	ServerTLS          // btls: clients need no certificate
	MutualTLS          // mtls: clients need one
	PolicyTLS          // TLS as ssl_verify_mode says
)

// TLS is what -Z needs to know, by the names of -o.
type TLS struct {
	ChainCert, Key, CACert string // files
	Ciphers                string // OpenSSL's names, with colons between; "": the default
	VerifyMode             int    // 0 no client certificate is asked for, 1 one is checked if it comes, 2 one must come, 3 likewise
	KeyFormat              int    // 1 PEM, 2 DER (ASN.1)
	MinVersion             int    // 0 TLS 1.0, 1 1.1, 2 1.2, 3 1.3
	SessionCache           bool

	Early map[string][]byte // what files held before the process became another user
}

// NeedsCertificate reports whether clients of a listener that is protected like
// this must have a certificate.
func (t *TLS) NeedsCertificate(s Security) bool {
	return t != nil && (s == MutualTLS || s == PolicyTLS && t.VerifyMode >= 2)
}

// UnixSocket is where -s listens instead of TCP.
type UnixSocket struct {
	Path string
	Mode os.FileMode // -a
}

// Authenticated reports whether clients must say who they are.
func (c *Config) Authenticated() bool { return c.SASL || c.AuthFile != "" }

// loopback: a name may lead anywhere, even one that begins with 127.
func (l Listener) loopback() bool {
	ip, err := netip.ParseAddr(l.Host)
	return l.Host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// parser holds what flags say until all of them are read.
type parser struct {
	program string // argv[0], for getopt's own messages
	c       Config

	version        string // what -V and --compat say
	port           int
	portGiven      bool
	udpPort        int
	udpGiven       bool
	udpClients     string // -o panda_udp_clients
	persistOption  string // the last of -o panda_persist, panda_fsync, panda_data; "": none
	tls            TLS
	tlsOn          bool   // -Z
	interfaces     string // -l, joined by commas
	unixPath       string
	unixMode       int
	threads        int
	chunkGiven     bool   // slab_chunk_max
	chunkMax       int    // slab_chunk_max as given: bytes or kilobytes, as --compat says
	slabSizes      string // -o slab_sizes
	slabSizesGiven bool
	protocolGiven  bool
	relaxed        bool // -o relaxed_privileges
	lruOff         bool // no_lru_maintainer
	crawlerOff     bool // no_lru_crawler
}

// Memcached reads memcached's command line. program is its first word, args the
// rest. The Exit is nil when the node is to be started.
func Memcached(program string, args []string) (Config, *Exit) {
	p := newParser(program)
	p.c.NeedsUser, p.c.AsMemcached = true, true
	p.persistDefaults()
	if exit := p.parseFlags(args); exit != nil {
		if exit == exitHelp {
			exit = &Exit{Stdout: help(p.version)}
		}
		return Config{}, exit
	}
	if exit := p.finish(); exit != nil {
		return Config{}, exit
	}
	p.c.LogFormat, p.c.LogLevel = "text", LogLevel(p.c.Memcache.Verbosity)
	return p.c, nil
}

// LogLevel is what a number of -v's shows: problems, then the node's own
// events, then everything.
func LogLevel(verbosity int) slog.Level {
	switch {
	case verbosity <= 0:
		return slog.LevelWarn
	case verbosity == 1:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// newParser starts from memcached's defaults.
func newParser(program string) *parser {
	p := &parser{
		program:  program,
		version:  memcache.Compat1645.Version(),
		port:     defaultPort,
		unixMode: 0o700,
		threads:  defaultThreads,
		tls:      TLS{KeyFormat: 1, MinVersion: 2},
	}
	p.c.Memcache.ItemSizeMax = itemSizePlain
	p.c.Memcache.Settings = memcache.DefaultSettings()
	p.c.Backlog = p.c.Memcache.Settings.TCPBacklog
	p.c.Flash.PageBytes, p.c.Flash.WriteBytes = flashPageMB<<20, flashWriteMB<<20
	return p
}
