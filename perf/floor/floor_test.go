package floor_test

import (
	"errors"
	"runtime"
	"testing"

	"github.com/pandabeardb/panda/perf/floor"
	"github.com/pandabeardb/panda/perf/load"
	"github.com/pandabeardb/panda/perf/peer"
)

// The floor answers every request of a load, at any depth and however the
// reads cut them.
func TestFloorAnswers(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: the floor needs epoll")
	}
	program, err := floor.Build(t.TempDir())
	if errors.Is(err, floor.ErrNoCompiler) {
		t.Skip("SKIP: no C compiler (cc) on this machine")
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{100, floor.ValueMax} {
		s, err := peer.Start(peer.Spec{Kind: peer.Floor, Binary: program, ValueSize: size})
		if err != nil {
			t.Fatal(err)
		}
		for _, share := range []float64{0, 1, 0.5} {
			for _, depth := range []int{1, 7, 64} {
				r, err := load.Run(t.Context(), load.Config{
					Network: s.Network, Address: s.Address, Connections: 3, Depth: depth,
					SetShare: share, KeyCount: 100, ValueSize: size, Requests: 1000, AnyKey: true,
				})
				if err != nil || r.Requests != 1000 || r.Hits+r.Stores != 1000 {
					t.Errorf("size %d, share %g, depth %d: %+v, %v", size, share, depth, r, err)
				}
			}
		}
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}
}
