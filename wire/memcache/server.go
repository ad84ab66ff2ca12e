package memcache

import "github.com/pandabeardb/panda/wire"

// Server makes sessions that share one store, one configuration and one set of
// statistics.
type Server struct {
	config Config
	env    Env
}

// New returns a Server. It starts nothing.
func New(config Config, env Env) (*Server, error) {
	switch {
	case env.Store == nil:
		return nil, ErrNoStore
	case env.Loops < 1:
		return nil, ErrNoLoops
	}
	return &Server{config: config, env: env}, nil
}

// Open makes the session of a new connection of a loop.
func (s *Server) Open(loop int, peer wire.Peer) wire.Session {
	return &session{server: s, loop: loop, peer: peer}
}

// Tick does a loop's periodic work: a delayed flush_all, the store's small
// steps. Call it on the loop's goroutine, at least once a second.
func (s *Server) Tick(loop int, nowMS int64) {
	s.env.Store.Handle(loop).Tick(nowMS)
}
