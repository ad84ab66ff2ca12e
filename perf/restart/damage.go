package restart

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// flip flips a bit of an item's value in the memory file, where the value lies
// behind its key.
func flip(name string, number int) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	at, err := find(f, appendValue(appendKey(nil, number), number))
	if err != nil {
		return err
	}
	var b [1]byte
	at += int64(keyBytes + valueLeast/2)
	if _, err := f.ReadAt(b[:], at); err != nil {
		return err
	}
	b[0] ^= 0x10
	_, err = f.WriteAt(b[:], at)
	return err
}

// find is where a text lies in a file.
func find(f io.ReaderAt, text []byte) (int64, error) {
	const step = 8 << 20
	b := make([]byte, step+len(text))
	for at := int64(0); ; at += step {
		n, err := f.ReadAt(b, at)
		if i := bytes.Index(b[:n], text); i >= 0 {
			return at + int64(i), nil
		}
		if err == io.EOF {
			return 0, fmt.Errorf("%w: no item %q", ErrFile, text[:keyBytes])
		}
		if err != nil {
			return 0, err
		}
	}
}
