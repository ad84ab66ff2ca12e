package binary

// Opcode is a command, as the header names it.
type Opcode uint8

// The opcodes that memcached knows. Those of ranges (30 to 3c) are in its header
// file and unknown to it.
const (
	Get        Opcode = 0x00
	Set        Opcode = 0x01
	Add        Opcode = 0x02
	Replace    Opcode = 0x03
	Delete     Opcode = 0x04
	Increment  Opcode = 0x05
	Decrement  Opcode = 0x06
	Quit       Opcode = 0x07
	Flush      Opcode = 0x08
	GetQ       Opcode = 0x09
	Noop       Opcode = 0x0a
	Version    Opcode = 0x0b
	GetK       Opcode = 0x0c
	GetKQ      Opcode = 0x0d
	Append     Opcode = 0x0e
	Prepend    Opcode = 0x0f
	Stat       Opcode = 0x10
	SetQ       Opcode = 0x11
	AddQ       Opcode = 0x12
	ReplaceQ   Opcode = 0x13
	DeleteQ    Opcode = 0x14
	IncrementQ Opcode = 0x15
	DecrementQ Opcode = 0x16
	QuitQ      Opcode = 0x17
	FlushQ     Opcode = 0x18
	AppendQ    Opcode = 0x19
	PrependQ   Opcode = 0x1a
	Touch      Opcode = 0x1c
	GAT        Opcode = 0x1d
	GATQ       Opcode = 0x1e
	SASLList   Opcode = 0x20
	SASLAuth   Opcode = 0x21
	SASLStep   Opcode = 0x22
	GATK       Opcode = 0x23
	GATKQ      Opcode = 0x24
)

// presence says whether a request has a part.
type presence uint8

const (
	never  presence = iota // or it is invalid
	always                 // or it is invalid
	either
	unseen // of a value: nobody looks whether there is one, and it is taken for the next request
)

// Command is what an opcode asks for, and the shape that its requests must have.
type Command struct {
	Name     string // "" when there is no such opcode
	Base     Opcode // the opcode that it is a variant of, or itself
	Quiet    bool   // it is not answered when nothing is to be told
	WithKey  bool   // the reply has the key
	extras   uint8  // how many bytes
	noExtras bool   // or none
	key      presence
	value    presence
}

// commands are the shapes that proto_bin.c's dispatch checks.
var commands = [256]Command{
	Get:        {"Get", Get, false, false, 0, false, always, never},
	GetQ:       {"GetQ", Get, true, false, 0, false, always, never},
	GetK:       {"GetK", Get, false, true, 0, false, always, never},
	GetKQ:      {"GetKQ", Get, true, true, 0, false, always, never},
	GAT:        {"GAT", GAT, false, false, 4, false, always, unseen},
	GATQ:       {"GATQ", GAT, true, false, 4, false, always, unseen},
	GATK:       {"GATK", GAT, false, true, 4, false, always, unseen},
	GATKQ:      {"GATKQ", GAT, true, true, 4, false, always, unseen},
	Touch:      {"Touch", Touch, false, false, 4, false, always, unseen},
	Set:        {"Set", Set, false, false, 8, false, always, either},
	SetQ:       {"SetQ", Set, true, false, 8, false, always, either},
	Add:        {"Add", Add, false, false, 8, false, always, either},
	AddQ:       {"AddQ", Add, true, false, 8, false, always, either},
	Replace:    {"Replace", Replace, false, false, 8, false, always, either},
	ReplaceQ:   {"ReplaceQ", Replace, true, false, 8, false, always, either},
	Append:     {"Append", Append, false, false, 0, false, always, either},
	AppendQ:    {"AppendQ", Append, true, false, 0, false, always, either},
	Prepend:    {"Prepend", Prepend, false, false, 0, false, always, either},
	PrependQ:   {"PrependQ", Prepend, true, false, 0, false, always, either},
	Delete:     {"Delete", Delete, false, false, 0, false, always, never},
	DeleteQ:    {"DeleteQ", Delete, true, false, 0, false, always, never},
	Increment:  {"Increment", Increment, false, false, 20, false, always, never},
	IncrementQ: {"IncrementQ", Increment, true, false, 20, false, always, never},
	Decrement:  {"Decrement", Decrement, false, false, 20, false, always, never},
	DecrementQ: {"DecrementQ", Decrement, true, false, 20, false, always, never},
	Stat:       {"Stat", Stat, false, false, 0, false, either, unseen},
	Flush:      {"Flush", Flush, false, false, 4, true, never, never},
	FlushQ:     {"FlushQ", Flush, true, false, 4, true, never, never},
	Noop:       {"Noop", Noop, false, false, 0, false, never, never},
	Version:    {"Version", Version, false, false, 0, false, never, never},
	Quit:       {"Quit", Quit, false, false, 0, false, never, never},
	QuitQ:      {"QuitQ", Quit, true, false, 0, false, never, never},
	SASLList:   {"SASL list mechanisms", SASLList, false, false, 0, false, never, never},
	SASLAuth:   {"SASL authenticate", SASLAuth, false, false, 0, false, always, either},
	SASLStep:   {"SASL step", SASLStep, false, false, 0, false, always, either},
}

// Command describes an opcode.
func (o Opcode) Command() *Command { return &commands[o] }

// Fits reports whether the lengths of a consistent request are those of the
// command's.
func (c *Command) Fits(r *Request) bool {
	if r.ExtrasLen != c.extras && (r.ExtrasLen != 0 || !c.noExtras) {
		return false
	}
	if c.value == never && r.headLen() != int64(r.BodyLen) {
		return false
	}
	return c.key == either || (r.KeyLen != 0) == (c.key == always)
}
