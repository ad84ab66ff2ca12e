// Package verdict is a report of figures, and of which of them held their bars.
// perf/density and perf/events write it, perf/cmd/pandacheck prints it.
package verdict
