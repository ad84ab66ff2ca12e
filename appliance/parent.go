package appliance

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// A process that is started by -d or for an upgrade, and the one that waits for
// it, speak lines:
//
//	child                           parent
//	memory                          I want the memory file: stop serving, and save
//	                                go
//	ready                           all addresses are bound, nobody is served yet
//	                                go
//	serving                         clients are served
//	                                main (an upgrade: the service manager knows the new process)
//	failed "text"                   and the process ends
const (
	sayMemory  = "memory"
	sayReady   = "ready"
	sayServing = "serving"
	sayFailed  = "failed"
	sayGo      = "go"
	sayMain    = "main"
)

// parent is the process that waits for this one's start.
type parent struct {
	conn    *os.File
	lines   *bufio.Reader
	upgrade bool // it serves, and hands over
}

// parentFrom opens the connection whose descriptor the environment names:
// "3:daemon" or "3:upgrade".
func parentFrom(text string) (*parent, error) {
	if text == "" {
		return nil, nil
	}
	number, purpose, _ := strings.Cut(text, ":")
	fd, err := strconv.Atoi(number)
	if err != nil || fd <= 2 {
		return nil, fmt.Errorf("%s=%q names no descriptor", envParent, text)
	}
	syscall.CloseOnExec(fd)
	conn := os.NewFile(uintptr(fd), "parent")
	return &parent{conn: conn, lines: bufio.NewReader(conn), upgrade: purpose == forUpgrade}, nil
}

// inUpgrade reports whether another process serves until this one does.
func (p *parent) inUpgrade() bool { return p != nil && p.upgrade }

// say tells the parent something. One that is gone does not listen, and is not needed.
func (p *parent) say(word string) {
	if p != nil {
		io.WriteString(p.conn, word+"\n")
	}
}

// await waits until the parent of an upgrade says word. It reports whether it did.
func (p *parent) await(word string) bool {
	line, err := p.lines.ReadString('\n')
	return err == nil && line == word+"\n"
}

// failed tells why the start failed.
func (p *parent) failed(err error) {
	p.say(sayFailed + " " + strconv.Quote(err.Error()))
	p.close()
}

// close ends the conversation.
func (p *parent) close() {
	if p != nil {
		p.conn.Close()
	}
}
