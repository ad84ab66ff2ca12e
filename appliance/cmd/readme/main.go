package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/wire/memcache"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: readme folder")
		os.Exit(2)
	}
	if err := rewriteAll(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "readme:", err)
		os.Exit(1)
	}
}

// documents are the files with generated parts, and what they should be, given
// what they are.
var documents = []struct {
	name  string
	fresh func(text []byte) ([]byte, error)
}{
	{"README.md", generate},
	{"docs/settings.md", func([]byte) ([]byte, error) { return config.AppendSettings(nil), nil }},
}

// rewriteAll brings all documents of the folder up to date.
func rewriteAll(folder string) error {
	for _, d := range documents {
		name := filepath.Join(folder, d.name)
		text, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		fresh, err := d.fresh(text)
		if err != nil {
			return err
		}
		if bytes.Equal(fresh, text) {
			continue
		}
		if err := os.WriteFile(name, fresh, 0o644); err != nil {
			return err
		}
	}
	return nil
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
