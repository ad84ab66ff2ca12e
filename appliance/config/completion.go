package config

import "strings"

// Word is a name that a command line may be completed with, and what it is.
type Word struct{ Name, Help string }

// SettingWords are the settings whose names begin so, as NAME=; and once a name
// stands there, NAME=VALUE of those whose values are few.
func SettingWords(begin string) (words []Word) {
	name, _, named := strings.Cut(begin, "=")
	for i := range settings {
		s := &settings[i]
		switch {
		case !named && strings.HasPrefix(s.name, begin):
			words = append(words, Word{s.name + "=", s.help})
		case named && s.name == name:
			for _, v := range s.values() {
				words = append(words, Word{Name: name + "=" + v})
			}
		}
	}
	return words
}

// FlagWords are the few values of a setting that a flag sets; nil: any.
func FlagWords(setting string) (words []Word) {
	for _, v := range settingNamed(setting).values() {
		words = append(words, Word{Name: v})
	}
	return words
}

// values are all that a setting may be, where they are few.
func (s *setting) values() []string {
	if s.kind == truth {
		return []string{"true", "false"}
	}
	return s.choices
}

// File reports whether a flag's value is a text that may be a file's name.
func (f *Flag) File() bool {
	s := settingNamed(f.Setting)
	return s.kind == text && s.choices == nil
}

// MemcachedWords are memcached's flags that begin so.
func MemcachedWords(begin string) (words []Word) {
	for i := range flags {
		o := &flags[i]
		if o.state == Refused {
			continue
		}
		if o.short != 0 {
			words = append(words, Word{"-" + string(o.short), o.note})
		}
		if o.long != "" {
			words = append(words, Word{"--" + o.long, o.note})
		}
	}
	return beginning(words, begin)
}

// SuboptionWords are the names of memcached's -o that begin so.
func SuboptionWords(begin string) (words []Word) {
	for i := range suboptions {
		o := &suboptions[i]
		if o.state != Refused {
			name := o.long
			if o.want != "" {
				name += "="
			}
			words = append(words, Word{name, o.note})
		}
	}
	return beginning(words, begin)
}

func beginning(words []Word, begin string) (kept []Word) {
	for _, w := range words {
		if strings.HasPrefix(w.Name, begin) {
			kept = append(kept, w)
		}
	}
	return kept
}
