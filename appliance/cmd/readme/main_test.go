package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestDocumentsAreUpToDate(t *testing.T) {
	for _, d := range documents {
		text, err := os.ReadFile(filepath.Join("../../..", d.name))
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := d.fresh(text)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(fresh, text) {
			t.Errorf("%s is older than the tables in the code: make gen", d.name)
		}
	}
}

func TestReplacePartWantsBothMarks(t *testing.T) {
	text := []byte("a\n<!-- generated: x (make gen) -->\nold\n<!-- end of x -->\nb\n")
	fresh, err := replacePart(text, "x", []byte("new\n"))
	if want := "a\n<!-- generated: x (make gen) -->\nnew\n<!-- end of x -->\nb\n"; err != nil || string(fresh) != want {
		t.Errorf("%q %v, want %q", fresh, err, want)
	}
	if _, err := replacePart(text, "y", nil); err == nil {
		t.Error("a part that is not there was replaced")
	}
}
