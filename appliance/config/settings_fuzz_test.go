package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// FuzzConfig: no file makes the reader panic; what is refused is told with a
// line of that file; and what is accepted says the same when it is printed.
func FuzzConfig(f *testing.F) {
	names, _ := filepath.Glob("testdata/files/*.toml")
	for _, name := range append(names, "testdata/default.toml") {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add([]byte(strings.ReplaceAll(string(data), "\n#", "\n")))
	}
	f.Add([]byte("loops=2\nmemory={limit=\"1GB\",\"evictions\"=false}\n[memcache]\nlisten=[\"*\",'[::1]:1']\ngrowth_factor=2\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, exit := ReadSettings(File{"f", data}, nil)
		if exit != nil {
			lines := strings.Count(string(data), "\n") + 1
			for text := range strings.Lines(exit.Stderr) {
				checkComplaint(t, text, lines)
			}
			return
		}
		printed := s.Print()
		again, exit := ReadSettings(File{"f", []byte(printed)}, nil)
		if exit != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("printed as\n%s\nreads as %+v (%v), want %+v", printed, again, exit, s)
		}
		c, exit := Serve(s)
		d, exitAgain := Serve(again)
		if !reflect.DeepEqual(c, d) || (exit == nil) != (exitAgain == nil) {
			t.Fatalf("%+v (%v), then %+v (%v)", c, exit, d, exitAgain)
		}
	})
}

// checkComplaint wants "f:LINE: text", or the last line, which counts the rest.
func checkComplaint(t *testing.T, text string, lines int) {
	rest, ok := strings.CutPrefix(text, "f:")
	number, what, cut := strings.Cut(rest, ": ")
	if strings.HasPrefix(text, "f: and ") {
		return
	}
	if line := atoi(number); !ok || !cut || line < 1 || line > lines || len(what) < 2 {
		t.Fatalf("%q is no complaint about one of %d lines", text, lines)
	}
}
