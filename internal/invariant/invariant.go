package invariant

// That panics, where assertions are on, unless ok. What is a constant string:
// building a text on a hot path would cost even where nothing is checked.
func That(ok bool, what string) {
	if On && !ok {
		panic("BUG: " + what)
	}
}

// Unreachable panics in every build: the program is where its author proved it
// cannot be, and going on would damage what is still whole.
func Unreachable(what string) {
	panic("BUG: unreachable: " + what)
}
