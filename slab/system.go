package slab

// system is what the store asks of the operating system. Tests put a kernel
// that refuses into its place.
type system struct {
	open     func(b []byte) error // makes reserved memory accessible
	reopen   func(b []byte) error // the same for what discard took away; nil: it stays accessible
	populate func(b []byte) error // puts memory behind it
	discard  func(b []byte) error // takes the memory away; it reads as zero then
	spare    func(n int) (mapping, error)
	strict   bool // what is open counts as used
}

func theSystem() *system {
	return &system{open: openMemory, populate: populate, discard: discard, spare: spareMemory, strict: strictCommit()}
}

const (
	// openStep is what is made accessible at a time where that counts as used: more than
	// populateAhead, so that the populator is in time, and a kernel call for 32 MB.
	openStep = 32 << 20 >> runShift
	// openLeast is tried when the kernel refuses openStep.
	openLeast = hugeRuns
	// spareBytes is what the store keeps from itself where the kernel is strict: as
	// long as it grows it holds a claim to so much, and gives it up when it is
	// refused more. The Go runtime ends the process if it gets nothing; it asks
	// for 64 MB at a time.
	spareBytes = 80 << 20
	// reachAll: the kernel refused nothing.
	reachAll = int(^uint(0) >> 1)
)

// openFirst makes the memory accessible with which the store begins: all where
// that costs nothing. A kernel that refuses so much is asked in steps.
func (s *Store) openFirst() error {
	a := &s.arena
	a.reach = reachAll
	if !s.system.strict && s.system.open(s.memory.bytes) == nil {
		a.open = len(a.runs)
		return nil
	}
	s.system.strict = true
	if err := s.holdSpare(); err != nil {
		return err
	}
	return s.opened(s.openFrom(0, a.limit))
}

// holdSpare lays claim to spareBytes, unless it does already. Only the populator
// comes here once there is one.
func (s *Store) holdSpare() error {
	a := &s.arena
	a.mu.Lock()
	held := a.spareHeld || !s.system.strict
	a.mu.Unlock()
	if held {
		return nil
	}
	m, err := s.system.spare(spareBytes)
	if err == nil {
		a.mu.Lock()
		a.spare, a.spareHeld = m, true
		a.mu.Unlock()
	}
	return err
}

// openFrom makes the next step of the reservation accessible, up to limit if
// that is further on, and returns where it ends. A step may be done twice.
func (s *Store) openFrom(from, limit int) (to int, err error) {
	for _, step := range [...]int{openStep, openLeast} {
		to = min(from+step, len(s.arena.runs))
		if from < limit {
			to = min(to, limit)
		}
		if err = s.system.open(s.memory.bytes[from<<runShift : to<<runShift]); err == nil {
			return to, nil
		}
	}
	return from, err
}

// opened notes what openFrom did. When the kernel refused, what is open is all
// there is until the populator has more luck: the store is full then. The arena
// is locked.
func (s *Store) opened(to int, err error) error {
	a := &s.arena
	if err != nil {
		_ = a.spare.release() // it fails for what is not mapped
		a.spare, a.spareHeld = mapping{}, false
		a.reach, a.refusal = a.open, err
		return err
	}
	a.open, a.reach = max(a.open, to), reachAll
	return nil
}

// openMore is for a loop that is ahead of the populator. The arena is locked.
func (s *Store) openMore() bool {
	a := &s.arena
	return a.reach == reachAll && s.opened(s.openFrom(a.open, a.limit)) == nil
}

// openAhead makes more accessible than loops will soon need, without the lock.
func (s *Store) openAhead() {
	a := &s.arena
	for {
		a.mu.Lock()
		from, limit, wants := a.open, a.limit, a.wantsOpen()
		a.mu.Unlock()
		if !wants {
			return
		}
		to, err := from, s.holdSpare()
		if err == nil {
			to, err = s.openFrom(from, limit)
		}
		a.mu.Lock()
		err = s.opened(to, err)
		a.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// wantsOpen reports whether the end of what is accessible is near.
func (a *arena) wantsOpen() bool {
	return a.open < min(max(int(a.fresh), a.to)+openStep, a.limit, len(a.runs))
}

// tellRefusal says once that the kernel gave less memory than the limit.
func (s *Store) tellRefusal() {
	a := &s.arena
	a.mu.Lock()
	err, open := a.refusal, int64(a.open)<<runShift
	a.mu.Unlock()
	if p := &s.populator; err != nil && !p.told {
		p.told = true
		if s.refused != nil {
			s.refused(open, err)
		}
	}
}
