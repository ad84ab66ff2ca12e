package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/pandabeardb/panda/disk/dio"
)

// newInspect is for those that show one kind of file each.
func newInspect(code *int, stderr io.Writer) *cobra.Command {
	c := &cobra.Command{
		Use:   "inspect",
		Short: "Show what is in files of a data folder, and what is damaged",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newInspectLog(code, stderr), newInspectSnapshot(code, stderr))
	return c
}

// inspectOptions are the flags of all of them.
type inspectOptions struct {
	json   bool
	values bool
}

func (o *inspectOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&o.json, "json", false, "print JSON, an object a line")
	f.BoolVar(&o.values, "values", false, "print values, too, in place of their length only")
}

// openInspected is the folder that a path leads to, and the file in it, if it is one.
func openInspected(path string) (disk dio.FS, name string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, "", err
	}
	if !info.IsDir() {
		path, name = filepath.Split(path)
	}
	if path == "" {
		path = "."
	}
	disk, err = dio.ReadOnlyFolder(path)
	return disk, name, err
}

// A lister prints lines, or JSON.
type lister struct {
	out   *bufio.Writer
	lines *json.Encoder // nil: text
}

func (o *inspectOptions) lister(w io.Writer) *lister {
	l := &lister{out: bufio.NewWriterSize(w, 64<<10)}
	if o.json {
		l.lines = json.NewEncoder(l.out)
		l.lines.SetEscapeHTML(false)
	}
	return l
}

// print prints an object as a line of JSON, or the text.
func (l *lister) print(object any, format string, args ...any) {
	if l.lines != nil {
		l.lines.Encode(object) // the writer keeps an error for flush
		return
	}
	fmt.Fprintf(l.out, format+"\n", args...)
}

func (l *lister) flush() error { return l.out.Flush() }

// quoted is bytes as text, if JSON can hold them as such; else Go's way of writing
// them stands in their place.
func quoted(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	text := strconv.QuoteToASCII(string(b))
	return text[1 : len(text)-1]
}
