package main

import (
	"bytes"
	"os"
	"testing"
)

func TestReadmeIsUpToDate(t *testing.T) {
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := generate(text)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(fresh, text) {
		t.Error("README.md is older than the tables in the code: make gen")
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
