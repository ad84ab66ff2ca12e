package config

import (
	"fmt"
	"strings"
)

// argument says whether a flag takes a value.
type argument uint8

const (
	none argument = iota
	required
	optional // --long only, and only as --long=value
)

// State says what becomes of an option.
type State uint8

const (
	Effective State = iota // does what memcached's does
	Accepted               // read, checked, and without effect: it cannot matter here
	Refused                // the program ends and names it: we would be wrong
)

func (s State) String() string { return [...]string{"effective", "accepted", "refused"}[s] }

// option is one row: a flag, or a name of -o (short 0).
type option struct {
	short byte
	long  string
	arg   argument
	state State
	set   func(p *parser, value string) *Exit
	help  string // what -h says; "": not listed there
	note  string // what the README says
	want  string // of -o names: the complaint when the value is missing
}

// spelling is how messages and tables name the option.
func (o *option) spelling() string {
	switch {
	case o.short != 0:
		return "-" + string(o.short)
	case strings.HasPrefix(o.long, "compat"):
		return "--" + o.long
	}
	return "-o " + o.long
}

// parseFlags walks args as getopt_long does: short flags may be joined, a value
// may stand in the same word or in the next, long names may be shortened as far
// as they stay unique, "--" ends the flags, and what is no flag is passed over.
func (p *parser) parseFlags(args []string) *Exit {
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		var exit *Exit
		switch {
		case word == "--":
			return nil
		case strings.HasPrefix(word, "--"):
			args, exit = p.parseLong(word[2:], args)
		case len(word) > 1 && word[0] == '-':
			args, exit = p.parseShorts(word[1:], args)
		}
		if exit != nil {
			return exit
		}
	}
	return nil
}

// parseShorts handles "-vvp11211" without its dash.
func (p *parser) parseShorts(word string, args []string) ([]string, *Exit) {
	for i := range len(word) {
		o := findShort(word[i])
		if o == nil {
			return args, p.illegal("invalid option -- '%c'", word[i])
		}
		value := ""
		if o.arg == required {
			switch {
			case i+1 < len(word):
				value = word[i+1:]
			case len(args) > 0:
				value, args = args[0], args[1:]
			default:
				return args, p.illegal("option requires an argument -- '%c'", word[i])
			}
		}
		if exit := p.apply(o, value); exit != nil || o.arg == required {
			return args, exit
		}
	}
	return args, nil
}

// parseLong handles "name" or "name=value", the dashes gone.
func (p *parser) parseLong(word string, args []string) ([]string, *Exit) {
	name, value, given := strings.Cut(word, "=")
	o, exit := p.findLong(name, word)
	if exit != nil {
		return args, exit
	}
	switch {
	case o.arg == none && given:
		return args, p.illegal("option '--%s' doesn't allow an argument", o.long)
	case o.arg == required && !given:
		if len(args) == 0 {
			return args, p.illegal("option '--%s' requires an argument", o.long)
		}
		value, args = args[0], args[1:]
	}
	return args, p.apply(o, value)
}

func findShort(c byte) *option {
	for i := range flags {
		if flags[i].short == c && c != 0 {
			return &flags[i]
		}
	}
	return nil
}

// findLong finds a long name, or the only one that begins so.
func (p *parser) findLong(name, word string) (*option, *Exit) {
	var found []*option
	for i := range flags {
		if flags[i].long == name && name != "" {
			return &flags[i], nil
		}
		// Only memcached's own may be shortened, so that ours make none ambiguous.
		if flags[i].short != 0 && flags[i].long != "" && strings.HasPrefix(flags[i].long, name) {
			found = append(found, &flags[i])
		}
	}
	switch len(found) {
	case 0:
		return nil, p.illegal("unrecognized option '--%s'", word)
	case 1:
		return found[0], nil
	}
	var names strings.Builder
	for _, o := range found {
		fmt.Fprintf(&names, " '--%s'", o.long)
	}
	return nil, p.illegal("option '--%s' is ambiguous; possibilities:%s", word, names.String())
}

// illegal is what getopt and then memcached say of a flag that is none.
func (p *parser) illegal(format string, args ...any) *Exit {
	return fail(ExitFailure, "%s: %s\nIllegal argument \"?\"", p.program, fmt.Sprintf(format, args...))
}

// parseSuboptions walks the value of -o, "a,b=c", as getsubopt does.
func (p *parser) parseSuboptions(list string) *Exit {
	if list == "" {
		return nil
	}
	for token := range strings.SplitSeq(strings.TrimSuffix(list, ","), ",") {
		name, value, given := strings.Cut(token, "=")
		o := findSuboption(name)
		if o == nil {
			return fail(ExitFailure, "Illegal suboption \"%s\"", token)
		}
		if o.want != "" && !given {
			return fail(ExitFailure, "%s", o.want)
		}
		if exit := p.apply(o, value); exit != nil {
			return exit
		}
	}
	return nil
}

func findSuboption(name string) *option {
	for i := range suboptions {
		if suboptions[i].long == name {
			return &suboptions[i]
		}
	}
	return nil
}

// apply does what the row says.
func (p *parser) apply(o *option, value string) *Exit {
	switch {
	case o.state == Refused && o.set == nil:
		return o.refuse()
	case o.set == nil:
		return nil
	}
	return o.set(p, value)
}

// refuse names an option that we would get wrong. The codes are those of a
// memcached built without it.
func (o *option) refuse() *Exit {
	code := ExitUsage
	if o.short == 0 {
		code = ExitFailure
	}
	return fail(code, notSupported, o.spelling(), o.note)
}
