package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/wire/memcache"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: readme README.md")
		os.Exit(2)
	}
	if err := rewrite(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "readme:", err)
		os.Exit(1)
	}
}

// rewrite brings the file's generated parts up to date.
func rewrite(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	fresh, err := generate(text)
	if err != nil || bytes.Equal(fresh, text) {
		return err
	}
	return os.WriteFile(name, fresh, 0o644)
}

// generate returns the text with its generated parts up to date.
func generate(text []byte) ([]byte, error) {
	text, err := replacePart(text, "commands", []byte(memcache.SupportTable()))
	if err != nil {
		return nil, err
	}
	return replacePart(text, "flags", config.AppendMarkdown(nil))
}

// replacePart puts part between the two comments that name it.
func replacePart(text []byte, name string, part []byte) ([]byte, error) {
	head := []byte("<!-- generated: " + name + " (make gen) -->\n")
	tail := []byte("<!-- end of " + name + " -->\n")
	before, rest, opened := bytes.Cut(text, head)
	_, after, closed := bytes.Cut(rest, tail)
	if !opened || !closed {
		return nil, fmt.Errorf("no generated part %q", name)
	}
	return bytes.Join([][]byte{before, head, part, tail, after}, nil), nil
}
