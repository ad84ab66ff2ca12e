package peer

import "syscall"

// attributes makes the kernel kill a server when the thread that started it
// dies, which is when we do: no goroutine of ours ends a locked thread.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
