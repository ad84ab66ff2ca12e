package console

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Size is what a page has to fit into.
type Size struct {
	Width  int // columns, at least widthMin
	Height int // lines; 0: as many as it takes
}

const (
	widthMin    = 20 // below it nothing can be read
	wideMin     = 10 // of a column that may be shortened
	rowsMin     = 3  // of a table, whatever the height
	columnSpace = 2
)

// Page is what is shown at once, from the top. What has less height than it
// wants is its tables that may be cut.
type Page struct{ parts []part }

// part is a line, or a table.
type part struct {
	line  string
	bold  bool
	table *Table
}

// Line adds a line of text.
func (p *Page) Line(format string, args ...any) {
	p.parts = append(p.parts, part{line: fmt.Sprintf(format, args...)})
}

// Heading adds a line that stands out.
func (p *Page) Heading(format string, args ...any) {
	p.parts = append(p.parts, part{line: fmt.Sprintf(format, args...), bold: true})
}

// Table adds a table, unless it has no rows, with an empty line before it.
func (p *Page) Table(t *Table) {
	if len(t.rows) > 0 {
		p.parts = append(p.parts, part{}, part{table: t})
	}
}

// Table is rows under headings.
type Table struct {
	columns []Column
	rows    [][]string
	// Cut says that rows at the end may be left out where height is short.
	Cut bool
}

// Column is a heading and how cells stand under it.
type Column struct {
	Name string
	Left bool // texts; numbers stand to the right
	Wide bool // may be shortened, so that the columns behind it fit; one of a table
}

// NewTable makes a table of columns.
func NewTable(columns ...Column) *Table { return &Table{columns: columns} }

// Row adds a row, a cell for each column.
func (t *Table) Row(cells ...string) { t.rows = append(t.rows, cells) }

// Print writes the page. bold: headings may be.
func (p *Page) Print(w io.Writer, size Size, bold bool) error {
	var b strings.Builder
	for _, line := range p.lines(size, bold) {
		b.WriteString(line + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// lines are the page's, no longer and no more than the size allows.
func (p *Page) lines(size Size, bold bool) (out []string) {
	size.Width = max(size.Width, widthMin)
	rows := p.rowsOf(size)
	for i, part := range p.parts {
		if part.table == nil {
			out = append(out, strong(shorten(part.line, size.Width), part.bold && bold))
			continue
		}
		for at, line := range part.table.lines(size.Width, rows[i]) {
			out = append(out, strong(line, at == 0 && bold))
		}
	}
	if size.Height > 0 && len(out) > size.Height {
		out = out[:size.Height]
	}
	return out
}

// rowsOf says how many rows of each table are shown: tables that may be cut
// give their last rows up by turns, the longest first.
func (p *Page) rowsOf(size Size) []int {
	rows, height := make([]int, len(p.parts)), 0
	for i, part := range p.parts {
		height++
		if part.table != nil {
			rows[i] = len(part.table.rows)
			height += rows[i]
		}
	}
	for size.Height > 0 && height > size.Height {
		longest := -1
		for i, part := range p.parts {
			if part.table != nil && part.table.Cut && rows[i] > rowsMin && (longest < 0 || rows[i] > rows[longest]) {
				longest = i
			}
		}
		if longest < 0 {
			break
		}
		rows[longest]--
		height--
	}
	return rows
}

// lines are the heading and so many rows. Where rows are left out, the last
// line says so.
func (t *Table) lines(width, rows int) (out []string) {
	left := len(t.rows) - rows
	if left > 0 {
		rows--
		left++
	}
	widths := t.widths(t.rows[:rows], width)
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.Name
	}
	out = append(out, t.line(names, widths))
	for _, row := range t.rows[:rows] {
		out = append(out, t.line(row, widths))
	}
	if left > 0 {
		out = append(out, shorten(fmt.Sprintf("… and %d more", left), width))
	}
	return out
}

// widths are the columns', as many of them as fit: one that is wide may be as
// narrow as wideMin for that, and has what the others leave then.
func (t *Table) widths(rows [][]string, width int) (widths []int) {
	total, wide := -columnSpace, -1
	for i, c := range t.columns {
		n := utf8.RuneCountInString(c.Name)
		for _, row := range rows {
			n = max(n, utf8.RuneCountInString(row[i]))
		}
		least := n
		if c.Wide {
			wide, least = i, min(n, wideMin)
		}
		if i > 0 && total+columnSpace+least > width {
			break
		}
		widths = append(widths, n)
		total += columnSpace + least
	}
	switch {
	case len(widths) == 1:
		widths[0] = min(widths[0], width)
	case wide >= 0 && wide < len(widths):
		widths[wide] = min(widths[wide], min(widths[wide], wideMin)+width-total)
	}
	return widths
}

// line puts cells under each other.
func (t *Table) line(cells []string, widths []int) string {
	var b strings.Builder
	for i, width := range widths {
		cell := shorten(cells[i], width)
		space := strings.Repeat(" ", width-utf8.RuneCountInString(cell))
		if i > 0 {
			b.WriteString(strings.Repeat(" ", columnSpace))
		}
		if t.columns[i].Left {
			b.WriteString(cell + space)
		} else {
			b.WriteString(space + cell)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// shorten cuts a text, and replaces what would move the cursor.
func shorten(text string, width int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	runes := []rune(text)
	return string(runes[:max(width-1, 0)]) + "…"
}

func strong(line string, bold bool) string {
	if !bold || line == "" {
		return line
	}
	return "\x1b[1m" + line + "\x1b[0m"
}
