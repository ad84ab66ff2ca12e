package config

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/pandabeardb/panda/wire/memcache"
)

// Flash is where values go that memory has no room for: memcached's extstore.
type Flash struct {
	Files      []FlashFile // none: there is no flash
	PageBytes  int
	WriteBytes int // of a write buffer
	Threads    int // ext_threads: workers that read are at least flashReaders
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
	switch {
	case f.PageBytes == 0 || f.WriteBytes == 0 || f.PageBytes%f.WriteBytes != 0:
		return fail(ExitUsage, "Failed to initialize external storage: page_size must be divisible by wbuf_size")
	case p.c.Memcache.ItemSizeMax > f.WriteBytes:
		return fail(ExitUsage, "-I (item_size_max: %d) cannot be larger than ext_wbuf_size: %d", p.c.Memcache.ItemSizeMax, f.WriteBytes)
	case len(p.c.UDP) > 0:
		return fail(ExitUsage, "Cannot use UDP with extstore enabled (-U 0 to disable)")
	case !s.Evictions:
		return fail(ExitUsage, "Cannot use extstore without evictions (-M): it is what moves values there")
	}
	p.flashParts()
	return nil
}

// flashSettings are the rows of settings that are about it.
var flashSettings = []setting{
	{name: "flash.files", kind: list, initial: "",
		help:   "Files for values that memory has no room for, each with its size: \"/mnt/d1/panda.flash:50GB\". Keys stay in memory. What was in the files is lost, unless memory.file goes on.",
		reason: "somebody has to say which disk",
		set:    setFlashFiles},
	{name: "flash.page_size", kind: size, initial: "8MB", min: 1 << 20, max: 1 << 30,
		help:   "What is dropped at once when the files are full. A multiple of 1MB, and no smaller than memcache.item_max.",
		reason: "small enough to be compacted in some milliseconds",
		set:    setFlashPageSize},
	{name: "flash.value_min", kind: size, initial: "512B", min: 64, max: itemSizeMax,
		help:   "The shortest value that goes to flash.",
		reason: "memcached's: a key that stays takes 60 to 90 bytes of memory",
		set:    func(p *parser, v value) error { p.c.Memcache.Settings.ExtItemSize = int(v.n); return nil }},
	{name: "flash.idle_after", kind: duration, initial: "0s", min: 1, max: secondsMax, zero: "only when memory is full",
		help:   "What was not used for so long goes to flash though memory has room.",
		reason: "memory that is there may be used",
		set:    setFlashIdle},
	{name: "flash.recache_rate", kind: integer, initial: "2000", min: 1, max: 1 << 30, zero: "never",
		help:   "One read from flash in so many puts its value back into memory; so does what is read again and again.",
		reason: "memcached's",
		set:    func(p *parser, v value) error { p.c.Memcache.Settings.ExtRecacheRate = int(v.n); return nil }},
	{name: "flash.reads", kind: integer, initial: "8", min: 1, max: 64,
		help:   "Threads that read what the kernel does not read by itself; elsewhere than on Linux, all.",
		reason: "flash answers 8 about as soon as one",
		set:    func(p *parser, v value) error { p.c.Flash.Threads, p.c.Flash.Depth = int(v.n), 1; return nil }},
}

func setFlashFiles(p *parser, v value) error {
	p.c.Flash.Files = nil
	for _, t := range v.list {
		path, rest, ok := strings.Cut(t, ":")
		bytes, okSize := parseUnits(size, rest)
		if !ok || path == "" || !okSize || bytes < 1 {
			return fmt.Errorf("%q wants a file and its size: \"/mnt/d1/panda.flash:50GB\"", t)
		}
		p.c.Flash.Files = append(p.c.Flash.Files, FlashFile{Path: path, Bytes: bytes})
	}
	return nil
}

func setFlashPageSize(p *parser, v value) error {
	if v.n%(1<<20) != 0 {
		return errors.New("it wants a multiple of 1MB")
	}
	p.c.Flash.PageBytes = int(v.n)
	return nil
}

func setFlashIdle(p *parser, v value) error {
	p.c.Memcache.Settings.ExtItemAge = math.MaxUint32
	if v.n != 0 {
		p.c.Memcache.Settings.ExtItemAge = uint32(v.n)
	}
	return nil
}

// finishServeFlash is finishFlash for settings.
func (p *parser) finishServeFlash() error {
	f := &p.c.Flash
	if f.WriteBytes = f.PageBytes / 4; f.WriteBytes < p.c.Memcache.ItemSizeMax {
		f.WriteBytes = f.PageBytes
	}
	p.c.Memcache.Settings.ExtWbufSize = f.WriteBytes
	if !f.On() {
		return nil
	}
	switch {
	case p.c.Memcache.ItemSizeMax > f.PageBytes:
		return errors.New("memcache.item_max is larger than flash.page_size")
	case len(p.c.UDP) > 0:
		return errors.New("flash.files has replies wait for disks, which memcache.udp_port cannot do; one of them must be off")
	case !p.c.Memcache.Settings.Evictions:
		return errors.New("flash.files wants memory.evictions: it is what moves values there")
	}
	p.flashParts()
	return nil
}

// flashParts settles how many free pages compaction keeps.
func (p *parser) flashParts() {
	f, s := &p.c.Flash, &p.c.Memcache.Settings
	pages := 0
	for _, file := range f.Files {
		pages += int(file.Bytes / int64(f.PageBytes))
	}
	if s.ExtCompactUnder == 0 {
		s.ExtCompactUnder = pages / flashPart
	}
	if s.ExtDropUnder == 0 {
		s.ExtDropUnder = s.ExtCompactUnder
	}
}
