package admin

import (
	"strings"
	"testing"
)

// TestFlashMetrics: they are there with a second tier, and only then.
func TestFlashMetrics(t *testing.T) {
	from := source()
	from.Flash = func() Flash { return Flash{DebtBytes: 12345, DebtPages: 6} }
	_, text := get(t, start(t, from), "/metrics")
	for _, line := range []string{`panda_flash_compaction_debt_bytes 12345`, `panda_flash_compaction_debt_pages 6`} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %s in\n%s", line, text)
		}
	}
	if _, text := get(t, start(t, source()), "/metrics"); strings.Contains(text, "panda_flash") {
		t.Error("metrics of a tier that is not there")
	}
}
