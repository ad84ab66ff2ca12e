package archtest

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"strings"
)

// quotedName is `package.Name` or `package.Type.Method` in a text.
var quotedName = regexp.MustCompile("`([a-z]+)((?:\\.[A-Za-z]+)+)`")

// Names finds names in a text that the source does not have: each `package.Name`
// whose package is one of ours must be declared there.
func (t *Tree) Names(text string) (findings []string) {
	declared := t.declared()
	for _, match := range quotedName.FindAllStringSubmatch(text, -1) {
		names, ours := declared[match[1]]
		parts := strings.Split(match[2][1:], ".")
		if ours && parts[len(parts)-1] != "go" && !names[parts[len(parts)-1]] {
			findings = append(findings, fmt.Sprintf("%s%s is named, but not declared", match[1], match[2]))
		}
	}
	return findings
}

// declared returns, by the last element of a package's folder, what it declares
// at the top level, and the methods of its types and interfaces.
func (t *Tree) declared() map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for _, f := range t.files {
		if f.test {
			continue
		}
		name := path.Base(f.pkg)
		if all[name] == nil {
			all[name] = map[string]bool{}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				all[name][n.Name.Name] = true
				return false
			case *ast.TypeSpec:
				all[name][n.Name.Name] = true
			case *ast.ValueSpec:
				for _, ident := range n.Names {
					all[name][ident.Name] = true
				}
			case *ast.InterfaceType:
				for _, m := range n.Methods.List {
					for _, ident := range m.Names {
						all[name][ident.Name] = true
					}
				}
			}
			return true
		})
	}
	return all
}
