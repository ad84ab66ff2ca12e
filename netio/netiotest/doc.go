// Package netiotest drives sessions through netio's own connection code over
// sockets that it pretends: no system call, no goroutine but in DialTLS, a clock
// that stands still, and the same result every time.
//
// # Where it sits
//
// Tests of sessions (wire/memcache) and of netio use it. It is the Host of a
// netio.Core; what differs from a server are only the sockets.
//
//	l := netiotest.New(t, func(p wire.Peer) wire.Session { return … }, netiotest.Options{})
//	c := l.Dial()
//	c.Send("get a\r\n")               // the loop runs until nothing is left to do
//	if got := c.Recv(); got != "END\r\n" { … }
//	c.SendSplit("set a 0 0 1\r\nx\r\n", 1)  // one byte at a time
//	c.SetWindow(100)                  // the socket takes 100 bytes until Recv
//	l.Advance(3 * time.Second)        // the clock moves, ticks happen
//
// # Types
//
//   - Loop: one loop, its clock and its connections.
//   - Client: the other end of a connection; TLSClient: one that speaks TLS.
//   - Options: how the pretended sockets behave.
//
// # Invariants
//
//  1. Events are edges, as on real sockets: one for each arrival, none for what
//     still lies there. A read that Options.ReadMax cut short gets another.
//  2. A socket that is closed with unread input, or is sent to after that,
//     resets, and what the client has not received by then is lost, as TCP may
//     do at its worst.
//  3. When the test ends every session is closed, exactly once, and none is
//     called after that; otherwise the test fails.
//  4. A loop that is never done (more than stepsMax batches) fails the test.
//  5. So does one that writes to a connection, or feeds or resumes its session,
//     before Options.Barrier has come to where the session asked it to wait.
//
// # Tests
//
// netiotest_test.go; netio's core_test.go uses all of it.
package netiotest
