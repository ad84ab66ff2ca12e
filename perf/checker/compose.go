package checker

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// command is a kind of request and how often it is made.
type command struct {
	weight  int
	compose func(c *client, e *entry)
}

// commands are what a client asks about the keys that it owns. Each composes one
// request, or says nothing when it does not fit the entry.
var commands = []command{
	{20, (*client).set},
	{2, (*client).setNumber},
	{3, (*client).setNoreply},
	{30, (*client).get},
	{6, (*client).multiget},
	{5, (*client).gets},
	{4, (*client).compareAndSwap},
	{3, (*client).add},
	{3, (*client).replace},
	{3, (*client).appendText},
	{3, (*client).prependText},
	{4, (*client).arithmetic},
	{2, (*client).touch},
	{2, (*client).getAndTouch},
	{2, (*client).delete},
	{1, (*client).deleteNoreply},
	{8, (*client).metaSet},
	{8, (*client).metaGet},
	{2, (*client).metaGetQuietly},
	{2, (*client).metaDelete},
	{3, (*client).metaArithmetic},
	{4, (*client).sharedSet},
	{5, (*client).sharedGet},
	{3, (*client).sharedSwap},
}

var commandWeights = func() (sum int) {
	for _, c := range commands {
		sum += c.weight
	}
	return sum
}()

// compose adds a request to the batch.
func (c *client) compose() {
	n := c.random.IntN(commandWeights)
	for _, k := range commands {
		if n -= k.weight; n < 0 {
			k.compose(c, c.pick())
			return
		}
	}
}

// pick chooses a key: a tenth of them gets half of the requests.
func (c *client) pick() *entry {
	n := len(c.entries)
	if c.random.IntN(2) == 0 {
		n = max(1, n/10)
	}
	return c.entries[c.random.IntN(n)]
}

// ask adds a request about one entry.
func (c *client) ask(e *entry, text string, answer func(at span) (string, error)) {
	c.batch = append(c.batch, request{text: text, entry: e, key: e.key, answer: answer})
}

// size draws the size of a value. The mix of sizes turns with time, so that
// memory has to move from one size to another.
func (c *client) size() int {
	switch phase := c.run.now() / c.run.config.Phase; {
	case c.random.IntN(400) == 0:
		return largeValue
	case phase%4 == 0:
		return c.logUniform(10, 500)
	case phase%4 == 1:
		return c.logUniform(1000, 20_000)
	case phase%4 == 2 && c.random.IntN(4) == 0:
		return c.logUniform(10, valueMax)
	case c.random.IntN(100) == 0:
		return c.logUniform(50_000, valueMax)
	default:
		return c.logUniform(10, 50_000)
	}
}

func (c *client) logUniform(low, high int) int {
	span := math.Log(float64(high) / float64(low))
	return min(high, int(float64(low)*math.Exp(c.random.Float64()*span)))
}

// exptime draws a time to live: most never expire, some soon.
func (c *client) exptime() int {
	switch n := c.random.IntN(100); {
	case n < 70:
		return 0
	case n < 95:
		return 1 + c.random.IntN(5)
	case n < 98:
		return 60 + c.random.IntN(1000)
	case n < 99:
		return int(time.Now().Unix()) + 10 + c.random.IntN(100) // absolute
	default:
		return -1
	}
}

// drawn is a new value for e.
func (c *client) drawn(e *entry, size int) change {
	e.version++
	flags := uint32(0)
	if c.random.IntN(3) == 0 {
		flags = c.random.Uint32()
	}
	return change{segments: []segment{{writer: c.id, version: e.version, length: size}}, flags: flags, exptime: c.exptime()}
}

// drawnNumber is a new number.
func (c *client) drawnNumber() change {
	n := c.random.Uint64() >> c.random.IntN(64)
	return change{numeric: true, number: n, flags: uint32(c.random.IntN(2)), exptime: c.exptime()}
}

// appendBody appends the bytes of a change and the end of line.
func (c *client) appendBody(e *entry, ch *change) {
	if ch.numeric {
		c.out = strconv.AppendUint(c.out, ch.number, 10)
	}
	for _, s := range ch.segments {
		c.out = s.append(c.out, e.key)
	}
	c.out = append(c.out, '\r', '\n')
}

func (ch *change) length() (n int) {
	if ch.numeric {
		return len(strconv.FormatUint(ch.number, 10))
	}
	for _, s := range ch.segments {
		n += s.length
	}
	return n
}

func (ch *change) String() string {
	if ch.numeric {
		return fmt.Sprintf("number %d flags %d exptime %d", ch.number, ch.flags, ch.exptime)
	}
	return fmt.Sprintf("%v flags %d exptime %d", ch.segments, ch.flags, ch.exptime)
}
