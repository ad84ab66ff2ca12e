package credentials

import (
	"bytes"
	"encoding/binary"
)

// A sasldb is a Berkeley DB file with the access method hash. All pages have one
// size. Page 0 describes the file; what stands there of its buckets is not
// needed, since all pages are looked at:
//
//	page 0     12 magic 0x061561   16 version   20 page size   24 encryption
//	           25 page type 8      26 flags     32 last page   36 partitions
//
//	any other   0 log position (8) 8 page number  12 previous  16 next
//	page       20 entries (2)     22 end of free space, or bytes of an
//	           overflow page (2)  24 level      25 type: 2 and 13 hash, 7 overflow
//	           26 where each entry begins (2 each); the first one is the last on
//	              the page, each ends where the one before begins
//
// Entries are keys and values by turns. The first byte of one says what it is: 1
// bytes that follow, 3 what lies on overflow pages: 4 page, 8 length. Numbers are in
// the byte order of the machine that wrote them. A key is
//
//	user NUL realm NUL "userPassword"
const (
	hashMagic      = 0x061561
	hashVersionMin = 7 // since 3.x; the pages of older ones have other types
	hashVersionMax = 10

	metaMagic      = 12
	metaVersion    = 16
	metaPageSize   = 20
	metaEncryption = 24
	metaType       = 25
	metaFlags      = 26
	metaLastPage   = 32
	metaPartitions = 36
	metaEnd        = 72

	pageNext    = 16
	pageEntries = 20
	pageFree    = 22
	pageType    = 25
	pageHead    = 26

	pageSizeMin = 512
	pageSizeMax = 64 << 10

	pageHashUnsorted = 2  // P_HASH_UNSORTED
	pageOverflow     = 7  // P_OVERFLOW
	pageHashMeta     = 8  // P_HASHMETA
	pageHash         = 13 // P_HASH

	entryBytes    = 1 // H_KEYDATA
	entryOverflow = 3 // H_OFFPAGE

	entryOverflowSize = 12
	entryMax          = 8 << 10 // bytes of a key or a value that lies elsewhere

	propertyPassword = "userPassword" // SASL_AUX_PASSWORD_PROP
)

// database is a sasldb in memory.
type database struct {
	text  []byte
	order binary.ByteOrder
	size  int // of a page
	pages int
}

// parseDatabase reads the users of a sasldb.
func parseDatabase(d *digester, text []byte) (*accounts, error) {
	db, err := openDatabase(text)
	if err != nil {
		return nil, err
	}
	a := newAccounts()
	for number := 1; number < db.pages; number++ {
		page := db.page(number)
		if page[pageType] != pageHash && page[pageType] != pageHashUnsorted {
			continue
		}
		if err := db.each(page, func(key, value []byte) { a.addProperty(d, key, value) }); err != nil {
			return nil, err
		}
		if len(a.accepted) > accountsMax {
			return nil, errTooMany
		}
	}
	return a, nil
}

// addProperty takes a password; other properties of a user are none.
func (a *accounts) addProperty(d *digester, key, value []byte) {
	user, rest, _ := bytes.Cut(key, []byte{0})
	realm, property, ok := bytes.Cut(rest, []byte{0})
	if !ok || string(property) != propertyPassword || len(value) == 0 {
		return
	}
	a.accepted[d.of(kindDatabase, user, realm, value)] = struct{}{}
	a.secrets[d.of(kindUser, bytes.Join([][]byte{user, realm}, []byte{'@'}))] = value
}

// openDatabase checks page 0.
func openDatabase(text []byte) (*database, error) {
	if len(text) < metaEnd {
		return nil, errNotDatabase
	}
	db := &database{text: text, order: binary.LittleEndian}
	if db.number(text, metaMagic) != hashMagic {
		db.order = binary.BigEndian
	}
	version := db.number(text, metaVersion)
	switch {
	case db.number(text, metaMagic) != hashMagic || text[metaType] != pageHashMeta:
		return nil, errNotDatabase
	case version < hashVersionMin || version > hashVersionMax:
		return nil, errVersion
	case text[metaEncryption] != 0 || text[metaFlags] != 0 || db.number(text, metaPartitions) != 0:
		return nil, errProtected
	}
	db.size = db.number(text, metaPageSize)
	if db.size < pageSizeMin || db.size > pageSizeMax || db.size&(db.size-1) != 0 {
		return nil, errDamaged
	}
	db.pages = min(len(text)/db.size, db.number(text, metaLastPage)+1)
	return db, nil
}

// number reads four bytes.
func (db *database) number(b []byte, at int) int { return int(db.order.Uint32(b[at:])) }

// short reads two.
func (db *database) short(b []byte, at int) int { return int(db.order.Uint16(b[at:])) }

// page is page number, which must be below db.pages.
func (db *database) page(number int) []byte {
	return db.text[number*db.size : (number+1)*db.size : (number+1)*db.size]
}

// each calls f with the keys and values of a page of hash entries.
func (db *database) each(page []byte, f func(key, value []byte)) error {
	entries := db.short(page, pageEntries)
	first := pageHead + 2*entries
	if first > len(page) || entries%2 != 0 {
		return errDamaged
	}
	var key []byte
	end := len(page)
	for i := range entries {
		start := db.short(page, pageHead+2*i)
		if start < first || start >= end {
			return errDamaged
		}
		text, err := db.entry(page[start:end])
		switch {
		case err != nil:
			return err
		case i%2 == 0:
			key = text
		case key != nil && text != nil:
			f(key, text)
		}
		end = start
	}
	return nil
}

// entry is what an entry holds; nil when it is of a kind that a sasldb has not.
func (db *database) entry(b []byte) ([]byte, error) {
	switch b[0] {
	case entryBytes:
		return b[1:], nil
	case entryOverflow:
		if len(b) < entryOverflowSize {
			return nil, errDamaged
		}
		return db.overflow(db.number(b, 4), db.number(b, 8))
	}
	return nil, nil
}

// overflow collects length bytes from the chain of pages that begins at number.
// Each page adds some, so that a chain without an end is found out.
func (db *database) overflow(number, length int) ([]byte, error) {
	if length > entryMax {
		return nil, errTooLarge
	}
	var text []byte
	for len(text) < length {
		if number <= 0 || number >= db.pages {
			return nil, errDamaged
		}
		page := db.page(number)
		n := db.short(page, pageFree)
		if page[pageType] != pageOverflow || n == 0 || pageHead+n > len(page) {
			return nil, errDamaged
		}
		text = append(text, page[pageHead:pageHead+n]...)
		number = db.number(page, pageNext)
	}
	if len(text) != length {
		return nil, errDamaged
	}
	return text, nil
}
