package appliance

import (
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// memoryBounds are the machine's memory and the smallest limit of the cgroups
// that this process is in.
func memoryBounds() []memoryBound {
	var bounds []memoryBound
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		bounds = append(bounds, memoryBound{bytes: int64(info.Totalram) * int64(info.Unit)})
	}
	return append(bounds, cgroupBounds(os.DirFS("/"))...)
}

// cgroupBounds finds the smallest memory limit from this process's cgroups up,
// since each also holds for all below it. root is the file system.
func cgroupBounds(root fs.FS) []memoryBound {
	mounts, _ := fs.ReadFile(root, "proc/self/mountinfo")
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	var least []memoryBound
	for line := range strings.Lines(string(groups)) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, group, ok := strings.Cut(rest, ":")
		if !ok {
			continue
		}
		kind, files := "cgroup2", []string{"memory.max", "memory.high"}
		if controllers != "" {
			kind, files = "cgroup", []string{"memory.limit_in_bytes"}
			if !hasWord(controllers, "memory") {
				continue
			}
		}
		point, dir := cgroupMount(string(mounts), kind, group)
		for ; point != ""; dir = path.Dir(dir) {
			for _, file := range files {
				name := path.Join(point, dir, file)
				if n, ok := readLimit(root, name); ok && (len(least) == 0 || n < least[0].bytes) {
					least = []memoryBound{{n, name}}
				}
			}
			if dir == "/" {
				break
			}
		}
	}
	return least
}

// cgroupMount finds where the hierarchy of a kind is mounted, of version 1 the
// one with memory, and where in it the group is.
func cgroupMount(mounts, kind, group string) (point, dir string) {
	for line := range strings.Lines(mounts) {
		// number parent device root point options ... - type source options
		front, back, ok := strings.Cut(strings.TrimSpace(line), " - ")
		f, b := strings.Fields(front), strings.Fields(back)
		if !ok || len(f) < 5 || len(b) < 3 || b[0] != kind || kind == "cgroup" && !hasWord(b[2], "memory") {
			continue
		}
		// Only a part of the tree may be mounted, as in containers.
		inside, ok := strings.CutPrefix(path.Clean("/"+group)+"/", strings.TrimSuffix(f[3], "/")+"/")
		if !ok {
			inside = ""
		}
		return mountEscapes.Replace(f[4]), path.Clean("/" + inside)
	}
	return "", ""
}

// mountEscapes undoes what the kernel does to paths in mountinfo.
var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// readLimit reads a number of bytes. "max", like no file, is no limit.
func readLimit(root fs.FS, name string) (int64, bool) {
	text, err := fs.ReadFile(root, strings.TrimPrefix(name, "/"))
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}
