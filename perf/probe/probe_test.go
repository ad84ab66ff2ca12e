package probe

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"
)

// serve answers each line with a text until its peer ends. The nth one (from 0) it
// says it reached, and answers when it is let.
func serve(t *testing.T, reply string, nth int, reached chan<- struct{}, let <-chan struct{}, asked chan<- int) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		for i := 0; ; i++ {
			if _, err := in.ReadString('\n'); err != nil {
				return
			}
			if i == nth {
				close(reached)
				<-let
			}
			if _, err := io.WriteString(conn, reply); err != nil {
				return
			}
			select {
			case asked <- i:
			default:
			}
		}
	}()
	return l.Addr()
}

func TestProbe(t *testing.T) {
	reached, let, asked := make(chan struct{}), make(chan struct{}), make(chan int)
	addr := serve(t, "END\r\n", 3, reached, let, asked)
	p, err := Start("tcp", addr.String(), time.Now(), time.Millisecond, "get k\r\n", "END\r\n")
	if err != nil {
		t.Fatal(err)
	}
	const hold = 30 * time.Millisecond
	<-reached
	<-time.After(hold) // the server's delay, which the probe is to see
	close(let)
	for i := range asked {
		if i >= 6 {
			break
		}
	}
	samples, err := p.Stop()
	if err != nil || len(samples) < 6 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	if s := samples[3]; s.Took < hold/2 {
		t.Errorf("the delayed reply took %v", s.Took)
	}
	for i := range samples[1:] {
		if samples[i+1].At < samples[i].At+samples[i].Took {
			t.Errorf("request %d was sent before the reply to %d", i+1, i)
		}
	}
}

func TestProbeSeesWrongReplies(t *testing.T) {
	addr := serve(t, "EMD\r\n", -1, nil, nil, nil)
	p, err := Start("tcp", addr.String(), time.Now(), time.Millisecond, "get k\r\n", "END\r\n")
	if err != nil {
		t.Fatal(err)
	}
	err = <-p.done
	p.done <- err
	if _, stopped := p.Stop(); err == nil || stopped == nil {
		t.Errorf("a wrong reply was taken: %v, %v", err, stopped)
	}
}

func TestQuantiles(t *testing.T) {
	var samples []Sample
	for i := range 1000 {
		samples = append(samples, Sample{Took: time.Duration(999 - i)})
	}
	got := Quantiles(samples, 0, 0.5, 0.999, 1)
	for i, want := range []time.Duration{0, 500, 999, 999} {
		if got[i] != want {
			t.Errorf("quantile %d is %v, want %v", i, got[i], want)
		}
	}
	if got := Quantiles(nil, 0.5); got[0] != 0 {
		t.Errorf("of nothing: %v", got)
	}
}
