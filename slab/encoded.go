package slab

// KeyEncoded and SetKeyEncoded are meta's mark of a key that came in base64
// and is shown so, whoever asks. It may be changed under the lock, or on a
// reserved item.
func (it Item) KeyEncoded() bool      { return it.has(bitKeyEncoded) }
func (it Item) SetKeyEncoded(on bool) { it.setIf(bitKeyEncoded, on) }
