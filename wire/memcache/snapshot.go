package memcache

import (
	"bytes"

	"github.com/pandabeardb/panda/wire"
	"github.com/pandabeardb/panda/wire/memcache/ascii"
)

// Stat is one row of a statistics command.
type Stat struct{ Name, Value string }

// Snapshot is what the statistics commands say, for those who do not ask by a
// connection. There is no other source of it than the commands themselves.
type Snapshot struct {
	General  []Stat // stats
	Items    []Stat // stats items; the names are items:CLASS:NAME
	Slabs    []Stat // stats slabs; CLASS:NAME, and totals without a class
	Settings []Stat // stats settings
}

// snapshotSteps bounds the steps of one command: a list of all slab classes is a
// few.
const snapshotSteps = 1 << 12

// Snapshot may be called on any goroutine, as often as wanted: it takes the
// shards' locks one by one, as the commands do, and never a loop's turn.
func (s *Server) Snapshot(nowMS int64) Snapshot {
	return Snapshot{
		General:  s.statRows("stats", nowMS),
		Items:    s.statRows("stats items", nowMS),
		Slabs:    s.statRows("stats slabs", nowMS),
		Settings: s.statRows("stats settings", nowMS),
	}
}

// statRows runs a statistics command on a worker of its own, which has no way
// into the store but the server's.
func (s *Server) statRows(command string, nowMS int64) []Stat {
	w := newWorker(s, nil)
	session := &session{worker: w}
	out := &wire.Out{NowMS: nowMS}
	w.out, w.now = out, s.now(nowMS)
	in := []byte(command + "\r\n")
	for range snapshotSteps {
		w.work, w.requests, w.start = turnWork, 1, out.Len()
		n, p := session.step(in)
		if in = in[n:]; p == finished || p == starved || p == closing || len(in) == 0 {
			break
		}
	}
	return parseRows(out.Buf)
}

// parseRows reads STAT lines. Anything else, as the error of a command that is
// not there, is no row.
func parseRows(text []byte) (rows []Stat) {
	for len(text) > 0 {
		line, n := ascii.Line(text)
		if n == 0 {
			return rows
		}
		text = text[n:]
		rest, ok := bytes.CutPrefix(line, []byte("STAT "))
		if name, v, cut := bytes.Cut(rest, []byte(" ")); ok && cut {
			rows = append(rows, Stat{string(name), string(v)})
		}
	}
	return rows
}
