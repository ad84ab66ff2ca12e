package console

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestNumbers(t *testing.T) {
	check := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	check(Count(0), "0")
	check(Count(0.25), "0.2")
	check(Count(0.049), "<0.1")
	check(Count(9), "9")
	check(Count(12.6), "13")
	check(Count(999), "999")
	check(Count(1000), "1,000")
	check(Count(1234567), "1,234,567")
	check(Count(-1234), "-1,234")
	check(Bytes(0), "0 B")
	check(Bytes(999), "999 B")
	check(Bytes(999.7), "1.0 kB")
	check(Bytes(999_949), "999.9 kB")
	check(Bytes(999_950), "1.0 MB")
	check(Bytes(67108864), "67.1 MB")
	check(Bytes(3e18), "3.0 EB")
	check(Bytes(-2000), "-2.0 kB")
	check(Share(0.9), "90.0 %")
	check(Duration(0), "0 ns")
	check(Duration(999), "999 ns")
	check(Duration(1500), "1.50 µs")
	check(Duration(45*time.Microsecond+320), "45.3 µs")
	check(Duration(120*time.Millisecond), "120 ms")
	check(Duration(61*time.Second), "61.0 s")
	check(Span(59), "00:00:59")
	check(Span(86399), "23:59:59")
	check(Span(3*86400+3661), "3 d 01:01:01")
}

// sample is a page with two tables that may be cut.
func sample() *Page {
	p := &Page{}
	p.Heading("a heading with a \x1b[2J in it")
	p.Line("a line")
	for _, rows := range []int{4, 8} {
		t := NewTable(Column{Name: "n"}, Column{Name: "name", Left: true, Wide: true}, Column{Name: "much more"})
		t.Cut = true
		for i := range rows {
			t.Row(strings.Repeat("1", i+1), strings.Repeat("näme", i+1), "x")
		}
		p.Table(t)
	}
	p.Table(NewTable(Column{Name: "empty"}))
	return p
}

func TestPageFits(t *testing.T) {
	for width := 1; width < 80; width++ {
		for height := range 40 {
			lines := sample().lines(Size{width, height}, false)
			if height > 0 && len(lines) > height {
				t.Errorf("%d lines, where %d fit", len(lines), height)
			}
			for _, line := range lines {
				if n := utf8.RuneCountInString(line); n > max(width, widthMin) {
					t.Errorf("%q is %d columns wide, where %d fit", line, n, width)
				}
				if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' }) {
					t.Errorf("%q", line)
				}
			}
		}
	}
}

func TestPageOfSize(t *testing.T) {
	check := func(size Size, bold bool, want string) {
		t.Helper()
		var b strings.Builder
		if err := sample().Print(&b, size, bold); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); got != want {
			t.Errorf("%v:\n%s\nwant\n%s", size, got, want)
		}
	}
	check(Size{Width: 50, Height: 14}, false, sampleAt50)
	check(Size{Width: 20}, true, sampleAt20)
}

// The widths of a table are those of the rows that it shows.
const sampleAt50 = `a heading with a ?[2J in it
a line

   n  name              much more
   1  näme                      x
  11  nämenäme                  x
 111  nämenämenäme              x
1111  nämenämenämenäme          x

  n  name          much more
  1  näme                  x
 11  nämenäme              x
111  nämenämenäme          x
… and 5 more
`

const sampleAt20 = "\x1b[1ma heading with a ?[…\x1b[0m\n" + `a line

` + "\x1b[1m   n  name\x1b[0m" + `
   1  näme
  11  nämenäme
 111  nämenämenäme
1111  nämenämenämen…

` + "\x1b[1m       n  name\x1b[0m" + `
       1  näme
      11  nämenäme
     111  nämenämen…
    1111  nämenämen…
   11111  nämenämen…
  111111  nämenämen…
 1111111  nämenämen…
11111111  nämenämen…
`

// TestScreen: a file gets pages one behind the other, and no control characters;
// a terminal gets them in one place, and keeps the last.
func TestScreen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	environment := func(string) string { return "xterm" }
	s := NewScreen(f, environment)
	if s.Live() || s.Draw(sample()) != nil || s.Close() != nil {
		t.Error("a file is no terminal")
	}
	if text, _ := os.ReadFile(path); strings.Contains(string(text), "\x1b") || !strings.HasPrefix(string(text), "a heading") {
		t.Errorf("%q", text)
	}
	var b strings.Builder
	if NewScreen(&b, environment).Live() {
		t.Error("nor is a builder")
	}
	if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err != nil || Terminal(null) {
		t.Error("nor is what drops everything", err)
	}
	live := &Screen{w: &b, fd: -1, live: true}
	for range 2 {
		if err := live.Draw(sample()); err != nil {
			t.Fatal(err)
		}
	}
	if err := live.Close(); err != nil {
		t.Fatal(err)
	}
	const begin, end = "\x1b[?1049h\x1b[?25l\x1b[Ha heading", "\x1b[?25h\x1b[?1049la heading"
	text := b.String()
	if !strings.HasPrefix(text, begin) || strings.Count(text, "\x1b[H") != 2 || strings.Count(text, end) != 1 {
		t.Errorf("%q", text)
	}
}
