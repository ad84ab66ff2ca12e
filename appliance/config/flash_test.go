package config

import (
	"slices"
	"strings"
	"testing"
)

func TestFlash(t *testing.T) {
	c := parse(t, "-m 64 -o ext_page_size=8,ext_wbuf_size=2,ext_threads=3,ext_io_depth=2,ext_path=/a/b:64m,ext_path=/c:5G:low_ttl")
	want := []FlashFile{{Path: "/a/b", Bytes: 64 << 20}, {Path: "/c", Bytes: 5 << 30, Bucket: "low_ttl"}}
	if !slices.Equal(c.Flash.Files, want) || c.Flash.PageBytes != 8<<20 || c.Flash.WriteBytes != 2<<20 || c.Flash.Threads != 3 || c.Flash.Depth != 2 {
		t.Errorf("%+v", c.Flash)
	}
	if s := &c.Memcache.Settings; s.ExtCompactUnder != 162 || s.ExtDropUnder != 162 || s.ExtWbufSize != 2<<20 {
		t.Errorf("%d, %d, %d", s.ExtCompactUnder, s.ExtDropUnder, s.ExtWbufSize)
	}
	c = parse(t, "-o ext_path=/a:1T,ext_item_size=100,ext_item_age=7,ext_low_ttl=9,ext_recache_rate=0,ext_compact_under=1,ext_drop_under=2,ext_max_frag=0.5,ext_drop_unread,ext_max_sleep=10")
	s := &c.Memcache.Settings
	if s.ExtItemSize != 100 || s.ExtItemAge != 7 || s.ExtLowTTL != 9 || s.ExtRecacheRate != 0 || s.ExtCompactUnder != 1 || s.ExtDropUnder != 2 ||
		s.ExtMaxFrag != 0.5 || !s.ExtDropUnread || s.ExtMaxSleep != 10 || c.Flash.PageBytes != 64<<20 {
		t.Errorf("%+v", s)
	}
	if c := parse(t, "-e /m -o ext_path=/x:1G"); c.MemoryFile != "/m" || !c.Flash.On() {
		t.Errorf("%q, %+v", c.MemoryFile, c.Flash)
	}
	if c := parse(t, "-m 64"); c.Flash.On() || c.Memcache.Settings.ExtCompactUnder != 0 {
		t.Errorf("%+v", c.Flash)
	}
}

func TestFlashSettings(t *testing.T) {
	c, exit := read("flash.files = [\"/a:1GB\", \"/b:512MB\"]\nflash.idle_after = \"2m\"")
	want := []FlashFile{{Path: "/a", Bytes: 1 << 30}, {Path: "/b", Bytes: 512 << 20}}
	if exit != nil || !slices.Equal(c.Flash.Files, want) || c.Flash.PageBytes != 8<<20 || c.Flash.WriteBytes != 2<<20 ||
		c.Memcache.Settings.ExtItemAge != 120 || c.Memcache.Settings.ExtCompactUnder != 192/4 {
		t.Errorf("%v, %+v", exit, c.Flash)
	}
	for text, want := range map[string]string{
		"memcache.item_max = \"3MB\"":  "",
		"memcache.item_max = \"9MB\"":  "memcache.item_max is larger",
		"memcache.udp_port = 11211":    "memcache.udp_port cannot do",
		"memory.evictions = false":     "wants memory.evictions",
		"persist.mode = \"log\"":       "",
		"memory.file = \"m\"":          "",
		"flash.page_size = \"1500KB\"": "a multiple of 1MB",
	} {
		_, exit := read("flash.files = [\"/a:1GB\"]\n" + text)
		if (exit != nil) != (want != "") || exit != nil && !strings.Contains(exit.Stderr, want) {
			t.Errorf("%q: %v, want %q", text, exit, want)
		}
	}
	for _, v := range []string{"/a", "/a:", ":1GB", "/a:x", "/a:0"} {
		if _, exit := read("flash.files = [\"" + v + "\"]"); exit == nil || !strings.Contains(exit.Stderr, "wants a file and its size") {
			t.Errorf("%q: %v", v, exit)
		}
	}
}

func TestFlashRefusals(t *testing.T) {
	const size = "must supply size to ext_path, ie: ext_path=/f/e:64m (M|G|T|P supported)\nfailed to parse ext_path argument"
	wantExit(t, "-o ext_path", 1, "missing argument to ext_path, ie: ext_path=/d/file:5G")
	for _, v := range []string{"", "/x", "/x:", "/x:5", "/x:G", "/x:0G", "/x:5k", ":5G", "/x:9999999P", "/x:-1G"} {
		wantExit(t, "-o ext_path="+v, 1, size)
	}
	wantExit(t, "-o ext_path=/x:1G:foo", 1, "Unknown extstore bucket: foo\nfailed to parse ext_path argument")
	wantExit(t, "-o ext_path=/x:1G,ext_page_size=8", 1, "Must specify ext_page_size before any ext_path arguments")
	wantExit(t, "-o ext_page_size=x", 1, "could not parse argument to ext_page_size")
	wantExit(t, "-o ext_wbuf_size=2000", 1, "could not parse argument to ext_wbuf_size")
	wantExit(t, "-o ext_page_size=8,ext_wbuf_size=9,ext_path=/x:1G", 64, "Failed to initialize external storage: page_size must be divisible by wbuf_size")
	wantExit(t, "-I 4m -o ext_wbuf_size=2,ext_path=/x:1G", 64, "-I (item_size_max: 4194304) cannot be larger than ext_wbuf_size: 2097152")
	wantExit(t, "-U 11211 -o ext_path=/x:1G", 64, "Cannot use UDP with extstore enabled (-U 0 to disable)")
	wantExit(t, "-M -o ext_path=/x:1G", 64, "Cannot use extstore without evictions (-M): it is what moves values there")
}
