package memcache

import (
	"math"

	"github.com/pandabeardb/panda/disk/tier"
	"github.com/pandabeardb/panda/slab"
)

// TierOwner is a store as a tier's owner.
func TierOwner(s *slab.Store) tier.Owner { return tierOwner{s} }

type tierOwner struct{ store *slab.Store }

func (o tierOwner) Holds(head, key []byte, ref tier.Ref) (holds, read bool) {
	return o.store.TierHolds(head, key, slab.TierRef(ref))
}

func (o tierOwner) Moved(head, key []byte, source, target tier.Ref) bool {
	return o.store.TierMoved(head, key, slab.TierRef(source), slab.TierRef(target))
}

// UseTier has a store's values go to t, as the settings say. waits is for who restores
// a store, with nobody else there: then values wait for t, and are not evicted.
func UseTier(s *slab.Store, t *tier.Tier, set *Settings, waits bool) {
	s.UseTier(tierStore{t, waits}, tierRules(set))
}

// tierStore is a tier as a store's.
type tierStore struct {
	tier  *tier.Tier
	waits bool
}

var tierBuckets = [...]tier.Bucket{slab.TierPlain: tier.Default, slab.TierLarge: tier.Chunked, slab.TierShort: tier.LowTTL}

func (t tierStore) Append(kind slab.TierKind, head, key []byte, pieces [][]byte) (slab.TierRef, bool) {
	put := t.tier.Append
	if t.waits {
		put = t.tier.AppendWait
	}
	ref, ok := put(tierBuckets[kind], head, key, pieces)
	return slab.TierRef(ref), ok
}

func (t tierStore) Delete(ref slab.TierRef, headLen, keyLen, valueLen int) {
	t.tier.Delete(tier.Ref(ref), tier.RecordSize(headLen, keyLen, valueLen))
}

func (t tierStore) Live(ref slab.TierRef) bool { return t.tier.Live(tier.Ref(ref)) }

// tierRules are the settings that say what goes to the tier.
func tierRules(set *Settings) slab.TierRules {
	rules := slab.TierRules{
		LeastBytes: set.ExtItemSize, LargeBytes: set.SlabChunkMax, ShortMS: int64(set.ExtLowTTL) * 1000, AgeS: int64(set.ExtItemAge),
	}
	if set.ExtItemAge == math.MaxUint32 {
		rules.AgeS = -1
	}
	return rules
}

// TierPolicy is what the settings say of compaction.
func TierPolicy(set *Settings) tier.Policy {
	return tier.Policy{
		CompactUnder: set.ExtCompactUnder, DropUnder: set.ExtDropUnder, MaxFrag: set.ExtMaxFrag, DropUnread: set.ExtDropUnread,
	}
}

// applyTier has the tier and the store go by the settings of now.
func (s *Server) applyTier() {
	if s.env.Tier == nil {
		return
	}
	set := s.knobs.get()
	s.env.Store.SetTierRules(tierRules(&set))
	s.env.Tier.SetPolicy(TierPolicy(&set))
}
