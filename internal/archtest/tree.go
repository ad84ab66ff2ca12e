package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strings"
)

// Module is the path all our packages begin with.
const Module = "github.com/pandabeardb/panda/"

// A Tree is the repository's Go source, parsed.
type Tree struct {
	fset  *token.FileSet
	files []file
	top   []string // names at the top level
}

// file is one Go file.
type file struct {
	name      string // "slab/index.go"
	pkg       string // its folder: "slab"
	lines     int
	test      bool
	generated bool
	text      string
	ast       *ast.File
}

// Load parses every Go file below root, except testdata and dot folders.
func Load(root fs.FS) (*Tree, error) {
	t := &Tree{fset: token.NewFileSet()}
	entries, err := fs.ReadDir(root, ".")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		t.top = append(t.top, e.Name())
	}
	err = fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped(p):
			return fs.SkipDir
		case d.IsDir() || path.Ext(p) != ".go":
			return nil
		}
		return t.add(root, p)
	})
	return t, err
}

// skipped says which folders hold no source of ours.
func skipped(dir string) bool {
	name := path.Base(dir)
	return dir != "." && (strings.HasPrefix(name, ".") || name == "testdata" || dir == "bin")
}

func (t *Tree) add(root fs.FS, name string) error {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(t.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	t.files = append(t.files, file{
		name:      name,
		pkg:       path.Dir(name),
		lines:     strings.Count(string(text), "\n"),
		test:      strings.HasSuffix(name, "_test.go"),
		generated: ast.IsGenerated(parsed),
		text:      string(text),
		ast:       parsed,
	})
	return nil
}

// packages returns the folders that hold Go files, in order of their names,
// and whether they hold nothing but tests.
func (t *Tree) packages() (names []string, testOnly map[string]bool) {
	testOnly = map[string]bool{}
	for _, f := range t.files {
		only, seen := testOnly[f.pkg]
		if !seen {
			names = append(names, f.pkg)
			only = true
		}
		testOnly[f.pkg] = only && f.test
	}
	return names, testOnly
}

// imports returns the import paths of a file.
func (f *file) imports() []string {
	var paths []string
	for _, spec := range f.ast.Imports {
		paths = append(paths, strings.Trim(spec.Path.Value, `"`))
	}
	return paths
}

// at renders a position in a file for a finding.
func (t *Tree) at(n ast.Node) string {
	p := t.fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}
