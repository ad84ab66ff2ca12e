package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// A Policy is imports.txt: for every package, what it may import.
type Policy struct {
	order []string
	rules map[string]rule
	light []string // third-party modules that several packages may import
}

// rule is a package's line.
type rule struct {
	local []string // packages of ours, all of them on lines above
	third []string // third-party modules
	tests []string // what its tests may import besides, ours or third-party
}

// alwaysForTests is what any package's tests may import.
var alwaysForTests = []string{"internal/alloctest", "internal/invariant"}

// ParsePolicy reads imports.txt. Findings are offences of the file itself: a
// line that names a package which is not above it, or a package with two lines.
func ParsePolicy(text string) (p *Policy, findings []string) {
	p = &Policy{rules: map[string]rule{}}
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		name, rest, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		name = strings.TrimSpace(name)
		columns := strings.SplitN(rest+"||", "|", 4)
		if name == "light" {
			p.light = append(p.light, strings.Fields(columns[1])...)
			continue
		}
		r := rule{strings.Fields(columns[0]), strings.Fields(columns[1]), strings.Fields(columns[2])}
		for _, dep := range r.local {
			if _, above := p.rules[dep]; !above {
				findings = append(findings, fmt.Sprintf("imports.txt:%d: %s names %s, which is not above it", i+1, name, dep))
			}
		}
		if _, twice := p.rules[name]; twice {
			findings = append(findings, fmt.Sprintf("imports.txt:%d: %s has a line already", i+1, name))
		}
		p.rules[name] = r
		p.order = append(p.order, name)
	}
	return p, findings
}

// Imports finds imports that the policy does not name, packages without a
// line, and lines without a package.
func (t *Tree) Imports(p *Policy) (findings []string) {
	names, _ := t.packages()
	for _, name := range names {
		if _, ok := p.rules[name]; !ok {
			findings = append(findings, fmt.Sprintf("package %s has no line in imports.txt", name))
		}
	}
	for _, name := range p.order {
		if !slices.Contains(names, name) {
			findings = append(findings, fmt.Sprintf("imports.txt: there is no package %s", name))
		}
	}
	for _, f := range t.files {
		r, ok := p.rules[f.pkg]
		if !ok {
			continue
		}
		for _, imported := range f.imports() {
			if !r.allows(f.pkg, f.test, imported) {
				findings = append(findings, fmt.Sprintf("%s: %s may not import %s", f.name, f.pkg, imported))
			}
		}
	}
	return findings
}

// allows says whether a file of pkg may import a path.
func (r rule) allows(pkg string, test bool, imported string) bool {
	local, ours := strings.CutPrefix(imported, Module)
	if !ours {
		first, _, _ := strings.Cut(imported, "/")
		return !strings.Contains(first, ".") || // the standard library
			hasModule(r.third, imported) || test && hasModule(r.tests, imported)
	}
	if slices.Contains(r.local, local) {
		return true
	}
	return test && (local == pkg || slices.Contains(r.tests, local) || slices.Contains(alwaysForTests, local))
}

// hasModule reports whether one of modules is imported's path or a prefix of it.
func hasModule(modules []string, imported string) bool {
	return slices.ContainsFunc(modules, func(m string) bool {
		return imported == m || strings.HasPrefix(imported, m+"/")
	})
}

// OneImporter finds third-party modules that several packages may import.
func (p *Policy) OneImporter() (findings []string) {
	owner := map[string]string{}
	for _, name := range p.order {
		for _, module := range p.rules[name].third {
			if first, taken := owner[module]; taken && !slices.Contains(p.light, module) {
				findings = append(findings, fmt.Sprintf("imports.txt: %s is given to both %s and %s", module, first, name))
			}
			owner[module] = name
		}
	}
	return findings
}
