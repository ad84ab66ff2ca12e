package memcache

import "github.com/pandabeardb/panda/slab"

// The sizes that memcached's replies and limits speak of. Our items are
// smaller, but -I, `me` and the statistics are in memcached's bytes.
const (
	headerBytes    = 48 // sizeof(item)
	casBytes       = 8
	keyEndBytes    = 1
	flagsBytes     = 4
	valueEndBytes  = 2 // \r\n
	itemSizeMax    = 1 << 20
	valueLenMax    = 1<<31 - 1 - 2 // INT_MAX - 2
	chunkAlign     = 8
	slabClassesMax = 63 // MAX_NUMBER_OF_SLAB_CLASSES - 1
)

// itemTotal is what memcached's item would take. ITEM_ntotal
func (s *Server) itemTotal(keyLen int, flags uint32, valueLen int) int {
	n := headerBytes + keyLen + keyEndBytes + valueLen + valueEndBytes
	if flags != 0 {
		n += flagsBytes
	}
	if !s.config.CASDisabled {
		n += casBytes
	}
	return n
}

func (s *Server) fits(keyLen int, flags uint32, valueLen int) bool {
	return s.itemTotal(keyLen, flags, valueLen) <= s.config.ItemSizeMax
}

// classSizes are memcached's slab classes, class 1 at index 1, as slabs_init
// makes them of -f, -n and slab_chunk_max.
func classSizes(factor float64, chunkSize, chunkMax int) []int {
	sizes := []int{0}
	size := headerBytes + chunkSize
	for len(sizes) < slabClassesMax && float64(size) < float64(chunkMax)/factor {
		if rest := size % chunkAlign; rest != 0 {
			size += chunkAlign - rest
		}
		sizes = append(sizes, size)
		size = int(float64(size) * factor)
	}
	return append(sizes, chunkMax)
}

// class is the number of the slab class that memcached would use.
func (s *Server) class(total int) int {
	for i := 1; i < len(s.classes); i++ {
		if total <= s.classes[i] {
			return i
		}
	}
	return len(s.classes) - 1
}

// pageBytes is memcached's slab page.
const pageBytes = 1 << 20

// Groups are memcached's slab classes, as the store counts by them.
func Groups(c Config) slab.Groups {
	set := &c.Settings
	overhead := headerBytes + keyEndBytes + valueEndBytes
	if !c.CASDisabled {
		overhead += casBytes
	}
	return slab.Groups{
		Overhead:  overhead,
		FlagsSize: flagsBytes,
		Bounds:    classSizes(set.GrowthFactor, set.ChunkSize, set.SlabChunkMax)[1:],
	}
}

// virtualPages is how many pages of memcached's the items of each class would
// fill. Page 0 is the pool of free ones, which has none.
func (s *Server) virtualPages() []int64 {
	pages := make([]int64, len(s.classes))
	for i, g := range s.env.Store.GroupStats(nil) {
		if class := i + 1; class < len(pages) {
			bytes := max(g.Weight, g.Items()*int64(s.classes[class]))
			pages[class] = (bytes + pageBytes - 1) / pageBytes
		}
	}
	return pages
}
