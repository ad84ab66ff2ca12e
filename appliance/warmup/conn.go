package warmup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	connectLimit = 10 * time.Second
	stallLimit   = 60 * time.Second // without a byte from or to a peer that owes us some
	dumpLimit    = 5 * time.Minute  // a crawler that finds nothing but expired items says nothing
	bufferBytes  = 64 << 10
)

// A peer is a connection to one side.
type peer struct {
	net.Conn
	name  string // of the side, and its address
	limit time.Duration
	r     *bufio.Reader
	w     *bufio.Writer
}

// connect opens a connection that ends with ctx.
func connect(ctx context.Context, dial Dial, side, address string) (*peer, error) {
	dialing, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	c, err := dial(dialing, network, address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", side, err)
	}
	context.AfterFunc(ctx, func() { c.Close() })
	p := &peer{Conn: c, name: side + " " + address, limit: stallLimit}
	p.r = bufio.NewReaderSize(p, bufferBytes)
	p.w = bufio.NewWriterSize(p, bufferBytes)
	return p, nil
}

// Read is net.Conn's, and does not wait for ever.
func (p *peer) Read(b []byte) (int, error) {
	p.SetReadDeadline(time.Now().Add(p.limit))
	n, err := p.Conn.Read(b)
	return n, p.failure(err)
}

// Write is net.Conn's, and does not wait for ever.
func (p *peer) Write(b []byte) (int, error) {
	p.SetWriteDeadline(time.Now().Add(p.limit))
	n, err := p.Conn.Write(b)
	return n, p.failure(err)
}

func (p *peer) failure(err error) error {
	switch {
	case err == nil || err == io.EOF:
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = ErrStalled
	}
	return fmt.Errorf("%s: %w", p.name, err)
}

// lost names the side whose connection ended.
func (p *peer) lost(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%s: closed the connection", p.name)
	}
	return err
}

// line returns the next line, which is borrowed until the next read. One that
// is longer than the buffer comes in part, for a Parse function to refuse.
func (p *peer) line() ([]byte, error) {
	line, err := p.r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		err = nil
	}
	return line, err
}

// reply returns the next reply, which borrows from the reader.
func (p *peer) reply() (Reply, error) {
	line, err := p.line()
	if err != nil {
		return Reply{}, p.lost(err)
	}
	r, _, err := ParseReply(line)
	if err != nil {
		return Reply{}, fmt.Errorf("%s: %w: %.80q", p.name, err, line)
	}
	return r, nil
}

// send writes text at once.
func (p *peer) send(text string) error {
	p.w.WriteString(text)
	return p.w.Flush()
}

// greet finds out whether the peer knows meta commands.
func (p *peer) greet() error {
	if err := p.send(end); err != nil {
		return err
	}
	line, err := p.line()
	if err != nil {
		return p.lost(err)
	}
	switch text := strings.TrimSpace(string(line)); text {
	case "MN":
		return nil
	case "ERROR":
		return fmt.Errorf("%s %w", p.name, ErrNoMeta)
	default:
		return fmt.Errorf("%s says %.80q", p.name, text)
	}
}

// items asks for the number of items; 0 when it is not told.
func (p *peer) items() (n int64, err error) {
	if err := p.send("stats\r\n"); err != nil {
		return 0, err
	}
	for {
		line, err := p.line()
		if err != nil {
			return 0, p.lost(err)
		}
		words := strings.Fields(string(line))
		if len(words) == 3 && words[0] == "STAT" {
			if words[1] == "curr_items" {
				n, _ = strconv.ParseInt(words[2], 10, 64)
			}
			continue
		}
		return max(n, 0), nil // END, or an error: there may be no statistics
	}
}
