package config

import (
	"fmt"
	"strings"
)

// AppendMarkdown appends the tables of flags and -o names, as the README shows
// them.
func AppendMarkdown(dst []byte) []byte {
	dst = append(dst, "| flag | | what it does, or why it cannot matter |\n|---|---|---|\n"...)
	for i := range flags {
		o := &flags[i]
		name := "`" + o.spelling() + "`"
		if o.short != 0 && o.long != "" {
			name += " `--" + o.long + "`"
		}
		dst = fmt.Appendf(dst, "| %s | %s | %s |\n", name, o.state, cell(o.note))
	}
	dst = append(dst, "\n| name of `-o` | | |\n|---|---|---|\n"...)
	for i := range suboptions {
		o := &suboptions[i]
		dst = fmt.Appendf(dst, "| `%s` | %s | %s |\n", o.long, o.state, cell(o.note))
	}
	return dst
}

func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
