package compat

import (
	"regexp"
	"strings"
	"testing"
)

// An allowance is a difference of answers to a burst that may be.
type allowance struct {
	name, reason string
	holds        func(b burst, original, ours answer) bool

	// What comes behind such a burst is not compared, since the two do not hold the
	// same any more. It is a matter of chance, and must be as rare as one.
	parting bool
}

// allowances are all differences that are known and meant. The first that
// holds is the one that is counted.
var allowances = []allowance{
	{
		name: "endless key",
		reason: "The original waits for a whole key before it looks at its length, in a buffer of 16 KiB. Behind a header " +
			"that announces more it waits for ever, or closes when the buffer is full. Ours refuses the header at once.",
		holds: func(b burst, original, ours answer) bool {
			return b.hasEndlessKey() && original.end != answered && ours.end == closed && sameStart(original.text, ours.text)
		},
	},
	{
		name: "unsent",
		reason: "At a header that does not begin with the magic, the original closes the connection and forgets the " +
			"replies that it had not sent. Ours sends them first: they are true, and a client may need them.",
		holds: func(b burst, original, ours answer) bool {
			return b.binary && original.end == closed && ours.end == closed && sameStart(original.text, ours.text)
		},
	},
	{
		name: "waiting",
		reason: "An original that waits for a data block holds the replies before it back, and forgets them when the client " +
			"goes: how many it had sent by then is a matter of chance. Ours sends them at once, and so it does the reply " +
			"to a data block that it will not keep. A connection that is closed late looks like one that waits.",
		holds: func(_ burst, original, ours answer) bool {
			return (original.end == hanging || ours.end == hanging) && original.end != answered && ours.end != answered &&
				sameStart(original.text, ours.text)
		},
	},
	{
		name: "reset",
		reason: "Who closes a connection in which unread bytes lie (the end's mark, behind quit) resets it, and what " +
			"the client has not read by then is lost, when it is more than the sockets hold.",
		holds: func(_ burst, original, ours answer) bool {
			shorter, longer := original.text, ours.text
			if len(shorter) > len(longer) {
				shorter, longer = longer, shorter
			}
			return original.end == closed && ours.end == closed && len(longer) > socketsHold && strings.HasPrefix(longer, shorter)
		},
	},
	{
		name: "forgotten",
		reason: "1.6.18 answers a key that is too long in a get only after it has forgotten the replies before it. The " +
			"generator sends such a get alone, but a damaged line end can put one together.",
		holds: func(b burst, original, ours answer) bool {
			text := string(b.bytes(longestPrefix, nil))
			return !b.binary && original.end == ours.end && longKeyInGet.MatchString(text) && isPart(original.text, ours.text)
		},
		parting: true,
	},
	{
		name: "beyond the value",
		reason: "incr and decr of the original read on behind the value, in memory that others left there: a value of " +
			"nothing but blanks takes their digits, and a number of 2^63 or more is refused when they had a minus.",
		holds: func(_ burst, original, ours answer) bool {
			l, r := apart(original.text, ours.text)
			return refusesNumber(l) != refusesNumber(r)
		},
		parting: true,
	},
	{
		name: "beyond the key",
		reason: "stat of the original compares names without looking at the key's length: with what lies behind it in " +
			"the buffer, when a header lies, \"res\" is \"reset\".",
		holds: func(b burst, original, ours answer) bool {
			return b.hasLongStat() && original.end == closed && ours.end == closed
		},
		parting: true,
	},
	{
		name: "order of tokens",
		reason: "Whether a set with I takes a token that is not the item's is a question of which is younger. The " +
			"original's tokens are in order among all items, ours among those of one shard. Of one item, and from " +
			"nowhere else a client should have one, both agree.",
		holds: func(b burst, original, ours answer) bool {
			l, r := apart(original.text, ours.text)
			return tokenWithI(b) && strings.HasPrefix(l, "EX") != strings.HasPrefix(r, "EX")
		},
		parting: true,
	},
}

const (
	socketsHold   = 64 << 10  // less than any two sockets' buffers
	longestPrefix = "100000." // of keys: as long as in a run of a hundred thousand sequences
)

var longKeyInGet = regexp.MustCompile(`(?m)^ *(gets?|gats?) [^\n]*[^ \n]{251}`)

// isPart reports whether part has no line that text has not, in text's order.
func isPart(part, text string) bool {
	for line := range strings.Lines(part) {
		i := strings.Index(text, line)
		if i < 0 {
			return false
		}
		text = text[i+len(line):]
	}
	return true
}

// refusesNumber reports whether a text begins with the refusal of a value that
// is no number.
func refusesNumber(text string) bool {
	line, _, _ := strings.Cut(text, "\n")
	return strings.Contains(line, "non-numeric value") || strings.Contains(line, "Non-numeric server-side value")
}

// tokenWithI reports whether some meta set of a burst has the flag I and a token
// that the server showed.
func tokenWithI(b burst) bool {
	for _, c := range b.commands {
		text, isLine := c.(line)
		words, _, _ := strings.Cut(string(text), "\n")
		if isLine && strings.Contains(words, " I") && tokenPlace.MatchString(words) {
			return true
		}
	}
	return false
}

// agree compares the answers to a burst. What had to be allowed is said.
func agree(b burst, original, ours answer) (allowed *allowance, ok bool) {
	if (original.end == answered) == (ours.end == answered) && same(original.text, ours.text) {
		return nil, true
	}
	for i := range allowances {
		if a := &allowances[i]; a.holds(b, original, ours) {
			return a, true
		}
	}
	return nil, false
}

// agree compares the answers to a script, and counts what it allows.
func (d *duel) agree(s script, left, right []answer) bool {
	for i, b := range s {
		allowed, ok := d.agreeOn(b, left[i], right[i])
		if !ok {
			return false
		}
		if allowed == nil {
			continue
		}
		d.allowed[allowed.name]++
		if allowed.parting {
			d.chances++
			break
		}
	}
	return true
}

// agreeOn compares the answers to a burst. Of two originals each may do what
// only the original does.
func (d *duel) agreeOn(b burst, left, right answer) (allowed *allowance, ok bool) {
	if allowed, ok = agree(b, left, right); !ok && d.forgetful {
		allowed, ok = agree(b, right, left)
	}
	return allowed, ok
}

// TestAllowances: each holds where it is meant to, and near it nothing does.
func TestAllowances(t *testing.T) {
	check := func(want string, b burst, original, ours answer) {
		t.Helper()
		got := "the same"
		if a, ok := agree(b, original, ours); !ok {
			got = "different"
		} else if a != nil {
			got = a.name
		}
		if got != want {
			t.Errorf("%q and %q: %s, wanted %s", original.text, ours.text, got, want)
		}
	}
	lines, packets := texts("get a\r\n"), burst{binary: true, commands: []command{packet{opcode: opGet, key: "a"}}}
	endless := burst{binary: true, commands: []command{packet{opcode: opGet, key: strings.Repeat("k", readBuffer)}}}

	check("the same", lines, answer{"HD t~30\r\n", answered}, answer{"HD t~31\r\n", answered})
	check("different", lines, answer{"END\r\n", answered}, answer{"ERROR\r\n", answered})
	check("different", lines, answer{"END\r\n", answered}, answer{"END\r\n", closed})
	check("different", lines, answer{"END\r\nEND\r\n", answered}, answer{"END\r\n", answered})

	check("endless key", endless, answer{"a\n", hanging}, answer{"a\n04\n", closed})
	check("different", endless, answer{"a\n", answered}, answer{"a\n04\n", closed})
	check("unsent", packets, answer{"a\n", closed}, answer{"a\nb\n", closed})
	check("different", packets, answer{"a\nb\n", closed}, answer{"a\n", closed})
	check("different", lines, answer{"a\n", closed}, answer{"a\nb\n", closed})
	check("waiting", lines, answer{"a\n", hanging}, answer{"a\nb\n", hanging})
	check("different", lines, answer{"a\nb\n", hanging}, answer{"a\n", hanging})
	check("different", lines, answer{"a\n", hanging}, answer{"a\nb\n", answered})

	large := strings.Repeat("x", socketsHold) + "\r\n"
	check("reset", lines, answer{large[:100], closed}, answer{large, closed})
	check("reset", lines, answer{large, closed}, answer{large[:100], closed})
	check("different", lines, answer{"y", closed}, answer{large, closed})

	joined := texts("get a\xff" + strings.Repeat("k", 260) + "\r\n")
	check("forgotten", joined, answer{"CLIENT_ERROR x\r\n", answered}, answer{"END\r\nCLIENT_ERROR x\r\n", answered})
	check("different", joined, answer{"END\r\nCLIENT_ERROR x\r\n", answered}, answer{"CLIENT_ERROR x\r\n", answered})
	check("different", lines, answer{"CLIENT_ERROR x\r\n", answered}, answer{"END\r\nCLIENT_ERROR x\r\n", answered})

	const refused = "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
	check("beyond the value", lines, answer{"OK\r\n" + refused, answered}, answer{"OK\r\n5\r\n", answered})
	check("different", lines, answer{"OK\r\n" + refused, answered}, answer{"END\r\n" + refused, answered})

	long := burst{binary: true, commands: []command{packet{opcode: opStat, key: "res", value: "et"}}}
	check("beyond the key", long, answer{"10\n", closed}, answer{"01\n", closed})
	check("different", packets, answer{"10\n", closed}, answer{"01\n", closed})

	invalidate := texts("ms a 1 I C\x1f0;\r\nx\r\n")
	check("order of tokens", invalidate, answer{"HD\r\n", answered}, answer{"EX\r\n", answered})
	check("order of tokens", texts("ms a 1 I q C\x1f0;\r\nx\r\n"), answer{"", answered}, answer{"EX\r\n", answered})
	check("different", texts("ms a 1 C\x1f0;\r\nx\r\n"), answer{"HD\r\n", answered}, answer{"EX\r\n", answered})
}
