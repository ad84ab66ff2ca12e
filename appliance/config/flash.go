package config

import (
	"strings"

	"github.com/pandabeardb/panda/wire/memcache"
)

// Flash is where values go that memory has no room for: memcached's extstore.
type Flash struct {
	Files      []FlashFile // none: there is no flash
	PageBytes  int
	WriteBytes int // of a write buffer
	Threads    int // ext_threads: reads at a time are at least flashReaders
	Depth      int // ext_io_depth
}

// FlashFile is one file.
type FlashFile struct {
	Path   string
	Bytes  int64
	Bucket string // whose values go there first; "" and "default": nobody's
}

// On reports whether there is any.
func (f *Flash) On() bool { return len(f.Files) > 0 }

const (
	flashPageMB  = 64 // memcached's
	flashWriteMB = 4  // memcached's
	// flashPart: memcached compacts, and drops unread values, when no more than this
	// part of the pages is free.
	flashPart = 4
)

var flashBuckets = []string{"default", "compact", "chunked", "low_ttl"}

// setFlashPath is ext_path: file:size[:bucket].
func setFlashPath(p *parser, v string) *Exit {
	const complaint = "failed to parse ext_path argument"
	parts := strings.Split(v, ":")
	if len(parts) < 2 || parts[0] == "" {
		return fail(ExitFailure, "must supply size to ext_path, ie: ext_path=/f/e:64m (M|G|T|P supported)\n%s", complaint)
	}
	file := FlashFile{Path: parts[0]}
	var ok bool
	if file.Bytes, ok = flashSize(parts[1]); !ok {
		return fail(ExitFailure, "must supply size to ext_path, ie: ext_path=/f/e:64m (M|G|T|P supported)\n%s", complaint)
	}
	if len(parts) > 2 {
		file.Bucket = parts[2]
		if !flashBucket(file.Bucket) {
			return fail(ExitFailure, "Unknown extstore bucket: %s\n%s", file.Bucket, complaint)
		}
	}
	p.c.Flash.Files = append(p.c.Flash.Files, file)
	return nil
}

func flashBucket(name string) bool {
	for _, b := range flashBuckets {
		if b == name {
			return true
		}
	}
	return false
}

// flashSize reads a number with a unit.
func flashSize(s string) (n int64, ok bool) {
	if s == "" {
		return 0, false
	}
	shift := strings.IndexByte("mgtp", s[len(s)-1]|0x20)
	if shift < 0 {
		return 0, false
	}
	v, ok := safeStrtoul(s[:len(s)-1])
	if !ok || v == 0 || v >= 1<<20 {
		return 0, false
	}
	n = int64(v) << (20 + 10*shift)
	return n, n > 0 && n <= 1<<50
}

func setFlashPage(p *parser, v string) *Exit {
	if p.c.Flash.On() {
		return fail(ExitFailure, "Must specify ext_page_size before any ext_path arguments")
	}
	return flashMegabytes(&p.c.Flash.PageBytes, v, "ext_page_size")
}

func setFlashWrite(p *parser, v string) *Exit {
	exit := flashMegabytes(&p.c.Flash.WriteBytes, v, "ext_wbuf_size")
	p.c.Memcache.Settings.ExtWbufSize = p.c.Flash.WriteBytes
	return exit
}

// flashMegabytes reads a number of megabytes, of which there may be 1,024: what
// is written at once.
func flashMegabytes(at *int, v, name string) *Exit {
	n, ok := safeStrtoul(v)
	if ok && n <= 1024 {
		*at = int(n) << 20
		return nil
	}
	return fail(ExitFailure, "could not parse argument to %s", name)
}

// setFlash sets a number of Settings.
func setFlash(name string, put func(s *memcache.Settings, n uint32)) setter {
	return func(p *parser, v string) *Exit {
		n, ok := safeStrtoul(v)
		if ok {
			put(&p.c.Memcache.Settings, n)
		}
		return parsed(name, ok)
	}
}

func setFlashThreads(at func(*Flash) *int, name string) setter {
	return func(p *parser, v string) *Exit {
		n, ok := safeStrtoul(v)
		if ok {
			*at(&p.c.Flash) = int(min(n, loopsMax))
		}
		return parsed(name, ok)
	}
}

func setFlashFrag(p *parser, v string) *Exit {
	if !isFraction(v) {
		return parsed("ext_max_frag", false)
	}
	p.c.Memcache.Settings.ExtMaxFrag = atof(v)
	return nil
}

func setFlashDropUnread(p *parser, _ string) *Exit {
	p.c.Memcache.Settings.ExtDropUnread = true
	return nil
}

// finishFlash checks it against what else is set.
func (p *parser) finishFlash() *Exit {
	f, s := &p.c.Flash, &p.c.Memcache.Settings
	if !f.On() {
		return nil
	}
	pages := 0
	for _, file := range f.Files {
		pages += int(file.Bytes / int64(max(f.PageBytes, 1)))
	}
	switch {
	case f.PageBytes == 0 || f.WriteBytes == 0 || f.PageBytes%f.WriteBytes != 0:
		return fail(ExitUsage, "Failed to initialize external storage: page_size must be divisible by wbuf_size")
	case p.c.Memcache.ItemSizeMax > f.WriteBytes:
		return fail(ExitUsage, "-I (item_size_max: %d) cannot be larger than ext_wbuf_size: %d", p.c.Memcache.ItemSizeMax, f.WriteBytes)
	case len(p.c.UDP) > 0:
		return fail(ExitUsage, "Cannot use UDP with extstore enabled (-U 0 to disable)")
	case p.c.MemoryFile != "":
		return fail(ExitUsage, "Cannot use a memory file (-e) with extstore enabled: it would name values that are gone")
	case !s.Evictions:
		return fail(ExitUsage, "Cannot use extstore without evictions (-M): it is what moves values there")
	case p.c.Persist.On():
		return fail(ExitUsage, "Cannot use extstore with persist.mode yet: snapshots would miss the values that are there")
	}
	if s.ExtCompactUnder == 0 {
		s.ExtCompactUnder = pages / flashPart
	}
	if s.ExtDropUnder == 0 {
		s.ExtDropUnder = s.ExtCompactUnder
	}
	return nil
}
