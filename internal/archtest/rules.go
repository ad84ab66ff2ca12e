package archtest

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/token"
	"path"
	"slices"
	"strings"
)

const (
	functionLinesMax  = 70   // what fits a screen
	functionLinesBand = 90   // up to here a function is thought to have grown by accident
	fileLinesMax      = 1500 // above it nobody finds anything
	docLinesMin       = 10   // of text, in a package of more than smallPackageLines
	docLinesMax       = 60
	smallPackageLines = 200
)

// PackageDocs finds packages without a proper comment in doc.go.
func (t *Tree) PackageDocs() (findings []string) {
	names, testOnly := t.packages()
	for _, name := range names {
		var docs []file
		lines := 0
		for _, f := range t.files {
			if f.pkg != name || f.test {
				continue
			}
			lines += f.lines
			if f.ast.Doc != nil {
				docs = append(docs, f)
			}
		}
		switch {
		case testOnly[name] && len(docs) == 0:
			findings = append(findings, fmt.Sprintf("%s: tests only, and no doc.go", name))
		case len(docs) != 1 || path.Base(docs[0].name) != "doc.go":
			findings = append(findings, fmt.Sprintf("%s: wants one package comment, in doc.go", name))
		default:
			findings = append(findings, t.packageDoc(docs[0], lines)...)
		}
	}
	return findings
}

// packageDoc checks one package comment.
func (t *Tree) packageDoc(f file, packageLines int) (findings []string) {
	first := "Package " + f.ast.Name.Name + " "
	if f.ast.Name.Name == "main" {
		first = "Command " + path.Base(f.pkg) + " "
	}
	text := f.ast.Doc.Text()
	if !strings.HasPrefix(text, first) {
		findings = append(findings, fmt.Sprintf("%s: the comment does not begin %q", f.name, first))
	}
	n := 0
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			n++
		}
	}
	if packageLines > smallPackageLines && (n < docLinesMin || n > docLinesMax) {
		findings = append(findings, fmt.Sprintf("%s: %d lines of comment, wanted %d to %d", f.name, n, docLinesMin, docLinesMax))
	}
	return findings
}

// FunctionLengths finds functions in the band just above the limit.
func (t *Tree) FunctionLengths() (findings []string) {
	for _, f := range t.files {
		if f.generated {
			continue
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := t.fset.Position(fn.End()).Line - t.fset.Position(fn.Pos()).Line + 1
			if n > functionLinesMax && n <= functionLinesBand {
				findings = append(findings, fmt.Sprintf("%s: %s has %d lines, at most %d", t.at(fn), fn.Name.Name, n, functionLinesMax))
			}
		}
	}
	return findings
}

// FileLengths finds files that are too long.
func (t *Tree) FileLengths() (findings []string) {
	for _, f := range t.files {
		if f.lines > fileLinesMax && !f.generated {
			findings = append(findings, fmt.Sprintf("%s: %d lines, at most %d", f.name, f.lines, fileLinesMax))
		}
	}
	return findings
}

// Unsafe finds imports of unsafe outside the packages that manage raw memory.
func (t *Tree) Unsafe() (findings []string) {
	for _, f := range t.files {
		if f.pkg != "slab" && f.pkg != "netio" && !strings.HasPrefix(f.pkg, "netio/") && slices.Contains(f.imports(), "unsafe") {
			findings = append(findings, fmt.Sprintf("%s: unsafe only in slab and below netio", f.name))
		}
	}
	return findings
}

// SleepingTests finds tests that wait for time to pass: time.Sleep, and a bare
// receive from time.After that gives no reason on its line. As a case of a
// select time.After is a deadline.
func (t *Tree) SleepingTests() (findings []string) {
	for _, f := range t.files {
		if !f.test {
			continue
		}
		reasons := t.commentedLines(f)
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if isTime(n, "Sleep") {
					findings = append(findings, fmt.Sprintf("%s: time.Sleep in a test; use a fake clock, or poll a real condition with a deadline", t.at(n)))
				}
			case *ast.BlockStmt:
				for _, s := range n.List {
					if receivesAfter(s) && !reasons[t.fset.Position(s.Pos()).Line] {
						findings = append(findings, fmt.Sprintf("%s: <-time.After in a test without a reason on its line", t.at(s)))
					}
				}
			}
			return true
		})
	}
	return findings
}

// commentedLines are the lines of f on which a comment begins.
func (t *Tree) commentedLines(f file) map[int]bool {
	lines := map[int]bool{}
	for _, group := range f.ast.Comments {
		for _, c := range group.List {
			lines[t.fset.Position(c.Pos()).Line] = true
		}
	}
	return lines
}

// receivesAfter reports whether a statement is <-time.After(...) and no more.
func receivesAfter(s ast.Stmt) bool {
	statement, ok := s.(*ast.ExprStmt)
	if !ok {
		return false
	}
	receive, ok := statement.X.(*ast.UnaryExpr)
	if !ok || receive.Op != token.ARROW {
		return false
	}
	call, ok := receive.X.(*ast.CallExpr)
	if !ok {
		return false
	}
	after, ok := call.Fun.(*ast.SelectorExpr)
	return ok && isTime(after, "After")
}

// isTime reports whether e is time.name.
func isTime(e *ast.SelectorExpr, name string) bool {
	pkg, ok := e.X.(*ast.Ident)
	return ok && pkg.Name == "time" && e.Sel.Name == name
}

// PackageNames finds names that say nothing.
func (t *Tree) PackageNames() (findings []string) {
	names, _ := t.packages()
	for _, name := range names {
		for _, part := range strings.Split(name, "/") {
			switch part {
			case "util", "utils", "common", "helper", "helpers", "types", "manager", "misc", "shared", "base", "lib", "pkg":
				findings = append(findings, fmt.Sprintf("%s: a package is named for one thing of its domain", name))
			}
		}
	}
	return findings
}

// topLevel is what may stand at the top, besides dot files: what
// ARCHITECTURE.md maps, and the folders of later releases.
var topLevel = strings.Fields(`
	appliance netio slab wire disk cluster perf firmware packaging internal docs
	README.md ARCHITECTURE.md Makefile LICENSE go.mod go.sum
	bin panda-data`) // the last two are ignored by git: built, and served data

// TopLevel finds strangers at the top.
func (t *Tree) TopLevel() (findings []string) {
	for _, name := range t.top {
		if !strings.HasPrefix(name, ".") && !slices.Contains(topLevel, name) &&
			path.Ext(name) != ".pprof" && path.Ext(name) != ".test" {
			findings = append(findings, fmt.Sprintf("%s: does not belong at the top level", name))
		}
	}
	return findings
}

// buildTags are the tags a //go:build line may use.
var buildTags = strings.Fields("race ignore unix linux darwin freebsd amd64 arm64")

// BuildTags finds build constraints on anything but platforms and race.
func (t *Tree) BuildTags() (findings []string) {
	for _, f := range t.files {
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				expr, err := constraint.Parse(c.Text)
				if err != nil || c.Pos() > f.ast.Package {
					continue
				}
				expr.Eval(func(tag string) bool {
					if !slices.Contains(buildTags, tag) {
						findings = append(findings, fmt.Sprintf("%s: build tag %s", t.at(c), tag))
					}
					return true
				})
			}
		}
	}
	return findings
}
