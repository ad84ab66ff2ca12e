package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

const (
	// fileMax is more than a hundred times the file of --print-config.
	fileMax = 1 << 20

	// problemsMax is how many mistakes of a file are told at once.
	problemsMax = 20

	// nestingMax is deeper than any section, and bounds the reader's recursion.
	nestingMax = 100
)

// problem is a mistake in a config file.
type problem struct {
	line int
	text string
}

// given are the values of the settings that were given, by name.
type given map[string]value

// readFile reads a config file. Only what the file says is in the result.
func readFile(data []byte) (given, []problem) {
	if len(data) > fileMax {
		return nil, []problem{{1, fmt.Sprintf("the file has %d bytes; at most %d are read", len(data), fileMax)}}
	}
	if deep := nesting(data); deep > nestingMax {
		return nil, []problem{{1, fmt.Sprintf("brackets are nested %d deep; at most %d are read", deep, nestingMax)}}
	}
	var tree map[string]any
	if err := toml.Unmarshal(data, &tree); err != nil {
		line := 1
		var where *toml.DecodeError
		if errors.As(err, &where) {
			line, _ = where.Position()
		}
		return nil, []problem{{line, strings.TrimPrefix(err.Error(), "toml: ")}}
	}
	r := fileReader{lines: keyLines(data), out: given{}}
	r.table("", tree)
	sort.SliceStable(r.problems, func(i, j int) bool { return r.problems[i].line < r.problems[j].line })
	return r.out, r.problems
}

// nesting bounds from above how deep brackets are nested.
func nesting(data []byte) (deepest int) {
	depth := 0
	for _, c := range data {
		switch c {
		case '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ']', '}':
			depth = max(depth-1, 0)
		}
	}
	return deepest
}

// fileReader walks over a file's values.
type fileReader struct {
	lines    map[string]int // of the keys, by dotted name
	out      given
	problems []problem
}

func (r *fileReader) complain(name, format string, args ...any) {
	r.problems = append(r.problems, problem{r.lines[name], fmt.Sprintf(format, args...)})
}

// table reads a table; name is its dotted name, "" for the file.
func (r *fileReader) table(name string, tree map[string]any) {
	keys := make([]string, 0, len(tree))
	for k := range tree {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, key := range keys {
		full := join(name, key)
		s := settingNamed(full)
		inner, isTable := tree[key].(map[string]any)
		switch {
		case s != nil:
			r.setting(s, tree[key])
		case isTable && isSection(full):
			r.table(full, inner)
		case isSection(full):
			r.complain(full, "%s is a section, [%s], and has no value of its own", full, full)
		default:
			r.complain(full, "unknown setting %s%s", full, suggest(full))
		}
	}
}

// join is a dotted name; parts that are no bare keys are quoted.
func join(table, key string) string {
	bare := key != "" && !strings.ContainsFunc(key, func(c rune) bool {
		return c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	})
	if !bare {
		key = strconv.Quote(key)
	}
	if table == "" {
		return key
	}
	return table + "." + key
}

func isSection(name string) bool {
	for i := range settings {
		if strings.HasPrefix(settings[i].name, name+".") {
			return true
		}
	}
	return false
}

// shortenedMin is the letters from which a shortened name says what was meant.
const shortenedMin = 3

// suggest names the setting that was meant, most likely: one with the same
// name elsewhere, with up to two letters different, or with more behind it.
func suggest(name string) string {
	last := name[strings.LastIndexByte(name, '.')+1:]
	best, fewest := "", 3
	for i := range settings {
		known := settings[i].name
		d := distance(name, known)
		if known[strings.LastIndexByte(known, '.')+1:] == last {
			d = min(d, 1)
		}
		if len(last) >= shortenedMin && strings.HasPrefix(known, name) {
			d = min(d, 2)
		}
		if d < fewest {
			best, fewest = known, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance is the number of letters to insert, delete or change. Long names
// are far from every setting.
func distance(a, b string) int {
	if len(a) > 2*len(b) {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, before+1)
		}
	}
	return row[len(b)]
}

// setting reads one value.
func (r *fileReader) setting(s *setting, raw any) {
	v, err := s.read(raw)
	if err != nil {
		r.complain(s.name, "%s: %v", s.name, err)
		return
	}
	r.out[s.name] = v
}

// read takes a TOML value as the setting's kind.
func (s *setting) read(raw any) (v value, err error) {
	fits := false
	switch s.kind {
	case truth:
		v.truth, fits = raw.(bool)
	case integer:
		v.n, fits = raw.(int64)
	case fraction:
		if v.f, fits = raw.(float64); !fits {
			var n int64
			n, fits = raw.(int64)
			v.f = float64(n)
		}
		fits = fits && !math.IsInf(v.f, 0) && !math.IsNaN(v.f)
	case text:
		v.text, fits = raw.(string)
	case size, duration:
		var t string
		if t, fits = raw.(string); fits {
			return s.parse(t)
		}
	case list:
		v.list, fits = texts(raw)
	}
	if !fits {
		return v, s.wrong(describe(raw))
	}
	return v, s.check(v)
}

func texts(raw any) (list []string, ok bool) {
	array, ok := raw.([]any)
	if !ok {
		return nil, false
	}
	for _, e := range array {
		t, ok := e.(string)
		if !ok {
			return nil, false
		}
		list = append(list, t)
	}
	return list, true
}

// describe says what a value of the wrong type is.
func describe(raw any) string {
	switch v := raw.(type) {
	case string:
		return "the text " + quoteShort(v)
	case int64, float64:
		return fmt.Sprintf("the number %v", v)
	case bool:
		return fmt.Sprintf("%v", v)
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date or a time"
}

// quoteShort keeps complaints readable.
func quoteShort(s string) string {
	if len(s) > 60 {
		s = s[:60] + "…"
	}
	return strconv.Quote(s)
}

// keyLines finds the line of every key and table of a file that was read.
func keyLines(data []byte) map[string]int {
	lines := map[string]int{}
	var p unstable.Parser
	p.Reset(data)
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = noteKey(&p, lines, "", e)
		case unstable.KeyValue:
			noteValue(&p, lines, table, e)
		}
	}
	return lines
}

// noteKey notes the line of a dotted key and of the tables that it leads
// through, and returns its full name.
func noteKey(p *unstable.Parser, lines map[string]int, table string, e *unstable.Node) string {
	for it := e.Key(); it.Next(); {
		part := it.Node()
		table = join(table, string(part.Data))
		if _, known := lines[table]; !known {
			lines[table] = p.Shape(part.Raw).Start.Line
		}
	}
	return table
}

// noteValue notes a key with its value, which may be a table in braces.
func noteValue(p *unstable.Parser, lines map[string]int, table string, e *unstable.Node) {
	name := noteKey(p, lines, table, e)
	if v := e.Value(); v.Kind == unstable.InlineTable {
		for it := v.Children(); it.Next(); {
			noteValue(p, lines, name, it.Node())
		}
	}
}
