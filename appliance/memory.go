package appliance

import "log/slog"

const (
	// memoryOutside is what the process needs beside the store's limit: program,
	// connections' buffers, the Go heap, half a huge page; docs/memory.md has the parts.
	memoryOutside = 24 << 20
	// memoryShare is the precision to which the store keeps to its limit, in percent.
	memoryShare = 1
)

// memoryBound is one limit of what this process can have.
type memoryBound struct {
	bytes int64
	where string // file that says so; "": the machine's memory
}

// memoryNeed is what a process whose store is full may come to.
func memoryNeed(storeBytes int64) int64 {
	return storeBytes + storeBytes/100*memoryShare + memoryOutside
}

// warnMemory says what the store will not get, before it is missing.
func warnMemory(log *slog.Logger, storeBytes int64, bounds []memoryBound) {
	for _, b := range bounds {
		switch {
		case b.bytes >= memoryNeed(storeBytes):
		case b.where == "":
			log.Warn("-m is more than this machine's memory allows: it swaps, or the kernel ends a process, before the store is full",
				"memory_bytes", storeBytes, "needed_bytes", memoryNeed(storeBytes), "machine_bytes", b.bytes)
		default:
			log.Warn("-m is more than the cgroup's memory limit allows: the kernel ends this process before the store is full",
				"memory_bytes", storeBytes, "needed_bytes", memoryNeed(storeBytes), "cgroup_bytes", b.bytes, "cgroup", b.where)
		}
	}
}

// memoryRefused is told by the store that the kernel gives it no more.
func (n *Node) memoryRefused(haveBytes int64, err error) {
	n.log.Warn("the kernel refuses more memory before -m is reached: the store goes on with what it has, as if it were full",
		"memory_bytes", n.config.Memcache.Settings.MaxBytes, "got_bytes", haveBytes, "error", err)
}
