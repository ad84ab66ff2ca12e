package load

import "strconv"

// template is a request in which only the digits of keys change.
type template struct {
	bytes []byte
	keys  []int // where a key's digits go, one place per key
	value int   // where the stored value's digits go, 0 for none

	opaque int // where the request's number goes, 0 for none
}

// put writes the digits of key i of a request that starts at dst.
func (t *template) put(dst []byte, i int, key uint32) {
	putDigits(dst[t.keys[i]:], key)
	if t.value > 0 {
		putDigits(dst[t.value:], key)
	}
}

// templates is what the streams of a run share; it is read-only.
type templates struct {
	get, set template
	bare     bool // a value's line names no key, and nothing follows the value: meta, RESP
	binary   bool
	quiet    bool // binary, and only hits and noops are answered
	anyKey   bool

	// head and tail stand before and after the digits in the line that
	// announces a value ("VALUE key:" and " 0 100\r\n"); when it is bare, head is the
	// whole line ("VA 100\r\n").
	head, tail string
	end        string // what ends a get's reply, or says that it missed
	stored     string
	// value is a reply's data block with its line end; its first digits
	// places, when it has so many, are the key's.
	value []byte
}

func newTemplates(c *Config) *templates {
	t := &templates{bare: c.Meta || c.RESP, anyKey: c.AnyKey, value: valueOf(c.ValueSize)}
	size := strconv.Itoa(c.ValueSize)
	if c.Binary {
		t.useBinary(c)
		return t
	}
	if c.RESP {
		t.useRESP(c)
		return t
	}
	if c.Meta {
		t.get = newTemplate("mg ", c.KeyPrefix, 1, " v\r\n", nil)
		t.set = newTemplate("ms ", c.KeyPrefix, 1, " "+size+"\r\n", t.value)
		t.head, t.end, t.stored = "VA "+size+"\r\n", "EN\r\n", "HD\r\n"
		return t
	}
	t.get = newTemplate("get", " "+c.KeyPrefix, c.KeysPerGet, "\r\n", nil)
	t.set = newTemplate("set ", c.KeyPrefix, 1, " 0 0 "+size+"\r\n", t.value)
	t.head, t.tail = "VALUE "+c.KeyPrefix, " 0 "+size+"\r\n"
	t.end, t.stored = "END\r\n", "STORED\r\n"
	return t
}

// useRESP makes the templates of redis's protocol.
func (t *templates) useRESP(c *Config) {
	key := "$" + strconv.Itoa(len(c.KeyPrefix)+digits) + "\r\n" + c.KeyPrefix
	size := "$" + strconv.Itoa(c.ValueSize) + "\r\n"
	t.get = newTemplate("*2\r\n$3\r\nGET\r\n", key, 1, "\r\n", nil)
	t.set = newTemplate("*3\r\n$3\r\nSET\r\n", key, 1, "\r\n"+size, t.value)
	t.head, t.end, t.stored = size, "$-1\r\n", "+OK\r\n"
}

func newTemplate(verb, prefix string, keys int, tail string, value []byte) template {
	t := template{bytes: []byte(verb)}
	for range keys {
		t.bytes = append(t.bytes, prefix...)
		t.keys = append(t.keys, len(t.bytes))
		t.bytes = append(t.bytes, "00000000"...)
	}
	t.bytes = append(t.bytes, tail...)
	if len(value) >= digits+2 {
		t.value = len(t.bytes)
	}
	t.bytes = append(t.bytes, value...)
	return t
}

// valueOf returns a value of size bytes and its line end. The letters cycle
// with a length that divides no buffer size, so that a block which was lost or
// moved shows.
func valueOf(size int) []byte {
	v := make([]byte, size, size+2)
	for i := range v {
		v[i] = 'a' + byte(i%23)
	}
	if size >= digits {
		putDigits(v, 0)
	}
	return append(v, "\r\n"...)
}
