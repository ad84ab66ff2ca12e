package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
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
		reason: "Redis's: at most a second is lost when the machine fails, and 20 ms when the process is killed",
		set:    func(p *parser, v value) error { p.c.Persist.Fsync = v.text; return nil }},
	{name: "persist.folder", kind: text, initial: PersistFolder, flag: "data",
		help:   "The folder of logs and snapshots, on a local disk. One node uses it. A relative name is in the folder of the start, of a systemd unit in its StateDirectory=.",
		reason: "nothing but the binary is needed",
		set:    func(p *parser, v value) error { p.c.Persist.Folder = v.text; return nil }},
	{name: "persist.snapshot_every", kind: duration, initial: "5m", min: 1, max: secondsMax, zero: "at the end only",
		help:   "How often mode snapshot takes one, if something has changed. `panda snapshot` takes one at any time.",
		reason: "Redis's, for a keyspace in which much changes",
		set:    func(p *parser, v value) error { p.c.Persist.SnapshotEvery = v.period(); return nil }},
	{name: "persist.snapshot_after", kind: size, initial: "256MB", min: 1 << 20, max: 1 << 50,
		help:   "How long the log gets, at least, before a snapshot makes it short again; it also waits until the log is as long as the last snapshot. Mode log.",
		reason: "the size of the log's files, of which no part can be given back; recovery from it takes a second or two",
		set:    func(p *parser, v value) error { p.c.Persist.SnapshotBytes = v.n; return nil }},
	{name: "persist.salvage", kind: truth, initial: "false", flag: "salvage",
		help:   "If logs or snapshots are damaged, begin with what is whole in them, instead of not at all.",
		reason: "what is missing should be decided by somebody",
		set:    func(p *parser, v value) error { p.c.Persist.Salvage = v.truth; return nil }},
}

// persistSetting is the row of this name.
func persistSetting(name string) *setting {
	i := slices.IndexFunc(persistSettings, func(s setting) bool { return s.name == name })
	return &persistSettings[i]
}

// persistDefaults are what memcached's command line does not say.
func (p *parser) persistDefaults() {
	for i := range persistSettings {
		row := &persistSettings[i]
		row.set(p, row.initialValue()) // which is in range
	}
}

// setPersist is an option of -o that means a setting.
func setPersist(option, name string) setter {
	return func(p *parser, text string) *Exit {
		row := persistSetting(name)
		v := value{text: text}
		if len(row.choices) > 0 && !slices.Contains(row.choices, text) {
			return fail(ExitUsage, "panda: %s: %q is none of %s", option, text, strings.Join(row.choices, ", "))
		}
		if err := row.set(p, v); err != nil {
			return fail(ExitUsage, "panda: %s: %v", option, err)
		}
		p.persistOption = option
		return nil
	}
}

// finishPersistOptions is finishPersist of memcached's command line.
func (p *parser) finishPersistOptions() *Exit {
	if !p.c.Persist.On() && p.persistOption != "" && p.persistOption != "panda_persist" {
		return fail(ExitUsage, "panda: -o %s means nothing without -o panda_persist=log or panda_persist=snapshot", p.persistOption)
	}
	if err := p.finishPersist(); err != nil {
		return fail(ExitUsage, "panda: %v", err)
	}
	return nil
}

// finishPersist checks it against what else is set.
func (p *parser) finishPersist() error {
	c := &p.c.Persist
	fsync, udp := "persist.fsync = always", "memcache.udp_port"
	if p.c.AsMemcached {
		fsync, udp = "-o panda_fsync=always", "-U"
	}
	switch {
	case !c.On():
		return nil
	case c.Folder == "":
		return errors.New("persist.folder is empty, and persist.mode wants one")
	case c.Mode == "log" && c.Fsync == "always" && p.udpPort != 0:
		return fmt.Errorf("%s holds replies back, which %s cannot do; one of them must be off", fsync, udp)
	}
	return nil
}
