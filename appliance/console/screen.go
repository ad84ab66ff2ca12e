package console

import (
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// widthOfFiles is that of what is not read on a terminal: no key is cut.
const widthOfFiles = 200

// Screen is where pages are shown: a terminal, on which each takes the place of
// the one before, or a file.
type Screen struct {
	w    io.Writer
	fd   int  // of the terminal
	live bool // a terminal that can move its cursor
	bold bool
	open bool // the terminal shows its other page
	last *Page
}

// NewScreen makes one of a file. The environment says what its terminal can.
func NewScreen(w io.Writer, getenv func(string) string) *Screen {
	s := &Screen{w: w, fd: terminal(w)}
	if s.fd < 0 {
		return s
	}
	s.live = getenv("TERM") != "" && getenv("TERM") != "dumb"
	s.bold = s.live && getenv("NO_COLOR") == ""
	return s
}

// Terminal reports whether a person reads w.
func Terminal(w io.Writer) bool { return terminal(w) >= 0 }

// terminal is w's descriptor; -1: it is no terminal.
func terminal(w io.Writer) (fd int) {
	f, ok := w.(*os.File)
	if !ok {
		return -1
	}
	if _, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err != nil {
		return -1
	}
	return int(f.Fd())
}

// Live reports whether pages can follow each other in one place.
func (s *Screen) Live() bool { return s.live }

// size asks the terminal, which may have changed.
func (s *Screen) size() Size {
	if s.fd >= 0 {
		if ws, err := unix.IoctlGetWinsize(s.fd, unix.TIOCGWINSZ); err == nil && ws.Col > 0 {
			return Size{Width: int(ws.Col), Height: int(ws.Row)}
		}
		return Size{Width: 80}
	}
	return Size{Width: widthOfFiles}
}

// Show writes a page behind what was written.
func (s *Screen) Show(p *Page) error {
	size := s.size()
	size.Height = 0
	return p.Print(s.w, size, s.bold)
}

// Draw shows a page in the place of the one before.
func (s *Screen) Draw(p *Page) error {
	if !s.live {
		return s.Show(p)
	}
	var b strings.Builder
	if !s.open {
		b.WriteString("\x1b[?1049h\x1b[?25l") // the other page, no cursor
		s.open = true
	}
	s.last = p
	size := s.size()
	size.Height = max(size.Height-1, 0) // the last line stays empty, for it would scroll
	b.WriteString("\x1b[H")
	for _, line := range p.lines(size, s.bold) {
		b.WriteString(line + "\x1b[K\r\n")
	}
	b.WriteString("\x1b[J")
	_, err := io.WriteString(s.w, b.String())
	return err
}

// Close gives the terminal back, with the last page on it.
func (s *Screen) Close() error {
	if !s.open {
		return nil
	}
	s.open = false
	if _, err := io.WriteString(s.w, "\x1b[?25h\x1b[?1049l"); err != nil {
		return err
	}
	return s.Show(s.last)
}
