package appliance

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// peersKnown: the kernel says who is at the other end of a unix socket, and has
// abstract ones.
const peersKnown = true

// peerOf is the user and the process at the other end.
func peerOf(conn *net.UnixConn) (uid, pid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var peer *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) { peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err == nil {
		err = os.NewSyscallError("getsockopt", failed)
	}
	if err != nil {
		return 0, 0, err
	}
	return int(peer.Uid), int(peer.Pid), nil
}
