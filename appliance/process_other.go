//go:build !linux

package appliance

import "errors"

func lockMemory() error { return errors.New("not supported on this platform, proceeding without") }

// monotonicMicroseconds is for systemd, which is not here.
func monotonicMicroseconds() int64 { return 0 }
