package compat

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A driver is who reads what a client wrote, and writes what it is to read, by
// the other protocol than the client's.
type driver struct {
	net.Conn
	reader *bufio.Reader
	binary bool
}

var errAbsent = errors.New("there is no such item")

// drive opens a connection. It is the caller's to close.
func (s *server) drive(binary bool) (*driver, error) {
	c, err := net.Dial(s.network, s.address)
	if err != nil {
		return nil, err
	}
	return &driver{c, bufio.NewReader(c), binary}, nil
}

func (d *driver) set(key, value string, flags uint32, ttl int) error {
	if d.binary {
		extras := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, flags), uint32(ttl))
		_, _, err := d.packet(packet{opcode: opSet, extras: string(extras), key: key, value: value})
		return err
	}
	line, err := d.line(fmt.Sprintf("set %s %d %d %d\r\n%s\r\n", key, flags, ttl, len(value), value))
	if err == nil && line != "STORED\r\n" {
		err = fmt.Errorf("set %s: %q", key, line)
	}
	return err
}

// get returns an item's value and flags, or errAbsent.
func (d *driver) get(key string) (value string, flags uint32, err error) {
	if d.binary {
		extras, value, err := d.packet(packet{opcode: opGet, key: key})
		if err == nil {
			flags = binary.BigEndian.Uint32([]byte(extras))
		}
		return value, flags, err
	}
	line, err := d.line("get " + key + "\r\n")
	if err == nil && line == "END\r\n" {
		err = errAbsent
	}
	length := 0
	if err == nil {
		_, err = fmt.Sscanf(line, "VALUE "+strings.ReplaceAll(key, "%", "%%")+" %d %d\r\n", &flags, &length)
	}
	if err != nil {
		return "", 0, err
	}
	const end = "\r\nEND\r\n"
	rest := make([]byte, length+len(end))
	if _, err := io.ReadFull(d.reader, rest); err != nil || string(rest[length:]) != end {
		return "", 0, fmt.Errorf("get %s: %q ends with %q (%w)", key, line, rest[length:], err)
	}
	return string(rest[:length]), flags, nil
}

// line sends a request of text and returns the first line of the reply.
func (d *driver) line(request string) (string, error) {
	d.SetDeadline(time.Now().Add(replyLimit))
	if _, err := io.WriteString(d, request); err != nil {
		return "", err
	}
	return d.reader.ReadString('\n')
}

// packet sends a request of the binary protocol and returns the reply's parts.
func (d *driver) packet(p packet) (extras, value string, err error) {
	d.SetDeadline(time.Now().Add(replyLimit))
	if _, err := d.Write(p.bytes("", nil)); err != nil {
		return "", "", err
	}
	h := make([]byte, headerSize)
	if _, err := io.ReadFull(d.reader, h); err != nil {
		return "", "", err
	}
	body := make([]byte, binary.BigEndian.Uint32(h[atBody:]))
	if _, err := io.ReadFull(d.reader, body); err != nil {
		return "", "", err
	}
	switch status := binary.BigEndian.Uint16(h[atStatus:]); {
	case h[0] != 0x81 || h[1] != p.opcode:
		return "", "", fmt.Errorf("%x answers opcode %x", h, p.opcode)
	case status == 1: // PROTOCOL_BINARY_RESPONSE_KEY_ENOENT
		return "", "", errAbsent
	case status != 0:
		return "", "", fmt.Errorf("opcode %x of %s: status %x: %s", p.opcode, p.key, status, body)
	}
	return string(body[:h[atExtras]]), string(body[h[atExtras]:]), nil
}

// holds wants an item with a value and flags.
func (d *driver) holds(t *testing.T, key, value string, flags uint32) {
	t.Helper()
	if got, gotFlags, err := d.get(key); err != nil || got != value || gotFlags != flags {
		t.Errorf("%s is %.60q with flags %d (%v), wanted %.60q with flags %d", key, got, gotFlags, err, value, flags)
	}
}

// misses wants no item.
func (d *driver) misses(t *testing.T, key string) {
	t.Helper()
	if got, _, err := d.get(key); !errors.Is(err, errAbsent) {
		t.Errorf("%s is %.60q (%v), wanted none", key, got, err)
	}
}
