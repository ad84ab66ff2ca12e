package memcache

import "testing"

func TestFirst(t *testing.T) {
	p := newRig(t, Config{}).dial()
	p.want("set a 5 0 5\r\nhello\r\n", "STORED\r\n")
	p.want("get a b\r\n", "VALUE a 5 5\r\nhello\r\nEND\r\n")
}
