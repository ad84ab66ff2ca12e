package admin

import (
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/pandabeardb/panda/appliance/status"
)

const (
	connectionsMax = 32               // scrapers, people, a profile or two; each is two goroutines
	headerMax      = 16 << 10         // no cookie and no token is expected
	headerTimeout  = 5 * time.Second  // of a client that connects and says nothing
	readTimeout    = 10 * time.Second // of a body, which nothing here wants
	writeTimeout   = 2 * time.Minute  // the longest profile
	idleTimeout    = 2 * time.Minute  // a scraper comes every minute at the latest
	scrapesMax     = 2                // at once: a pair of Prometheus
	readingsMax    = 2                // at once, of /status; further ones wait
	scrapeTimeout  = 10 * time.Second // Prometheus's own default
)

// Errors of Listen and of handlers.
var (
	ErrNotLoopback = errors.New("admin: not a loopback address")
	errDetached    = errors.New("the node stops")
)

// Server is the operator's port.
type Server struct {
	source   Source
	log      *slog.Logger
	listener net.Listener
	http     http.Server
	serving  sync.WaitGroup
	readings chan struct{} // as many as are being made

	gate     sync.RWMutex // held to ask the source, which Detach ends
	detached bool
}

// Listen binds a loopback address, host:port. Start makes it answer.
func Listen(address string, source Source, logger *slog.Logger) (*Server, error) {
	return ListenBy(net.Listen, address, source, logger)
}

// ListenBy is Listen with a way of its own to bind: the address may be bound already.
func ListenBy(bind func(network, address string) (net.Listener, error), address string, source Source, logger *slog.Logger) (*Server, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	if !loopback(host) {
		return nil, fmt.Errorf("%w: %s", ErrNotLoopback, address)
	}
	if host == "localhost" {
		host = "127.0.0.1" // whatever this host's files say of it
	}
	listener, err := bind("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	s := &Server{source: source, log: logger, listener: newLimited(listener, connectionsMax), readings: make(chan struct{}, readingsMax)}
	s.http = http.Server{
		Handler:           s.guard(s.routes()),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerMax,
		ErrorLog:          log.New(io.Discard, "", 0), // a client's mistakes are not the node's problems
	}
	return s, nil
}

// Addr is the address that was bound.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Start answers, until Close.
func (s *Server) Start() {
	s.serving.Go(func() {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the admin port ended", "error", err)
		}
	})
}

// Detach says that the node stops: /healthz and /metrics answer 503 from now on.
// When it returns, nobody asks the source any more.
func (s *Server) Detach() {
	s.gate.Lock()
	s.detached = true
	s.gate.Unlock()
}

// Close ends the port, and what runs on it.
func (s *Server) Close() error {
	s.Detach()
	err := s.http.Close()
	s.serving.Wait()
	return errors.Join(err, closed(s.listener.Close())) // Serve may never have begun
}

// closed forgives closing twice.
func closed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", index)
	mux.HandleFunc("/healthz", s.health)
	mux.Handle("/metrics", s.whileAttached(promhttp.HandlerFor(s.registry(), promhttp.HandlerOpts{
		ErrorHandling:       promhttp.HTTPErrorOnError,
		MaxRequestsInFlight: scrapesMax,
		Timeout:             scrapeTimeout,
		DisableCompression:  true, // it never leaves the host
	})))
	mux.HandleFunc("/status", s.status)
	mux.HandleFunc(status.SnapshotPath, s.snapshot)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	return mux
}

// guard refuses what no scraper and no person sends: changes, and requests that
// a web page makes a browser send here under another name (DNS rebinding).
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		switch {
		case host != "" && !loopback(host): // HTTP/1.0 of a health check may name none; a browser always does
			http.Error(w, "this port answers to localhost only", http.StatusForbidden)
		default:
			w.Header().Set("X-Content-Type-Options", "nosniff")
			allow, err := allowed(r)
			if err == nil {
				next.ServeHTTP(w, r)
				return
			}
			code := http.StatusForbidden
			if allow != "" {
				w.Header().Set("Allow", allow)
				code = http.StatusMethodNotAllowed
			}
			http.Error(w, err.Error(), code)
		}
	})
}

// loopback: a name may lead anywhere, even one that begins with 127.
func loopback(host string) bool {
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// whileAttached answers 503 once the node stops. A scrape that comes just before
// is stopped by the collector.
func (s *Server) whileAttached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.ask(func() {}); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ask runs f, which asks the source, unless the node stops.
func (s *Server) ask(f func()) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.detached {
		return errDetached
	}
	f()
	return nil
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	var unwell error
	if err := s.ask(func() { unwell = s.source.Health() }); err != nil {
		unwell = err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if unwell != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, unwell)
		return
	}
	fmt.Fprintln(w, "ok")
}

const indexPage = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>panda</title></head><body>
<h1>Panda Bear Database</h1>
<ul>
<li><a href="/metrics">/metrics</a>: for Prometheus, by the names of memcached_exporter</li>
<li><a href="/status">/status</a>: the same and more as JSON, for <code>panda status</code></li>
<li>/snapshot: for <code>panda snapshot</code>, which has one taken</li>
<li><a href="/healthz">/healthz</a>: 200 while clients are served</li>
<li><a href="/debug/pprof/">/debug/pprof/</a>: profiles of the process</li>
</ul>
</body></html>
`

func index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, indexPage)
}
