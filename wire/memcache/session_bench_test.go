package memcache

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pandabeardb/panda/wire"
)

// Benchmarks drive Feed with pipelines of 16 requests over 16,384 keys of 20
// bytes and values of 100; one operation is one request.
const (
	benchKeys  = 1 << 14
	benchDepth = 16
)

func benchKey(i int) string { return fmt.Sprintf("key:%016d", i*2654435761%benchKeys) }

// pipelines returns batches of requests, one for each depth keys.
func pipelines(request func(key string) string) (batches [][]byte) {
	var b strings.Builder
	for i := range benchKeys {
		b.WriteString(request(benchKey(i)))
		if i%benchDepth == benchDepth-1 {
			batches = append(batches, []byte(b.String()))
			b.Reset()
		}
	}
	return batches
}

func benchFill(b *testing.B, s wire.Session) {
	out := &wire.Out{NowMS: startMS}
	for _, batch := range pipelines(func(key string) string {
		return "set " + key + " 0 0 100\r\n" + strings.Repeat("v", 100) + "\r\n"
	}) {
		feedAll(b, s, batch, out)
	}
}

// feedAll feeds a batch as netio would, and throws the replies away.
func feedAll(b testing.TB, s wire.Session, batch []byte, out *wire.Out) {
	for len(batch) > 0 {
		n, next := s.Feed(batch, out)
		out.Advance(out.Len())
		batch = batch[n:]
		if next == wire.Close || n == 0 && next == wire.More {
			b.Errorf("next %d with %d bytes left", next, len(batch))
			return
		}
	}
}

func benchmark(b *testing.B, request func(key string) string) { benchmarkWatched(b, "", request) }

// benchmarkWatched has a watcher of streams, unless that is "". It takes its
// lines as often as netio would have it.
func benchmarkWatched(b *testing.B, streams string, request func(key string) string) {
	r := newRig(b, Config{})
	s := r.server.Open(0, wire.Peer{})
	benchFill(b, s)
	batches := pipelines(request)
	out, lines := &wire.Out{NowMS: startMS}, &wire.Out{NowMS: startMS}
	watcher := r.server.Open(0, wire.Peer{FD: 1})
	if streams != "" {
		watcher.Feed([]byte("watch "+streams+"\r\n"), lines)
	}
	r.server.env.Wake = func(int) {
		watcher.(wire.Parked).Resume(lines)
		lines.Advance(lines.Len())
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += benchDepth {
		feedAll(b, s, batches[i/benchDepth%len(batches)], out)
	}
}

func BenchmarkGet(b *testing.B) {
	benchmark(b, func(key string) string { return "get " + key + "\r\n" })
}

func BenchmarkGetMiss(b *testing.B) {
	benchmark(b, func(key string) string { return "get x" + key + "\r\n" })
}

func BenchmarkGetWatched(b *testing.B) {
	benchmarkWatched(b, "fetchers", func(key string) string { return "get " + key + "\r\n" })
}

func BenchmarkSetWatched(b *testing.B) {
	v := strings.Repeat("w", 100) + "\r\n"
	benchmarkWatched(b, "mutations", func(key string) string { return "set " + key + " 0 0 100\r\n" + v })
}

func BenchmarkSet(b *testing.B) {
	v := strings.Repeat("w", 100) + "\r\n"
	benchmark(b, func(key string) string { return "set " + key + " 0 0 100\r\n" + v })
}

func BenchmarkMetaGet(b *testing.B) {
	benchmark(b, func(key string) string { return "mg " + key + " v\r\n" })
}

func BenchmarkMetaSet(b *testing.B) {
	v := strings.Repeat("w", 100) + "\r\n"
	benchmark(b, func(key string) string { return "ms " + key + " 100\r\n" + v })
}

func BenchmarkMultiget16(b *testing.B) {
	n := 0
	benchmark(b, func(key string) string {
		n++
		switch n % benchDepth {
		case 1:
			return "get " + key
		case 0:
			return " " + key + "\r\n"
		}
		return " " + key
	})
}

func BenchmarkTouch(b *testing.B) {
	benchmark(b, func(key string) string { return "touch " + key + " 0\r\n" })
}

// BenchmarkFeedOne is a turn of a single get: what a turn costs beside its work.
func BenchmarkFeedOne(b *testing.B) {
	r := newRig(b, Config{})
	s := r.server.Open(0, wire.Peer{})
	benchFill(b, s)
	in := []byte("get " + benchKey(3) + "\r\n")
	out := &wire.Out{NowMS: startMS}
	b.ReportAllocs()
	for b.Loop() {
		feedAll(b, s, in, out)
	}
}
