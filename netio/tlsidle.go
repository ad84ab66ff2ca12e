package netio

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// crypto/tls keeps the buffer of the largest record that a connection has sent
// for as long as it lives: up to 40 KB. What no byte lies in is taken out of
// it when a connection has been idle from one look to the next. A crypto/tls
// whose fields are others keeps its buffers, and TestTLSIdleBuffers fails.

// tlsFields are where a tls.Conn has its buffers; 0: it has none.
type tlsFields struct {
	rawInput uintptr // bytes.Buffer: records
	input    uintptr // bytes.Reader: plaintext, which lies in rawInput's memory
	hand     uintptr // bytes.Buffer: of the handshake
}

// tlsLayout is that of the crypto/tls that this was built with.
var tlsLayout = tlsFields{
	rawInput: tlsField("rawInput", reflect.TypeFor[bytes.Buffer]()),
	input:    tlsField("input", reflect.TypeFor[bytes.Reader]()),
	hand:     tlsField("hand", reflect.TypeFor[bytes.Buffer]()),
}

func tlsField(name string, want reflect.Type) uintptr {
	f, ok := reflect.TypeFor[tls.Conn]().FieldByName(name)
	if !ok || f.Type != want {
		return 0
	}
	return f.Offset
}

// shrink gives the buffers of a connection to the collector, unless there is
// something in them.
func (c *TLSConn) shrink() {
	l := &tlsLayout
	if l.rawInput == 0 || l.input == 0 || l.hand == 0 || c.left > 0 {
		return
	}
	base := unsafe.Pointer(c.conn)
	raw := (*bytes.Buffer)(unsafe.Add(base, l.rawInput))
	input := (*bytes.Reader)(unsafe.Add(base, l.input))
	hand := (*bytes.Buffer)(unsafe.Add(base, l.hand))
	if raw.Len() > 0 || input.Len() > 0 || hand.Len() > 0 {
		return
	}
	*raw, *input, *hand = bytes.Buffer{}, bytes.Reader{}, bytes.Buffer{}
}
