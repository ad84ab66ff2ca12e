package appliance

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// profileServer serves Go profiles at a loopback address. It owns the goroutine
// that serves, which ends with Close.
type profileServer struct{ http.Server }

// profileHeaderTimeout bounds a client that connects and says nothing.
const profileHeaderTimeout = 5 * time.Second

func startProfiles(address string, log *slog.Logger) (*profileServer, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	s := &profileServer{http.Server{Handler: mux, ReadHeaderTimeout: profileHeaderTimeout}}
	go func() {
		if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("profiles", "error", err)
		}
	}()
	log.Info("profiles", "address", listener.Addr().String())
	return s, nil
}
