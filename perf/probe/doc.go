// Package probe asks a server for something at a steady pace and keeps how long
// each reply took.
//
// perf/checker and perf/events run it beside their load. A Probe sends one request
// at each planned time and waits for its reply; a reply that takes longer than the
// pace delays the next, so that a stall counts once, with its length. When the
// probe itself wakes up late, that is kept apart.
package probe
