// Package console is how panda's commands talk to a person at a terminal: tables,
// numbers, and a screen that is drawn again and again.
//
// # Where it sits
//
// appliance/status and appliance/cli use it; it imports nothing of ours and
// nothing heavy. What it makes is plain text; where a terminal allows it,
// headings are bold.
//
// # Types
//
//   - Page: lines and tables, cut to a width and a height when it is printed.
//   - Table: rows under headings, numbers to the right. What does not fit is left
//     out from the right, column by column, or from the end, row by row, and said.
//   - Screen: a terminal that pages are drawn on, one in the place of the other;
//     or a file, to which they are written.
//
// Count, Bytes, Share, Duration and Span write numbers for people.
//
// # Invariants
//
//  1. Nothing of what is printed is longer than the width, and no byte of it is a
//     control character: neither moves a terminal's cursor. Names that clients
//     chose are escaped by whoever passes them.
//  2. NO_COLOR, TERM=dumb and a file turn bold headings off.
//
// # Tests
//
// go test ./appliance/console; goldens of whole pages are appliance/status's.
package console
