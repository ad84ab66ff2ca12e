package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// kind is what a setting's value is.
type kind uint8

const (
	truth    kind = iota // true, false
	integer              // 1024
	fraction             // 1.25
	text                 // "localhost"
	list                 // ["localhost", "10.0.0.5:11211"]
	size                 // "64MB": bytes, with a unit that is a power of 1024
	duration             // "30s", "5m", "1h": whole seconds
)

// value is a setting's value: the field that its kind names.
type value struct {
	truth bool
	n     int64 // integer; bytes of a size; seconds of a duration
	f     float64
	text  string
	list  []string
}

// setting is a row of settings.
type setting struct {
	name    string // section.name, or a name of no section
	kind    kind
	initial string   // the default, as a flag would say it
	flag    string   // of panda serve, without its dashes; "": only --set
	short   string   // one letter
	min     float64  // of numbers, in bytes or seconds for sizes and durations
	max     float64  //
	zero    string   // what 0 or "" means, which is allowed whatever min says; "": nothing special
	choices []string // all that a text may be; nil: anything
	help    string   // what it sets
	reason  string   // why the default is what it is
	set     func(p *parser, v value) error
}

// The largest values of numbers, each with its reason.
const (
	loopsMax       = 1024          // shards and domains are made for fewer cores than that
	connectionsMax = 1 << 20       // descriptors: fs.nr_open's default
	backlogMax     = 1 << 16       // what the kernel keeps of it
	requestsMax    = 1 << 20       // a turn ends by its work long before
	secondsMax     = 24000 * 86400 // an int of 32 bits holds it
	memoryMin      = 1 << 20       // the smallest store
	memoryMax      = 1 << 42       // 4 TB: more than a machine has
	watcherMin     = 128 << 10     // the least that memcache gives a watcher: what loops deliver before it is woken fits
	workerMin      = 32 << 10      // the least that memcache gives a loop: what a turn delivers, twice
	bufferMax      = 1 << 30
	listMax        = 64 // listeners: each loop watches all of them
	textMax        = 4096
)

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"B", 1}}

var timeUnits = []struct {
	name    string
	seconds int64
}{{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}}

// parse reads a value as a flag says it.
func (s *setting) parse(v string) (out value, err error) {
	switch s.kind {
	case truth:
		if v != "true" && v != "false" {
			return out, s.wrong(strconv.Quote(v))
		}
		out.truth = v == "true"
	case integer:
		if out.n, err = strconv.ParseInt(v, 10, 64); err != nil {
			return out, s.wrong(strconv.Quote(v))
		}
	case fraction:
		if out.f, err = strconv.ParseFloat(v, 64); err != nil {
			return out, s.wrong(strconv.Quote(v))
		}
	case text:
		out.text = v
	case list:
		out.list = strings.FieldsFunc(v, func(r rune) bool { return r == ',' })
	case size, duration:
		n, ok := parseUnits(s.kind, v)
		if !ok {
			return out, s.wrong(strconv.Quote(v))
		}
		out.n = n
	}
	return out, s.check(out)
}

// parseUnits reads "64MB" or "5m". The units of sizes may be small, and short.
func parseUnits(k kind, v string) (n int64, ok bool) {
	end := 0
	for end < len(v) && v[end] >= '0' && v[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(v[:end], 10, 64)
	if err != nil {
		return 0, false
	}
	unit := strings.TrimPrefix(v[end:], " ")
	if n == 0 && unit == "" {
		return 0, true
	}
	scale := int64(0)
	if k == duration {
		for _, u := range timeUnits {
			if unit == u.name {
				scale = u.seconds
			}
		}
	} else {
		unit = strings.ToUpper(unit)
		for _, u := range sizeUnits {
			if unit == u.name || len(unit) == 1 && unit[0] == u.name[0] || unit == u.name[:1]+"IB" {
				scale = u.bytes
			}
		}
	}
	if scale == 0 || n > math.MaxInt64/scale {
		return 0, false
	}
	return n * scale, true
}

// check refuses what is out of the setting's range.
func (s *setting) check(v value) error {
	number, ranged := 0.0, true
	switch s.kind {
	case integer, size, duration:
		number = float64(v.n)
	case fraction:
		number = v.f
	default:
		ranged = false
	}
	switch {
	case ranged && (number == 0 && s.zero != ""):
	case ranged && !(number >= s.min && number <= s.max), // a NaN is in no range
		s.kind == text && !s.allows(v.text),
		s.kind == list && len(v.list) > listMax:
		return s.wrong(s.show(v))
	}
	for _, t := range append(v.list, v.text) {
		if len(t) > textMax || strings.ContainsFunc(t, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }) {
			return s.wrong(strconv.Quote(t))
		}
	}
	return nil
}

// allows reports whether a text is one of the choices.
func (s *setting) allows(v string) bool {
	for _, c := range s.choices {
		if v == c {
			return true
		}
	}
	return s.choices == nil
}

// wrong is the complaint about a value: what was given, and what is allowed.
func (s *setting) wrong(given string) error {
	return fmt.Errorf("%s is not allowed; it wants %s", given, s.allowed())
}

// allowed says what a value may be.
func (s *setting) allowed() string {
	low, high := s.show(value{n: int64(s.min), f: s.min}), s.show(value{n: int64(s.max), f: s.max})
	also := ""
	if s.zero != "" {
		also = ", or " + s.show(value{}) + " for " + s.zero
	}
	switch s.kind {
	case truth:
		return "true or false"
	case integer:
		return "a whole number from " + low + " to " + high + also
	case fraction:
		return "a number from " + low + " to " + high + also
	case size:
		return "a size in B, KB, MB, GB or TB from " + low + " to " + high + also
	case duration:
		return "a time in s, m, h or d from " + low + " to " + high + also
	case list:
		return fmt.Sprintf("a list of texts, at most %d", listMax)
	}
	if s.choices != nil {
		return "one of " + strings.Join(quoted(s.choices), ", ")
	}
	return "a text" + also
}

// show is a value as a file says it.
func (s *setting) show(v value) string {
	switch s.kind {
	case truth:
		return strconv.FormatBool(v.truth)
	case integer:
		return strconv.FormatInt(v.n, 10)
	case fraction:
		t := strconv.FormatFloat(v.f, 'f', -1, 64)
		if !strings.ContainsAny(t, ".") && v.f == math.Trunc(v.f) {
			t += ".0"
		}
		return t
	case list:
		return "[" + strings.Join(quoted(v.list), ", ") + "]"
	case size:
		for _, u := range sizeUnits {
			if v.n%u.bytes == 0 && v.n != 0 {
				return strconv.Quote(strconv.FormatInt(v.n/u.bytes, 10) + u.name)
			}
		}
		return `"0B"`
	case duration:
		for _, u := range timeUnits {
			if v.n%u.seconds == 0 && v.n != 0 {
				return strconv.Quote(strconv.FormatInt(v.n/u.seconds, 10) + u.name)
			}
		}
		return `"0s"`
	}
	return quote(v.text)
}

// quote writes a text as TOML's basic strings have it. Control characters are
// in no text, see check.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func quoted(texts []string) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = quote(t)
	}
	return out
}

// period is the time of a duration.
func (v value) period() time.Duration { return time.Duration(v.n) * time.Second }

// initialValue is the default.
func (s *setting) initialValue() value {
	v, err := s.parse(s.initial)
	if err != nil {
		panic("BUG: config: the default of " + s.name + ": " + err.Error())
	}
	return v
}
