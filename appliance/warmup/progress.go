package warmup

import "sync/atomic"

// An Outcome is what became of a key that the source listed.
type Outcome uint8

const (
	Stored      Outcome = iota
	Kept                // the target had the key already
	Vanished            // gone from the source before it was asked for
	Expiring            // in the very second
	Stale               // marked so in the source
	Unreachable         // no command can carry the key
	Unreadable          // no line of a dump
	Unanswered          // the source answered with an error
	TooLarge            // for the target
	NoMemory            // in the target
	Refused             // by the target, for another reason
	outcomes
)

// outcomeTexts say what Outcomes mean, in a summary.
var outcomeTexts = [outcomes]string{
	Stored:      "stored",
	Kept:        "kept: the target had the key already",
	Vanished:    "gone from the source meanwhile",
	Expiring:    "about to expire",
	Stale:       "marked stale in the source",
	Unreachable: "binary keys too long for the protocol",
	Unreadable:  "lines of the dump that could not be read",
	Unanswered:  "answered with an error by the source",
	TooLarge:    "too large for the target",
	NoMemory:    "the target is out of memory",
	Refused:     "refused by the target",
}

// String is what became of a key, in words.
func (o Outcome) String() string { return outcomeTexts[o] }

// Skips are the Outcomes but Stored, the harmless ones first.
func Skips() []Outcome {
	all := make([]Outcome, 0, outcomes-1)
	for o := Stored + 1; o < outcomes; o++ {
		all = append(all, o)
	}
	return all
}

// Failed reports whether an outcome is one that somebody should look at.
func (o Outcome) Failed() bool { return o >= Unreadable }

// Progress is what was done so far. Any goroutine may read it at any time.
type Progress struct {
	expected atomic.Int64 // items in the source when the import began
	listed   atomic.Int64 // lines of the dump
	complete atomic.Bool  // the dump has been read to its end
	bytes    atomic.Int64 // of values carried
	counts   [outcomes]atomic.Int64
	refusal  atomic.Pointer[string] // the first error of either side about an item
	spill    atomic.Pointer[error]  // why keys could not go to a file
}

// Expected is about how many items there are: exact as soon as all are listed.
func (p *Progress) Expected() int64 {
	if p.complete.Load() {
		return p.listed.Load()
	}
	return max(p.expected.Load(), p.listed.Load())
}

// Done is how many keys have an outcome.
func (p *Progress) Done() (n int64) {
	for o := range p.counts {
		n += p.counts[o].Load()
	}
	return n
}

// Count is how many keys had an outcome.
func (p *Progress) Count(o Outcome) int64 { return p.counts[o].Load() }

// Bytes is how many bytes of values were carried.
func (p *Progress) Bytes() int64 { return p.bytes.Load() }

// Refusal is the first error that either side gave for an item, or "".
func (p *Progress) Refusal() string {
	if text := p.refusal.Load(); text != nil {
		return *text
	}
	return ""
}

// Spill is why keys could not wait in a file, so that the source had to wait
// for us, or nil.
func (p *Progress) Spill() error {
	if err := p.spill.Load(); err != nil {
		return *err
	}
	return nil
}

func (p *Progress) add(o Outcome, n int64) { p.counts[o].Add(n) }

// refuse counts an error that either side gave for an item.
func (p *Progress) refuse(o Outcome, text []byte) {
	p.add(o, 1)
	if p.refusal.Load() == nil {
		s := string(text)
		p.refusal.CompareAndSwap(nil, &s)
	}
}
