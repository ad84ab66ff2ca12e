// Package verdict is a report of figures, and of which of them held their bars.
// perf/density, perf/events, perf/restart and perf/crash write it, perf/cmd/pandacheck
// prints it.
package verdict
