package archtest

import (
	"os"
	"sync"
	"testing"
)

// repository is the tree that all rules look at, parsed once.
var repository = sync.OnceValues(func() (*Tree, error) { return Load(os.DirFS("../..")) })

func loadRepository(t *testing.T) *Tree {
	t.Helper()
	tree, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func loadPolicy(t *testing.T) *Policy {
	t.Helper()
	text, err := os.ReadFile("imports.txt")
	if err != nil {
		t.Fatal(err)
	}
	policy, findings := ParsePolicy(string(text))
	report(t, findings)
	return policy
}

func report(t *testing.T, findings []string) {
	t.Helper()
	for _, f := range findings {
		t.Error(f)
	}
}

func TestImports(t *testing.T)         { report(t, loadRepository(t).Imports(loadPolicy(t))) }
func TestOneImporter(t *testing.T)     { report(t, loadPolicy(t).OneImporter()) }
func TestPackageDocs(t *testing.T)     { report(t, loadRepository(t).PackageDocs()) }
func TestFunctionLengths(t *testing.T) { report(t, loadRepository(t).FunctionLengths()) }
func TestFileLengths(t *testing.T)     { report(t, loadRepository(t).FileLengths()) }
func TestUnsafe(t *testing.T)          { report(t, loadRepository(t).Unsafe()) }
func TestSleepingTests(t *testing.T)   { report(t, loadRepository(t).SleepingTests()) }
func TestPackageNames(t *testing.T)    { report(t, loadRepository(t).PackageNames()) }
func TestTopLevel(t *testing.T)        { report(t, loadRepository(t).TopLevel()) }
func TestBuildTags(t *testing.T)       { report(t, loadRepository(t).BuildTags()) }

func TestNames(t *testing.T) {
	text, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	report(t, loadRepository(t).Names(string(text)))
}
