package config

import (
	"testing"
	"time"
)

// TestPersistOptions: -o says what panda serve's settings say, with their defaults.
func TestPersistOptions(t *testing.T) {
	want := Persist{Mode: "off", Fsync: "everysec", Folder: "panda-data", SnapshotEvery: 5 * time.Minute, SnapshotBytes: 256 << 20}
	if got := parse(t, "").Persist; got != want || got.On() {
		t.Errorf("%+v, want %+v", got, want)
	}
	want.Mode, want.Fsync, want.Folder = "log", "always", "/var/lib/panda"
	if got := parse(t, "-o panda_persist=log,panda_fsync=always,panda_data=/var/lib/panda").Persist; got != want || !got.On() {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := parse(t, "-o panda_persist=snapshot -e /dev/shm/memory").Persist; got.Mode != "snapshot" {
		t.Errorf("%+v", got)
	}
	wantExit(t, "-o panda_persist=yes", ExitUsage, `panda: panda_persist: "yes" is none of off, snapshot, log`)
	wantExit(t, "-o panda_persist=log,panda_fsync=1s", ExitUsage, `panda: panda_fsync: "1s" is none of always, everysec, no`)
	wantExit(t, "-o panda_fsync=always", ExitUsage, "panda: -o panda_fsync means nothing without -o panda_persist=log or panda_persist=snapshot")
	wantExit(t, "-o panda_persist=off,panda_data=/x", ExitUsage, "panda: -o panda_data means nothing without -o panda_persist=log or panda_persist=snapshot")
	wantExit(t, "-U 11211 -o panda_persist=log,panda_fsync=always", ExitUsage, "panda: -o panda_fsync=always holds replies back, which -U cannot do; one of them must be off")
	parse(t, "-U 11211 -o panda_persist=log")
	parse(t, "-o panda_persist=off")
}
