package dio_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pandabeardb/panda/disk/dio"
)

// TestBell: whoever asks and rings is heard, by a Wait or because nobody waits.
func TestBell(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("Linux's")
	}
	const (
		limit   = 2 * time.Millisecond
		ringers = 3
		each    = 2000
	)
	var b dio.Bell
	b.Open()
	defer b.Close()
	var asked atomic.Bool
	var heard, unheard atomic.Int64
	told := make(chan struct{}, 1) // what the keyspace's writer selects on
	next := make(chan struct{}, ringers)
	var all sync.WaitGroup
	for range ringers {
		all.Go(func() {
			for range each {
				if !asked.Swap(true) && !b.Ring() {
					unheard.Add(1)
					select {
					case told <- struct{}{}:
					default:
					}
				}
				<-next // an answer, to this question or another one's
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	answer := func() {
		asked.Store(false)
		for range ringers {
			select {
			case next <- struct{}{}:
			default:
			}
		}
	}
	for {
		for b.Wait(&asked, limit) {
			heard.Add(1)
			answer()
		}
		select {
		case <-told:
			answer()
		case <-done:
			if heard.Load() == 0 {
				t.Errorf("never heard; %d were told", unheard.Load())
			}
			return
		case <-time.After(20 * time.Second): // a ring was lost
			t.Fatalf("nobody asks any more: %d heard, %d told", heard.Load(), unheard.Load())
		}
	}
}

// TestBellWithoutAsking: nobody asks, or there is no bell.
func TestBellWithoutAsking(t *testing.T) {
	var b dio.Bell
	var asked atomic.Bool
	asked.Store(true)
	if b.Ring() || b.Wait(&asked, time.Hour) {
		t.Error("rang without a bell")
	}
	b.Open()
	defer b.Close()
	asked.Store(false)
	if b.Wait(&asked, time.Millisecond) {
		t.Error("nobody had asked")
	}
	if b.Ring() {
		t.Error("rang, and nobody waited")
	}
}
