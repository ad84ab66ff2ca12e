package status

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Limits of what is read of a server.
const (
	replyTimeout = 10 * time.Second // memcached under load answers `stats` within some ms
	replyMax     = 4 << 20          // a hundred times what 63 classes and 1,024 loops take
	rowMax       = 8 << 10          // of a line: names of files stand in some
)

// Source is a server that can be asked again and again.
type Source interface {
	Read(ctx context.Context) (*Reading, error)
	Close() error
}

// Open finds out what answers at an address: panda's operator's port, which
// speaks HTTP, or memcached. A path is that of a unix socket. The first words
// are memcached's, because HTTP answers those with an error, and memcached would
// end a connection that speaks HTTP.
func Open(ctx context.Context, address string) (Source, error) {
	plain, isURL := strings.CutPrefix(address, "http://")
	if isURL {
		return openAdmin(strings.TrimSuffix(plain, "/")), nil
	}
	c, err := dialCache(ctx, address)
	if err != nil {
		return nil, err
	}
	line, err := c.ask(ctx, "version")
	switch {
	case err == nil && strings.HasPrefix(line, "VERSION "):
		return c, nil
	case strings.HasPrefix(line, "HTTP/"):
		c.Close()
		return openAdmin(address), nil
	case strings.HasPrefix(line, "CLIENT_ERROR unauthenticated"):
		err = ErrUnauthenticated
	case err == nil || errors.Is(err, io.EOF) || errors.Is(err, ErrTooLong):
		err = ErrAnswer
	}
	c.Close()
	return nil, fmt.Errorf("%s: %w", address, err)
}

// admin is panda's operator's port.
type admin struct {
	url    string
	client http.Client
}

func openAdmin(address string) *admin {
	return &admin{
		url: "http://" + address + "/status",
		client: http.Client{
			Timeout:   replyTimeout,
			Transport: &http.Transport{}, // no proxy: it is on this host
		},
	}
}

// Read implements Source.
func (a *admin) Read(ctx context.Context) (*Reading, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url, nil)
	if err != nil {
		return nil, err
	}
	reply, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(io.LimitReader(reply.Body, replyMax+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > replyMax:
		return nil, ErrTooLong
	case reply.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %s: %.100q", a.url, reply.Status, strings.TrimSpace(string(body)))
	}
	return decode(body)
}

// decode reads the JSON of a reading.
func decode(body []byte) (*Reading, error) {
	r := &Reading{}
	switch err := json.Unmarshal(body, r); {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	case r.Format != Format:
		return nil, ErrFormat
	}
	return r, nil
}

// Close implements Source.
func (a *admin) Close() error {
	a.client.CloseIdleConnections()
	return nil
}

// cache is a server that speaks memcached's text protocol.
type cache struct {
	conn net.Conn
	in   *bufio.Reader
}

func dialCache(ctx context.Context, address string) (*cache, error) {
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	d := net.Dialer{Timeout: replyTimeout}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &cache{conn, bufio.NewReaderSize(conn, rowMax)}, nil
}

// send sends a command. Until done is called, the end of ctx ends reading, too.
func (c *cache) send(ctx context.Context, command string) (done func() bool, err error) {
	deadline := time.Now().Add(replyTimeout)
	if at, ok := ctx.Deadline(); ok && at.Before(deadline) {
		deadline = at
	}
	if err := c.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	done = context.AfterFunc(ctx, func() { c.conn.SetDeadline(time.Unix(1, 0)) })
	if _, err := io.WriteString(c.conn, command+"\r\n"); err != nil {
		done()
		return nil, err
	}
	return done, nil
}

// ask sends a command and returns the first line of the reply, with an error
// also what there is of it.
func (c *cache) ask(ctx context.Context, command string) (line string, err error) {
	done, err := c.send(ctx, command)
	if err != nil {
		return "", err
	}
	defer done()
	return c.line()
}

func (c *cache) line() (string, error) {
	line, err := c.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		err = ErrTooLong
	}
	return strings.TrimRight(string(line), "\r\n"), err
}

// rows asks for statistics.
func (c *cache) rows(ctx context.Context, command string) (Rows, error) {
	done, err := c.send(ctx, command)
	if err != nil {
		return nil, err
	}
	defer done()
	rows, size := Rows{}, 0
	line, err := c.line()
	for ; err == nil; line, err = c.line() {
		if size += len(line); size > replyMax {
			return nil, ErrTooLong
		}
		rest, isRow := strings.CutPrefix(line, "STAT ")
		name, value, _ := strings.Cut(rest, " ")
		switch {
		case line == "END":
			return rows, nil
		case strings.HasPrefix(line, "CLIENT_ERROR unauthenticated"):
			return nil, ErrUnauthenticated
		case !isRow:
			return nil, fmt.Errorf("%s is answered %.100q", command, line)
		}
		rows[name] = value
	}
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, io.EOF):
		err = ErrClosed
	}
	return nil, err
}

// Read implements Source. The time is ours: memcached's is in whole seconds.
func (c *cache) Read(ctx context.Context) (*Reading, error) {
	var t Tables
	for _, q := range []struct {
		command string
		rows    *Rows
	}{{"stats", &t.General}, {"stats items", &t.Items}, {"stats slabs", &t.Slabs}, {"stats settings", &t.Settings}} {
		rows, err := c.rows(ctx, q.command)
		if err != nil {
			return nil, err
		}
		*q.rows = rows
	}
	r := FromTables(t)
	r.TimeMS = time.Now().UnixMilli()
	return &r, nil
}

// Close implements Source.
func (c *cache) Close() error { return c.conn.Close() }
