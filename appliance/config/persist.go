package config

import (
	"errors"
	"time"
)

// PersistFolder is where `panda serve` keeps what it persists.
const PersistFolder = "panda-data"

// Persist is how the keyspace is kept.
type Persist struct {
	Mode          string        // off, snapshot or log
	Fsync         string        // always, everysec or no: of the log
	Folder        string        //
	SnapshotEvery time.Duration // mode snapshot; 0: only when asked, and at the end
	SnapshotBytes int64         // mode log: how long the log gets before a snapshot makes it short
	Salvage       bool          // begin with what is whole, if something is damaged
}

// On reports whether anything is kept.
func (p *Persist) On() bool { return p.Mode != "off" && p.Mode != "" }

// persistSettings are the rows of settings that are about it.
var persistSettings = []setting{
	{name: "persist.mode", kind: text, initial: "off", flag: "persist", choices: []string{"off", "snapshot", "log"},
		help:   "What survives the process: nothing, what the last snapshot has, or every change (log). See docs/durability.md.",
		reason: "a cache that begins empty is what memcached's users expect",
		set:    func(p *parser, v value) error { p.c.Persist.Mode = v.text; return nil }},
	{name: "persist.fsync", kind: text, initial: "everysec", flag: "fsync", choices: []string{"always", "everysec", "no"},
		help:   "When the log is on the disk: before each reply, every second, or when the system likes. Mode log.",
		reason: "Redis's: at most a second is lost when the machine fails, nothing when the process does",
		set:    func(p *parser, v value) error { p.c.Persist.Fsync = v.text; return nil }},
	{name: "persist.folder", kind: text, initial: PersistFolder, flag: "data",
		help:   "The folder of logs and snapshots, on a local disk. One node uses it.",
		reason: "nothing but the binary is needed",
		set:    func(p *parser, v value) error { p.c.Persist.Folder = v.text; return nil }},
	{name: "persist.snapshot_every", kind: duration, initial: "5m", min: 1, max: secondsMax, zero: "at the end only",
		help:   "How often mode snapshot takes one, if something has changed. `panda snapshot` takes one at any time.",
		reason: "Redis's, for a keyspace in which much changes",
		set:    func(p *parser, v value) error { p.c.Persist.SnapshotEvery = v.period(); return nil }},
	{name: "persist.snapshot_after", kind: size, initial: "64MB", min: 1 << 20, max: 1 << 50,
		help:   "How long the log gets, at least, before a snapshot makes it short again; it also waits until the log is as long as the last snapshot. Mode log.",
		reason: "Redis's auto-aof-rewrite: recovery reads at most twice what there is",
		set:    func(p *parser, v value) error { p.c.Persist.SnapshotBytes = v.n; return nil }},
	{name: "persist.salvage", kind: truth, initial: "false", flag: "salvage",
		help:   "If logs or snapshots are damaged, begin with what is whole in them, instead of not at all.",
		reason: "what is missing should be decided by somebody",
		set:    func(p *parser, v value) error { p.c.Persist.Salvage = v.truth; return nil }},
}

// finishPersist checks it against what else is set.
func (p *parser) finishPersist() error {
	c := &p.c.Persist
	switch {
	case !c.On():
		return nil
	case c.Folder == "":
		return errors.New("persist.folder is empty, and persist.mode wants one")
	case c.Mode == "log" && c.Fsync == "always" && p.udpPort != 0:
		return errors.New("persist.fsync = always holds replies back, which memcache.udp_port cannot do; one of them must be off")
	}
	return nil
}
