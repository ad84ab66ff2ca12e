package slab

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Slots is the number of hash slots of the keyspace: Redis Cluster's, for all
// protocols (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/, "Key distribution model").
const (
	Slots    = 1 << slotBits
	slotBits = 14
)

// Key is a key with what is derived from it.
type Key struct {
	DB    uint16
	Slot  uint16 // CRC16 of the key, or of its {tag}, modulo Slots
	Bytes []byte
	Hash  uint64 // seeded; of database and bytes
}

// slotOf is the slot of a key: only what stands between the first '{' and the
// next '}' counts, when that is not empty.
func slotOf(key []byte) uint16 {
	if open := bytes.IndexByte(key, '{'); open >= 0 {
		if n := bytes.IndexByte(key[open+1:], '}'); n > 0 {
			key = key[open+1 : open+1+n]
		}
	}
	return crc16(key) & (Slots - 1)
}

// crcTables[k][b] is the CRC-16/XMODEM (polynomial 0x1021) of byte b followed
// by k zero bytes, so that eight bytes are folded by eight independent look-ups.
var crcTables = func() (t [8][256]uint16) {
	for b := range 256 {
		crc := uint16(b) << 8
		for range 8 {
			carry := crc & 0x8000
			crc <<= 1
			if carry != 0 {
				crc ^= 0x1021
			}
		}
		t[0][b] = crc
	}
	for k := 1; k < 8; k++ {
		for b := range 256 {
			prev := t[k-1][b]
			t[k][b] = prev<<8 ^ t[0][prev>>8]
		}
	}
	return t
}()

func crc16(p []byte) uint16 {
	var crc uint16
	for len(p) >= 8 {
		crc = crcTables[7][p[0]^byte(crc>>8)] ^ crcTables[6][p[1]^byte(crc)] ^
			crcTables[5][p[2]] ^ crcTables[4][p[3]] ^ crcTables[3][p[4]] ^
			crcTables[2][p[5]] ^ crcTables[1][p[6]] ^ crcTables[0][p[7]]
		p = p[8:]
	}
	for _, b := range p {
		crc = crc<<8 ^ crcTables[0][byte(crc>>8)^b]
	}
	return crc
}

// Odd constants with balanced bits: the fractions of the golden ratio and of
// the square roots of 2 and 3.
const (
	mixA = 0x9e3779b97f4a7c15
	mixB = 0x6a09e667f3bcc909
	mixC = 0xbb67ae8584caa73b
)

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// wide maps a hash to 0..n-1 by its high bits.
func wide(hash, n uint64) uint64 {
	hi, _ := bits.Mul64(hash, n)
	return hi
}

// hash is a seeded 64-bit hash made of folded 128-bit products, for the index
// only: it is stored nowhere but in this process's memory.
func hash(seed uint64, db uint16, p []byte) uint64 {
	n := len(p)
	h := seed ^ fold(uint64(n)^mixB, uint64(db)^mixA)
	for len(p) > 16 {
		h = fold(binary.LittleEndian.Uint64(p)^mixA, binary.LittleEndian.Uint64(p[8:])^h)
		p = p[16:]
	}
	var a, b uint64
	switch {
	case len(p) >= 8:
		a = binary.LittleEndian.Uint64(p)
		b = binary.LittleEndian.Uint64(p[len(p)-8:])
	case len(p) >= 4:
		a = uint64(binary.LittleEndian.Uint32(p))
		b = uint64(binary.LittleEndian.Uint32(p[len(p)-4:]))
	case len(p) > 0:
		a = uint64(p[0])<<16 | uint64(p[len(p)>>1])<<8 | uint64(p[len(p)-1])
	}
	return fold(fold(a^mixB, b^h)^mixC, seed^mixA)
}
