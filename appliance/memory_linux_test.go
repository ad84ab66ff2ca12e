package appliance

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const (
	mountsV1 = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n" +
		"32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n" +
		"35 31 0:32 ROOT /sys/fs/cgroup/memory rw,relatime shared:7 - cgroup cgroup rw,memory\n"
	mountsV2 = "30 23 0:26 ROOT /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
)

func TestCgroupLimits(t *testing.T) {
	for _, c := range []struct {
		name, groups, mounts, root string
		files                      map[string]string
		want                       int64 // 0: no limit
	}{
		{"v1", "5:cpu:/x\n4:memory:/a/b\n0::/\n", mountsV1, "/", map[string]string{"memory/a/b/memory.limit_in_bytes": "700"}, 700},
		{"v1, smaller above", "4:hugetlb,memory:/a/b\n", mountsV1, "/", map[string]string{"memory/a/b/memory.limit_in_bytes": "700", "memory/a/memory.limit_in_bytes": "600", "memory/memory.limit_in_bytes": "9223372036854771712"}, 600},
		{"v1, a container without a namespace", "4:memory:/docker/1\n", mountsV1, "/docker/1", map[string]string{"memory/memory.limit_in_bytes": "500"}, 500},
		{"v2", "0::/system.slice/panda.service\n", mountsV2, "/", map[string]string{"system.slice/panda.service/memory.max": "400"}, 400},
		{"v2, smaller above", "0::/a/b/c\n", mountsV2, "/", map[string]string{"a/b/c/memory.max": "max", "a/b/memory.max": "400", "a/memory.max": "300"}, 300},
		{"v2, throttled", "0::/a\n", mountsV2, "/", map[string]string{"a/memory.max": "400", "a/memory.high": "200"}, 200},
		{"v2, a namespace", "0::/\n", mountsV2, "/", map[string]string{"memory.max": "100"}, 100},
		{"v2, a sibling of the mount", "0::/a/b2\n", mountsV2, "/a/b", map[string]string{"memory.max": "100"}, 100},
		{"both, v1 has memory", "4:memory:/a\n0::/a\n", mountsV1 + mountsV2, "/", map[string]string{"memory/a/memory.limit_in_bytes": "90", "a/cgroup.procs": "1"}, 90},
		{"unlimited", "0::/a\n", mountsV2, "/", map[string]string{"a/memory.max": "max"}, 0},
		{"nothing mounted", "0::/a\n", "", "/", nil, 0},
		{"nonsense", "x\n::\n:memory\n", "- cgroup\n1 2 3\n", "/", nil, 0},
	} {
		root := fstest.MapFS{
			"proc/self/cgroup":    {Data: []byte(c.groups)},
			"proc/self/mountinfo": {Data: []byte(strings.ReplaceAll(c.mounts, "ROOT", c.root))},
		}
		for name, text := range c.files {
			root["sys/fs/cgroup/"+name] = &fstest.MapFile{Data: []byte(text + "\n")}
		}
		var got int64
		if b := cgroupBounds(root); len(b) > 0 {
			got = b[0].bytes
		}
		if got != c.want {
			t.Errorf("%s: limit %d, want %d", c.name, got, c.want)
		}
	}
}

func TestMemoryThatIsNotThereIsSaid(t *testing.T) {
	var b bytes.Buffer
	log, _ := newLog(&b, "json", 0)
	need := memoryNeed(1 << 30)
	warnMemory(log, 1<<30, []memoryBound{{bytes: need}, {need, "/sys/fs/cgroup/memory.max"}})
	if b.Len() > 0 {
		t.Errorf("said without need: %s", b.String())
	}
	warnMemory(log, 1<<30, []memoryBound{{bytes: need - 1}})
	warnMemory(log, 1<<30, []memoryBound{{1 << 29, "/sys/fs/cgroup/memory.max"}})
	said := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(said) != 2 || !strings.Contains(said[0], strconv.FormatInt(need-1, 10)) ||
		!strings.Contains(said[1], `"memory_bytes":1073741824`) || !strings.Contains(said[1], `"cgroup_bytes":536870912`) {
		t.Errorf("said: %s", b.String())
	}
}
