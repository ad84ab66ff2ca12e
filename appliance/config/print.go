package config

import (
	"fmt"
	"strings"
)

// sections say what the settings with a dot in their name are about.
var sections = map[string]string{
	"memory":   "The store, which all protocols share.",
	"persist":  "What survives the process, see docs/durability.md.",
	"flash":    "A second tier of the store, on disks: what memcached calls extstore.",
	"memcache": "The memcache protocol.",
	"tls":      "TLS of the memcache protocol.",
	"log":      "The log, on stderr.",
	"admin":    "The operator's port.",
}

const printWidth = 100 // columns of comments

// Print is a config file that says the same: what was given, and as comments
// what was not. It names every setting.
func (s Settings) Print() string {
	var b strings.Builder
	b.WriteString("# Settings of `panda serve`: ./panda.toml, or else /etc/panda/panda.toml, or --config.\n" +
		"# A line with # in front of its name is the default. Flags win over this file.\n")
	section := ""
	for i := range settings {
		row := &settings[i]
		group, name := row.place()
		if group != section {
			section = group
			fmt.Fprintf(&b, "\n# %s\n[%s]\n", sections[group], group)
		}
		b.WriteByte('\n')
		writeComment(&b, row.help+" "+row.why())
		v, ok := s.given[row.name]
		if !ok {
			v = row.initialValue()
			b.WriteString("#")
		}
		fmt.Fprintf(&b, "%s = %s\n", name, row.show(v))
	}
	return b.String()
}

// place is the setting's section, and its name there.
func (s *setting) place() (section, name string) {
	if before, after, ok := strings.Cut(s.name, "."); ok {
		return before, after
	}
	return "", s.name
}

// why is what is allowed, and the reason of the default.
func (s *setting) why() string {
	allowed := s.allowed()
	return fmt.Sprintf("%s%s. Default %s: %s.", strings.ToUpper(allowed[:1]), allowed[1:], s.show(s.initialValue()), s.reason)
}

// writeComment writes a text as lines of comment.
func writeComment(b *strings.Builder, text string) {
	line := "#"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > printWidth {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
}

// AppendSettings appends docs/settings.md.
func AppendSettings(dst []byte) []byte {
	dst = append(dst, "# Settings of `panda serve`\n\n"+
		"Made from the table in `appliance/config/settings.go` by `make gen`. They stand in one TOML file: the one that\n"+
		"`--config` names, else `./panda.toml`, else `/etc/panda/panda.toml`, where there is one. Flags win over the file;\n"+
		"what has no flag of its own is given with `--set NAME=VALUE`. A setting that is not in this table is refused, with\n"+
		"its line. `panda serve --print-config` prints the settings in force, as a file with comments.\n"...)
	section := "?"
	for i := range settings {
		s := &settings[i]
		group, name := s.place()
		if group != section {
			section = group
			title := "Without a section"
			if group != "" {
				title = "[" + group + "]"
			}
			dst = fmt.Appendf(dst, "\n## %s\n\n", title)
			if group != "" {
				dst = fmt.Appendf(dst, "%s\n\n", sections[group])
			}
			dst = append(dst, "| setting | flag | default | allowed | what it does; why the default |\n|---|---|---|---|---|\n"...)
		}
		flag := ""
		if s.flag != "" {
			flag = "`--" + s.flag + "`"
		}
		if s.short != "" {
			flag += " `-" + s.short + "`"
		}
		dst = fmt.Appendf(dst, "| `%s` | %s | `%s` | %s | %s Default: %s. |\n", name, flag, s.show(s.initialValue()), cell(s.allowed()), cell(s.help), cell(s.reason))
	}
	return dst
}
