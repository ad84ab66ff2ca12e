package config

import (
	"slices"
	"testing"
)

func names(words []Word) (list []string) {
	for _, w := range words {
		list = append(list, w.Name)
	}
	return list
}

func TestWords(t *testing.T) {
	check := func(got []Word, want ...string) {
		t.Helper()
		if !slices.Equal(names(got), want) {
			t.Errorf("%q, want %q", names(got), want)
		}
	}
	check(SettingWords("memory."), "memory.limit=", "memory.evictions=", "memory.lock=", "memory.file=")
	check(SettingWords("memcache.cas="), "memcache.cas=true", "memcache.cas=false")
	check(SettingWords("memory.limit="))
	check(SettingWords("nothing"))
	check(FlagWords("log.level"), "debug", "info", "warn", "error")
	check(MemcachedWords("--conn"), "--conn-limit")
	check(MemcachedWords("-m"), "-m")
	check(SuboptionWords("idle"), "idle_timeout=")
	check(SuboptionWords("no_maxc"), "no_maxconns_fast")
	if n := len(MemcachedWords("-")); n < 50 {
		t.Errorf("only %d flags", n)
	}
	for _, w := range append(SettingWords(""), append(MemcachedWords("-"), SuboptionWords("")...)...) {
		if w.Help == "" {
			t.Errorf("%s has no description", w.Name)
		}
	}
	for _, f := range Flags() {
		if want := f.Name == "unix-socket" || f.Name == "pid-file"; want && !f.File() {
			t.Errorf("--%s is completed with no files", f.Name)
		}
	}
}
