package ascii

// What a meta command's flags can get wrong.
const (
	ErrFormat        = "CLIENT_ERROR bad command line format\r\n"
	ErrTooManyFlags  = "CLIENT_ERROR options flags are too long\r\n"
	ErrDuplicateFlag = "CLIENT_ERROR duplicate flag\r\n"
	ErrUnknownFlag   = "CLIENT_ERROR invalid flag\r\n"
	ErrToken         = "CLIENT_ERROR bad token in command line format\r\n"
	ErrDecodeKey     = "CLIENT_ERROR error decoding key\r\n"
	ErrModeLength    = "CLIENT_ERROR incorrect length for M token\r\n"
	ErrInitial       = "CLIENT_ERROR invalid numeric initial value\r\n"
	ErrDelta         = "CLIENT_ERROR invalid numeric delta value\r\n"
)

// Flags is what the flags of a meta command ask for. Some flags are only
// looked at again when the reply is made: Request keeps their order.
type Flags struct {
	Key         []byte // decoded if need be
	KeyEncoded  bool   // b
	Value       bool   // v
	Vivify      bool   // N
	NoBump      bool   // u
	Quiet       bool   // q
	Invalidate  bool   // I
	RemoveValue bool   // x
	HasTTL      bool   // T
	HasCAS      bool   // C
	HasNewCAS   bool   // E
	Mode        byte   // M's letter, 0 without M

	ClientFlags uint32 // F
	TTL         int32  // T, seconds as the client gave them
	VivifyTTL   int32  // N
	RecacheTTL  int32  // R
	CAS         uint64 // C
	NewCAS      uint64 // E
	Initial     uint64 // J
	Delta       uint64 // D

	seen    [2]uint64 // which letters came, a bit each
	decoded [MaxKey/4*3 + 3]byte
}

// reset forgets everything but the memory of decoded keys.
func (f *Flags) reset() {
	f.Key = nil
	f.KeyEncoded, f.Value, f.Vivify, f.NoBump, f.Quiet = false, false, false, false, false
	f.Invalidate, f.RemoveValue, f.HasTTL, f.HasCAS, f.HasNewCAS = false, false, false, false, false
	f.Mode = 0
	f.ClientFlags, f.TTL, f.VivifyTTL, f.RecacheTTL = 0, 0, 0, 0
	f.CAS, f.NewCAS, f.Initial, f.Delta = 0, 0, 0, 1
	f.seen = [2]uint64{}
}

// Has reports whether the flag came.
func (f *Flags) Has(letter byte) bool {
	return letter < 128 && f.seen[letter>>6]&(1<<(letter&63)) != 0
}

// Parse reads the flags of r from token first on; token 1 is the key. It
// returns "" or the error to send. As in memcached, a second or unknown flag
// ends the reading, and of other errors the last one counts.
func (f *Flags) Parse(r *Request, first int, d Dialect) (errText string) {
	f.reset()
	f.Key = r.Token(1)
	if first >= r.Len() {
		return ""
	}
	failed, text := false, ErrFormat
	for i := first; i < r.Len(); i++ {
		token := r.Token(i)
		letter := token[0]
		if letter >= 127 || f.Has(letter) {
			return ErrDuplicateFlag
		}
		f.seen[letter>>6] |= 1 << (letter & 63)
		e, ok := f.flag(token, r.Tail(i), d)
		if ok {
			continue
		}
		if e == ErrUnknownFlag {
			return e
		}
		failed = true
		if e != "" {
			text = e
		}
	}
	if failed {
		return text
	}
	return ""
}

// flag takes in one flag. An error without a text leaves the one before.
func (f *Flags) flag(token, tail []byte, d Dialect) (errText string, ok bool) {
	switch letter, arg := token[0], token[1:]; letter {
	case 'O', 'P', 'L', 'k', 's', 't', 'c', 'f', 'l', 'h':
		return "", true
	case 'v':
		f.Value = true
	case 'q':
		f.Quiet = true
	case 'u':
		f.NoBump = true
	case 'I':
		f.Invalidate = true
	case 'b':
		f.KeyEncoded = true
		n := DecodeKey(f.decoded[:], f.Key)
		f.Key = f.decoded[:n]
		return ErrDecodeKey, n > 0
	case 'N':
		f.Vivify = true
		f.VivifyTTL, ok = d.argInt32(arg)
		return ErrToken, ok
	case 'T':
		f.TTL, ok = d.argInt32(arg)
		f.HasTTL = ok
		return ErrToken, ok
	case 'R':
		f.RecacheTTL, ok = d.argInt32(arg)
		return ErrToken, ok
	case 'F':
		f.ClientFlags, ok = d.argUint32(arg)
		return "", ok
	case 'C':
		f.CAS, ok = d.argUint64(arg)
		f.HasCAS = ok
		return ErrToken, ok
	case 'M':
		return f.mode(arg, tail, d)
	case 'J':
		f.Initial, ok = d.argUint64(arg)
		return ErrInitial, ok
	case 'D':
		f.Delta, ok = d.argUint64(arg)
		return ErrDelta, ok
	default:
		return f.newFlag(letter, arg, d)
	}
	return "", true
}

// newFlag takes in the flags that came after 1.6.18: x and E.
func (f *Flags) newFlag(letter byte, arg []byte, d Dialect) (errText string, ok bool) {
	switch {
	case d == Old:
		return ErrUnknownFlag, false
	case letter == 'x':
		f.RemoveValue = true
		return "", true
	case letter == 'E':
		f.NewCAS, ok = d.argUint64(arg)
		f.HasNewCAS = ok
		return ErrToken, ok
	}
	return ErrUnknownFlag, false
}

// mode reads M. The new dialect takes the byte that follows the M, whatever it
// is, so that a bare M has the mode of the space or newline behind it.
func (f *Flags) mode(arg, tail []byte, d Dialect) (errText string, ok bool) {
	switch {
	case d == Old && len(arg) != 1:
		return ErrModeLength, false
	case len(arg) > 0:
		f.Mode = arg[0]
	case len(tail) > 1:
		f.Mode = tail[1]
	default:
		f.Mode = '\n'
	}
	return "", true
}

func (d Dialect) argUint64(arg []byte) (uint64, bool) {
	if len(arg) == 0 {
		return 0, false
	}
	return d.Uint64(arg)
}

func (d Dialect) argUint32(arg []byte) (uint32, bool) {
	if len(arg) == 0 {
		return 0, false
	}
	return d.Uint32(arg)
}

func (d Dialect) argInt32(arg []byte) (int32, bool) {
	if len(arg) == 0 {
		return 0, false
	}
	return d.Int32(arg)
}

// MetaShape reports whether the new dialect's tokenizer takes the line for a
// meta command: from token first on, each must begin with a letter, one of
// [\]^_` or a digit.
func (r *Request) MetaShape(first int) bool {
	for i := first; i < r.n; i++ {
		c := r.line[r.tokens[i].start]
		if c-'A' > 'z'-'A' && c-'0' > 9 {
			return false
		}
	}
	return true
}
