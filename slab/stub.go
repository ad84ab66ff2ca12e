package slab

import "errors"

// Errors of Reserve.
var (
	// ErrNoMemory: nothing is free and nothing may or can be evicted.
	ErrNoMemory = errors.New("slab: out of memory")
	// ErrTooLarge: the item could not fit even into an empty store.
	ErrTooLarge = errors.New("slab: item larger than the store")
)

// Config of a Store.
type Config struct {
	LimitBytes int64  // what items, index and overhead may use together
	Shards     int    // a power of two up to 16,384; 0: chosen from the cores
	Loops      int    // how many Handles there will be
	Seed       uint64 // of the index hash; 0: random
	Evict      bool   // false: a full store refuses (memcached -M)
}

// Store is the keyspace.
type Store struct{}

func New(c Config) (*Store, error) { panic("stub") }

// Handle returns loop i's handle (0 <= i < Config.Loops).
func (s *Store) Handle(i int) *Handle { panic("stub") }

// FlushAll makes every item that is in the store now absent (lazily, by
// sequence number; items stored later are not touched).
func (s *Store) FlushAll() { panic("stub") }

// SetLimit changes the memory limit.
func (s *Store) SetLimit(bytes int64) error { panic("stub") }

// Stats sums over shards.
func (s *Store) Stats() Stats { panic("stub") }

// ResetStats zeroes the counters that `stats reset` zeroes (the totals, not the current values).
func (s *Store) ResetStats() { panic("stub") }

// Close unmaps the arena.
func (s *Store) Close() error { panic("stub") }

// Stats of a Store.
type Stats struct {
	Items            int64 // in the index now (dead ones not yet found included)
	TotalItems       int64 // ever linked
	Bytes            int64 // of the items in the index: header, key and value
	LimitBytes       int64
	UsedBytes        int64 // of the arena: runs in use, index included
	IndexBytes       int64
	Evictions        int64
	Reclaimed        int64 // expired items whose memory was found
	ExpiredUnfetched int64
	EvictedUnfetched int64
	EvictedActive    int64
	OutOfMemory      int64
}

// Handle is one loop's way into the store. It is not safe for concurrent use,
// except Release.
type Handle struct{}

// Key is a key with its hash and slot.
type Key struct {
	DB    uint16
	Bytes []byte
	Hash  uint64
	Slot  uint16
}

// Key computes hash and slot of a key. b is borrowed as long as the Key lives.
func (h *Handle) Key(db uint16, b []byte) Key { panic("stub") }

// Spec says what to reserve.
type Spec struct {
	ValueLen    int
	Flags       uint32 // client flags (kept free of cost when 0)
	ExpiresAtMS int64  // 0: never
	CAS         uint64 // 0: given at commit; else this token is kept (meta E)
	Evictable   bool
}

// Reserve allocates an item that no one else can see. It evicts when it must,
// and is called while no shard is locked. Fill it by WriteAt or Segment, then
// Put it, or Discard it.
func (h *Handle) Reserve(k *Key, spec Spec) (Item, error) { panic("stub") }

// Discard gives a reserved item back.
func (h *Handle) Discard(it Item) { panic("stub") }

// Tick does a small step of background work: expired items, index growth.
func (h *Handle) Tick(nowMS int64) { panic("stub") }

// Release implements wire.Releaser for pinned items (token from Locked.Pin).
func (h *Handle) Release(token uint64) { panic("stub") }

// Lookup is the result of Find.
type Lookup uint8

const (
	Miss Lookup = iota
	Hit
	Expired // was there, expired; it has been removed
	Flushed // was there, before FlushAll; it has been removed
)

// Locked is one key's shard, locked. Keep it on the stack; call Unlock.
type Locked struct{}

// Lock takes the lock of k's shard. Nothing may block or write to a socket
// until Unlock.
func (h *Handle) Lock(k *Key) Locked { panic("stub") }

func (l *Locked) Unlock() { panic("stub") }

// Find looks the key up. An expired (expiry <= nowMS) or flushed item is
// removed, and said to be so.
func (l *Locked) Find(nowMS int64) (Item, Lookup) { panic("stub") }

// Put links a reserved item in place of what the key had (expiry or not), as
// one effect, and returns its new CAS token.
func (l *Locked) Put(it Item, nowMS int64) (cas uint64) { panic("stub") }

// Remove unlinks an item that Find returned.
func (l *Locked) Remove(it Item) { panic("stub") }

// SetValue overwrites a small item's value in place with b, of the same
// length, as one effect; the token changes (to cas when that is not 0).
func (l *Locked) SetValue(it Item, b []byte, cas uint64) (newCAS uint64) { panic("stub") }

// Touch changes the expiry (0: never). The token stays. The item may move:
// use the one returned. false: there is no memory for the field; unlock, call
// Handle.MakeRoom, and try again from Find.
func (l *Locked) Touch(it Item, expiresAtMS int64) (Item, bool) { panic("stub") }

// MakeRoom evicts so that a small allocation will succeed. No shard is locked.
func (h *Handle) MakeRoom() error { panic("stub") }

// MarkStale marks an item stale (meta md I): as one effect; the token changes
// (to cas when that is not 0), token-sent is cleared.
func (l *Locked) MarkStale(it Item, cas uint64) (newCAS uint64) { panic("stub") }

// Accessed notes a read: sets fetched, the access time, and the eviction frequency.
func (l *Locked) Accessed(it Item, nowMS int64) { panic("stub") }

// Pin keeps a large item's memory (Item.Large) in place until Handle.Release(token).
func (l *Locked) Pin(it Item) (token uint64) { panic("stub") }

// Item is an item's memory. One that Find returned is valid until Unlock; one
// that Reserve returned until Put or Discard. Not comparable with other stores' items.
type Item struct{}

func (it Item) IsNil() bool { panic("stub") }

// Key is the item's key, in place.
func (it Item) Key() []byte { panic("stub") }

func (it Item) ValueLen() int { panic("stub") }

// Size is the memory the item asks for: header, key, value.
func (it Item) Size() int { panic("stub") }

// Large reports whether the value lies in segments outside the item's own
// chunk and can be pinned (values from about 16 KB).
func (it Item) Large() bool { panic("stub") }

// Value is a small item's value, in place. Panics if Large.
func (it Item) Value() []byte { panic("stub") }

// Segment is the contiguous memory of the value from offset off (to the end
// of the value or of the segment); works for small and large items.
func (it Item) Segment(off int) []byte { panic("stub") }

// AppendValue appends the value to dst.
func (it Item) AppendValue(dst []byte) []byte { panic("stub") }

// WriteAt copies p into a reserved item's value at offset off.
func (it Item) WriteAt(p []byte, off int) { panic("stub") }

// CopyValue copies the whole value of from into a reserved item at offset off.
func (it Item) CopyValue(off int, from Item) { panic("stub") }

func (it Item) Flags() uint32      { panic("stub") }
func (it Item) CAS() uint64        { panic("stub") }
func (it Item) ExpiresAtMS() int64 { panic("stub") } // 0: never

// Fetched reports whether the item was read since it was stored.
func (it Item) Fetched() bool { panic("stub") }

// IdleMS is the time since the last access (or the store), to the second.
func (l *Locked) IdleMS(it Item, nowMS int64) int64 { panic("stub") }

// Stale and TokenSent are meta's stale and win bits. They may be changed under
// the lock, or on a reserved item.
func (it Item) Stale() bool          { panic("stub") }
func (it Item) TokenSent() bool      { panic("stub") }
func (it Item) SetStale(on bool)     { panic("stub") }
func (it Item) SetTokenSent(on bool) { panic("stub") }
