//go:build !linux

package slab

import "errors"

// allocate cannot be had everywhere: these systems' file systems are taken at
// their word when they map the file.
func (f *arenaFile) allocate(int64, int64) error { return nil }

// punch gives nothing back: the runs stay free with memory behind them.
func (f *arenaFile) punch(int64, []byte) error { return errors.ErrUnsupported }

func (f *arenaFile) space() (free, have int64, ok bool) { return 0, 0, false }
