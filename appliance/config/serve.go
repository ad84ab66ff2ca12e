package config

import (
	"fmt"
	"strings"
)

// ExitConfig is the code of a config file that cannot be used (EX_CONFIG).
const ExitConfig = 78

// File is a config file: the name is for messages.
type File struct {
	Name string // "": there is none
	Data []byte
}

// Flag is a setting that can be given on the command line of `panda serve`.
type Flag struct {
	Name, Short string
	Setting     string
	Initial     string // the default
	Help        string
	Switch      bool // true without a value
	Repeats     bool // several are one list
}

// Flags are the settings that have a flag of their own. All others are given
// with --set.
func Flags() (flags []Flag) {
	for i := range settings {
		s := &settings[i]
		if s.flag == "" {
			continue
		}
		first, rest, _ := strings.Cut(s.help, " ")
		if len(first) == 1 || first != strings.ToUpper(first) { // not UDP, TLS
			first = strings.ToLower(first[:1]) + first[1:]
		}
		help := first + " " + strings.TrimSuffix(rest, ".")
		flags = append(flags, Flag{Name: s.flag, Short: s.short, Setting: s.name, Initial: s.initial, Help: help,
			Switch: s.kind == truth, Repeats: s.kind == list})
	}
	return flags
}

// Override is a setting that the command line gave: it wins over the file.
type Override struct {
	Spelling string // for messages: "--memory"
	Setting  string
	Text     string
}

// Settings are what `panda serve` was told.
type Settings struct {
	given     given
	file      string
	spellings map[string]string // of settings that the command line gave
}

// ReadSettings reads a file and what the command line adds. What is wrong is
// told with the file's line and the setting's name, all of it at once.
func ReadSettings(file File, overrides []Override) (Settings, *Exit) {
	s := Settings{given: given{}, file: file.Name, spellings: map[string]string{}}
	if file.Name != "" {
		values, problems := readFile(file.Data)
		if len(problems) == 0 {
			problems = trySettings(file.Data, values)
		}
		if len(problems) > 0 {
			return Settings{}, &Exit{Code: ExitConfig, Stderr: complaints(file.Name, problems)}
		}
		s.given = values
	}
	for _, o := range overrides {
		row := settingNamed(o.Setting)
		if row == nil {
			return Settings{}, fail(ExitUsage, "panda: %s: unknown setting %s%s", o.Spelling, o.Setting, suggest(o.Setting))
		}
		t := o.Text
		if row.kind == size && row.name == "memory.limit" && isDigits(t) {
			t += "MB" // as memcached's -m
		}
		v, err := row.parse(t)
		if err == nil {
			err = row.set(newParser("panda serve"), v)
		}
		if err != nil {
			return Settings{}, fail(ExitUsage, "panda: %s: %s", o.Spelling, strings.TrimRight(err.Error(), "\n"))
		}
		s.given[row.name], s.spellings[row.name] = v, o.Spelling
	}
	return s, nil
}

// trySettings applies values one by one, to tell what is wrong with each.
func trySettings(data []byte, values given) (problems []problem) {
	var lines map[string]int
	for i := range settings {
		row := &settings[i]
		v, ok := values[row.name]
		if !ok {
			continue
		}
		if err := row.set(newParser("panda serve"), v); err != nil {
			if lines == nil {
				lines = keyLines(data)
			}
			problems = append(problems, problem{lines[row.name], row.name + ": " + strings.TrimRight(err.Error(), "\n")})
		}
	}
	return problems
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func complaints(file string, problems []problem) string {
	var b strings.Builder
	for i, p := range problems {
		if i == problemsMax {
			fmt.Fprintf(&b, "%s: and %d more\n", file, len(problems)-i)
			break
		}
		fmt.Fprintf(&b, "%s:%d: %s\n", file, p.line, p.text)
	}
	return b.String()
}

// Serve makes the Config of `panda serve`: memcache on loopback unless it is
// told otherwise, so that a node without authentication is not open to others
// by default; root need not say who it wants to be; and an address that
// another server has is an error, though the other family's be free.
func Serve(s Settings) (Config, *Exit) {
	p := newParser("panda serve")
	p.c.BindAll = true
	p.c.File = s.file
	p.threads = 0
	for i := range settings {
		row := &settings[i]
		v, ok := s.given[row.name]
		if !ok {
			v = row.initialValue()
		}
		if err := row.set(p, v); err != nil {
			return Config{}, s.conflict(row.name, err.Error())
		}
	}
	if exit := s.itemMaxFits(p); exit != nil {
		return Config{}, exit
	}
	if err := p.finishServe(); err != nil {
		return Config{}, s.conflict("", err.Error())
	}
	return p.c, nil
}

// itemMaxFits checks the largest item against the memory, and blames one that was
// given: nobody can mend a default.
func (s *Settings) itemMaxFits(p *parser) *Exit {
	item, memory := settingNamed("memcache.item_max"), settingNamed("memory.limit")
	itemMax, limit := int64(p.c.Memcache.ItemSizeMax), p.c.Memcache.Settings.MaxBytes
	if itemMax <= limit/2 {
		return nil
	}
	shownItem, shownLimit := item.show(value{n: itemMax}), memory.show(value{n: limit})
	if _, given := s.given[item.name]; !given {
		return s.conflict(memory.name, fmt.Sprintf("%s is less than twice %s, which is %s unless it is given", shownLimit, item.name, shownItem))
	}
	return s.conflict(item.name, fmt.Sprintf("%s is more than half of %s, which is %s", shownItem, memory.name, shownLimit))
}

// conflict is about settings that do not go together. It blames who gave the one
// that is named; "": it may be any.
func (s *Settings) conflict(setting, text string) *Exit {
	text = strings.TrimRight(text, "\n")
	if spelling := s.spellings[setting]; spelling != "" {
		return fail(ExitUsage, "panda: %s: %s", spelling, text)
	}
	if setting != "" {
		text = setting + ": " + text
	}
	if s.file != "" {
		return fail(ExitConfig, "%s: %s", s.file, text)
	}
	return fail(ExitUsage, "panda: %s", text)
}
