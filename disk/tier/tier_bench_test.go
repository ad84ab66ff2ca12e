package tier

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
)

func benchTier(b *testing.B, readers int) *Tier {
	disk, err := dio.Folder(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	tier, err := Open(Config{
		Files:    []File{{FS: disk, Name: "tier", Size: 1 << 30}},
		PageSize: 8 << 20, BufferSize: 4 << 20, Readers: readers,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { tier.Close() })
	return tier
}

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{500, 4000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tier := benchTier(b, 1)
			key, value := []byte("a key of some length"), [][]byte{make([]byte, n)}
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				tier.AppendWait(Default, nil, key, value)
			}
		})
	}
}

// Reads of values that lie anywhere in 500 MB, so many on their way at a time.
func BenchmarkRead(b *testing.B) {
	for _, depth := range []int{1, 8, 32} {
		b.Run(fmt.Sprint(depth), func(b *testing.B) {
			tier := benchTier(b, 8)
			key, value := []byte("a key of some length"), [][]byte{make([]byte, 4000)}
			var refs []Ref
			for range 125_000 {
				ref, _ := tier.AppendWait(Default, nil, key, value)
				refs = append(refs, ref)
			}
			tier.settled()
			random := rand.New(rand.NewPCG(1, 1))
			free := make(chan *Read, depth)
			for range depth {
				free <- &Read{Size: RecordSize(0, len(key), 4000), Done: func(r *Read) { free <- r }}
			}
			b.ReportAllocs()
			for b.Loop() {
				r := <-free
				r.Release()
				r.Ref = refs[random.IntN(len(refs))]
				if tier.Read(r) {
					free <- r
				}
			}
			for range depth {
				(<-free).Release()
			}
		})
	}
}
