package diotest

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
)

// A Tear says what a crash keeps of what was not synced.
type Tear struct {
	Name   string
	Sector int64 // what a disk writes whole: 512, 4096 or 16384 bytes
	// Keep says whether a sector of a pending write is kept: write counts the pending
	// changes of all files, sector those within the write.
	Keep func(write, sector, sectors int) bool
	// Sizes keeps changes of a file's size, also where a write's bytes are lost.
	Sizes bool
	// Names is the share of pending changes of names that is kept, from 0 to 1.
	Names float64
}

// Tears lists kinds of tears: all that is pending lost, or kept; for each size of
// sector the first half of each write, the second, every other sector, and a random
// choice of the seed's.
func Tears(seed uint64) []Tear {
	all := func(int, int, int) bool { return true }
	none := func(int, int, int) bool { return false }
	tears := []Tear{
		{Name: "lost", Sector: 512, Keep: none},
		{Name: "lost, sizes kept", Sector: 512, Keep: none, Sizes: true, Names: 1},
		{Name: "kept", Sector: 512, Keep: all, Sizes: true, Names: 1},
		{Name: "kept, names lost", Sector: 512, Keep: all, Sizes: true},
	}
	for _, sector := range []int64{512, 4096, 16384} {
		random := rand.New(rand.NewPCG(seed, uint64(sector)))
		named := func(name string) string { return fmt.Sprintf("%s of %d", name, sector) }
		tears = append(tears,
			Tear{named("first half"), sector, func(_, s, n int) bool { return s < (n+1)/2 }, true, 1},
			Tear{named("second half"), sector, func(_, s, n int) bool { return s >= n/2 }, true, 1},
			Tear{named("every other"), sector, func(w, s, _ int) bool { return (w+s)%2 == 0 }, false, 0.5},
			Tear{named("some"), sector, func(int, int, int) bool { return random.IntN(2) == 0 }, random.IntN(2) == 0, random.Float64()},
		)
	}
	return tears
}

// Crash is the file system that is found after the machine has lost its power now.
// m itself goes on.
func (m *FS) Crash(t Tear) *FS {
	m.lock.Lock()
	defer m.lock.Unlock()
	names := maps.Clone(m.durable)
	for _, r := range m.pending[:int(t.Names*float64(len(m.pending)))] {
		r.apply(names)
	}
	after := New()
	after.space = m.space
	writes := 0
	for _, name := range slices.Sorted(maps.Keys(names)) { // a folder before what is in it
		if after.names[path.Dir(name)] == nil || name == "." {
			continue // in a folder that is lost
		}
		n := names[name]
		data := bytes.Clone(n.durable)
		for _, c := range n.pending {
			data = t.apply(data, c, writes)
			writes++
		}
		after.names[name] = &node{folder: n.folder, data: data, durable: bytes.Clone(data)}
	}
	after.durable = maps.Clone(after.names)
	return after
}

// apply is data with what is kept of c.
func (t Tear) apply(data []byte, c change, write int) []byte {
	if c.bytes == nil {
		if t.Sizes {
			return c.apply(data)
		}
		return data
	}
	end := c.offset + int64(len(c.bytes))
	first := c.offset / t.Sector
	sectors := int((end-1)/t.Sector - first + 1)
	if t.Sizes {
		data = resize(data, max(int64(len(data)), end))
	}
	for i := range sectors {
		if !t.Keep(write, i, sectors) {
			continue
		}
		from := max((first+int64(i))*t.Sector, c.offset)
		to := min((first+int64(i)+1)*t.Sector, end)
		data = change{offset: from, bytes: c.bytes[from-c.offset : to-c.offset]}.apply(data)
	}
	return data
}
