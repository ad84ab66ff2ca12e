package memcache

import "github.com/pandabeardb/panda/wire"

type session struct {
	server *Server
	loop   int
	peer   wire.Peer
}

func (s *session) Feed(in []byte, out *wire.Out) (int, wire.Next) {
	out.Buf = append(out.Buf, "SERVER_ERROR not built yet\r\n"...)
	return len(in), wire.Close
}
func (s *session) Body() []byte                    { return nil }
func (s *session) Filled(int, *wire.Out) wire.Next { return wire.Close }
func (s *session) Close()                          {}
