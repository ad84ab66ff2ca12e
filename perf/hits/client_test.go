package hits

import (
	"bufio"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
)

// script is a server that reads a request up to a line that begins with last,
// and answers with reply, for each pair.
type script []struct{ last, reply string }

// play runs a client against a script and returns the requests it sent.
func play(t *testing.T, s script, drive func(c *client)) string {
	t.Helper()
	ours, theirs := net.Pipe()
	sent := make(chan string, 1)
	go func() {
		defer theirs.Close()
		in, all := bufio.NewReader(theirs), ""
		for _, step := range s {
			for line := ""; !strings.HasPrefix(line, step.last); all += line {
				var err error
				if line, err = in.ReadString('\n'); err != nil {
					break
				}
			}
			if _, err := theirs.Write([]byte(step.reply)); err != nil {
				break
			}
		}
		sent <- all
	}()
	c := newClient(ours, func(key uint32) int { return int(key) })
	drive(c)
	c.close()
	return <-sent
}

// valueReply is the reply to a hit, with the value that belongs to key.
func valueReply(key uint32) string {
	c := newClient(nil, func(key uint32) int { return int(key) })
	value := c.value(key)
	return "VALUE " + string(appendKey(nil, key)) + " 0 " + itoa(len(value)) + "\r\n" + string(value) + "\r\n"
}

func TestMissesAreStoredWithTheNextBatch(t *testing.T) {
	sent := play(t, script{
		{"get", valueReply(2) + "END\r\n"},
		{"get", "STORED\r\nSTORED\r\n" + valueReply(1) + valueReply(2) + "END\r\n"},
		{"stats", "STAT pid 1\r\nSTAT version 1.6.45 x\r\nSTAT cmd_get 6\r\nSTAT get_hits 3\r\nSTAT curr_items 9\r\nEND\r\n"},
	}, func(c *client) {
		if n, err := c.batch([]uint32{1, 2, 3, 1}); err != nil || n != (Count{4, 1}) {
			t.Errorf("first batch: %+v, %v", n, err)
		}
		if !slices.Equal(c.missed, []uint32{1, 3}) {
			t.Errorf("missed %v", c.missed)
		}
		if n, err := c.batch([]uint32{1, 2}); err != nil || n != (Count{2, 2}) {
			t.Errorf("second batch: %+v, %v", n, err)
		}
		if items, err := c.check(); err != nil || items != 9 {
			t.Errorf("check: %d items, %v", items, err)
		}
	})
	const want = "get object:hits:00000001 object:hits:00000002 object:hits:00000003 object:hits:00000001\r\n" +
		"set object:hits:00000001 0 0 1\r\n"
	if !strings.HasPrefix(sent, want) || strings.Count(sent, "set ") != 2 {
		t.Errorf("sent %q", sent)
	}
}

func TestWrongRepliesAreFound(t *testing.T) {
	good := valueReply(5)
	for name, reply := range map[string]string{
		"not asked for":  valueReply(6) + "END\r\n",
		"twice":          good + good + "END\r\n",
		"out of order":   valueReply(7) + good + "END\r\n",
		"another value":  good[:len(good)-3] + "\x01\r\n" + "END\r\n",
		"another length": strings.Replace(good, " 0 5", " 0 4", 1) + "END\r\n",
		"flags":          strings.Replace(good, " 0 5", " 1 5", 1) + "END\r\n",
		"an error":       "SERVER_ERROR out of memory\r\n",
	} {
		play(t, script{{"get", reply}}, func(c *client) {
			if _, err := c.batch([]uint32{5, 7}); !errors.Is(err, ErrReply) {
				t.Errorf("%s: error %v", name, err)
			}
		})
	}
	for _, mayRefuse := range []bool{false, true} {
		play(t, script{{"get", "END\r\n"}, {"set", noMemory}}, func(c *client) {
			c.mayRefuse = mayRefuse
			if _, err := c.batch([]uint32{5}); err != nil {
				t.Fatal(err)
			}
			if err := c.settle(); errors.Is(err, ErrReply) == mayRefuse {
				t.Errorf("refused set: error %v, and that it may is %v", err, mayRefuse)
			}
		})
	}
	play(t, script{{"get", "END\r\n"}, {"stats", "STAT cmd_get 1\r\nSTAT get_hits 1\r\nEND\r\n"}}, func(c *client) {
		if _, err := c.batch([]uint32{5}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.check(); !errors.Is(err, ErrReply) {
			t.Errorf("other counts: error %v", err)
		}
	})
}

func TestAppendKey(t *testing.T) {
	if k := string(appendKey(nil, 12345678)); k != "object:hits:12345678" || len(k) != keySize {
		t.Errorf("%q", k)
	}
	if k := string(appendKey([]byte("get "), 0)); k != "get object:hits:00000000" {
		t.Errorf("%q", k)
	}
}
