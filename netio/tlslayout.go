package netio

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// What is known here of the inside of a tls.Conn serves two ends. Records are
// laid where crypto/tls would read them to, so that it makes no reader for each
// and asks no socket that has nothing. And its buffers, which it keeps as large
// as the largest record for as long as the connection lives, are taken from
// connections that do not use them: up to 40 KB each.
//
// A crypto/tls whose fields are others reads and keeps its buffers as it likes,
// and TestTLSLayout fails.

// tlsFields are where a tls.Conn has its buffers.
type tlsFields struct {
	rawInput uintptr // bytes.Buffer: records
	input    uintptr // bytes.Reader: plaintext, which lies in rawInput's memory
	hand     uintptr // bytes.Buffer: of the handshake
	known    bool    // all three
}

// tlsLayout is that of the crypto/tls that this was built with.
var tlsLayout = newTLSFields()

func newTLSFields() tlsFields {
	raw := tlsField("rawInput", reflect.TypeFor[bytes.Buffer]())
	input := tlsField("input", reflect.TypeFor[bytes.Reader]())
	hand := tlsField("hand", reflect.TypeFor[bytes.Buffer]())
	return tlsFields{raw, input, hand, raw > 0 && input > 0 && hand > 0}
}

// tlsField is where a field is; 0: there is no such field.
func tlsField(name string, want reflect.Type) uintptr {
	f, ok := reflect.TypeFor[tls.Conn]().FieldByName(name)
	if !ok || f.Type != want {
		return 0
	}
	return f.Offset
}

// rawInput, input and hand are fields of c.conn; the layout is known.
func (c *TLSConn) rawInput() *bytes.Buffer {
	return (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c.conn), tlsLayout.rawInput))
}

func (c *TLSConn) input() *bytes.Reader {
	return (*bytes.Reader)(unsafe.Add(unsafe.Pointer(c.conn), tlsLayout.input))
}

func (c *TLSConn) hand() *bytes.Buffer {
	return (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c.conn), tlsLayout.hand))
}

// lay gives crypto/tls its next record, unless it has one or the rest of one.
// The error is the socket's, which has no more for now or for good.
func (c *TLSConn) lay() error {
	if !tlsLayout.known || c.left > 0 || c.input().Len() > 0 {
		return nil
	}
	raw := c.rawInput()
	if raw.Len() > 0 {
		return nil
	}
	n := c.whole()
	for ; n == 0; n = c.whole() {
		if err := c.host.fill(c); err != nil {
			return err
		}
	}
	raw.Write(c.in[:n])
	c.in = c.in[n:]
	return nil
}

// shrink gives the buffers of a connection to the collector, unless there is
// something in them.
func (c *TLSConn) shrink() {
	if !tlsLayout.known || c.left > 0 {
		return
	}
	raw, input, hand := c.rawInput(), c.input(), c.hand()
	if raw.Len() > 0 || input.Len() > 0 || hand.Len() > 0 {
		return
	}
	*raw, *input, *hand = bytes.Buffer{}, bytes.Reader{}, bytes.Buffer{}
}
