package status

import "errors"

var (
	// ErrAnswer says that what answers is neither memcached nor an operator's port.
	ErrAnswer = errors.New("neither memcached nor panda's operator's port answers there")
	// ErrUnauthenticated says that the server wants to know who asks.
	ErrUnauthenticated = errors.New("the server wants authentication; ask panda's operator's port instead")
	// ErrFormat says that a port's JSON is of another version.
	ErrFormat = errors.New("the port answers in another format: it is of another version of panda")
	// ErrClosed says that the server is gone, or going.
	ErrClosed = errors.New("the server closed the connection")
	// ErrSilent says that the server has hung up in all but the connection.
	ErrSilent = errors.New("the node has said nothing for a minute: what became of the snapshot stands in its log")
	// ErrTooLong says that a reply has no end.
	ErrTooLong = errors.New("the reply is too long")
)
