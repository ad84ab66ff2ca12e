//go:build !race

package invariant

// On reports whether assertions are checked: in race builds.
const On = false
