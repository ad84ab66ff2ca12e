//go:build !linux

package appliance

import "errors"

func lockMemory() error { return errors.New("not supported on this platform, proceeding without") }
