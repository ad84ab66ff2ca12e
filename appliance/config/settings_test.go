package config

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// read makes a Config from a file's text and flags.
func read(text string, overrides ...Override) (Config, *Exit) {
	s, exit := ReadSettings(File{"panda.toml", []byte(text)}, overrides)
	if exit != nil {
		return Config{}, exit
	}
	return Serve(s)
}

// golden compares with a file of testdata, or rewrites it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(name); err != nil || string(want) != got {
		t.Errorf("differs from %s (%v); if that is meant, make golden\n%s", name, err, got)
	}
}

func TestServeListensOnLoopback(t *testing.T) {
	c, exit := Serve(Settings{})
	if exit != nil || c.NeedsUser || c.AsMemcached || !slices.Equal(c.Listeners, []Listener{{Host: "localhost", Port: 11211}}) {
		t.Errorf("serve: %+v %v", c, exit)
	}
	if c.Admin != "127.0.0.1:8088" || c.LogLevel != slog.LevelInfo || c.LogFormat != "auto" || c.Clients != 1024 {
		t.Errorf("serve: %+v", c)
	}
}

// TestEverySettingIsApplied: each has an effect on the Config that its default
// does not have.
func TestEverySettingIsApplied(t *testing.T) {
	other := map[string]string{
		"loops": "3", "user": "nobody", "pid_file": "p", "core_dumps": "true",
		"memory.limit": "1GB", "memory.evictions": "false", "memory.lock": "true",
		"memcache.listen": "*", "memcache.port": "1", "memcache.unix_socket": "s", "memcache.unix_mode": "0777", "memcache.backlog": "7",
		"memcache.connections": "9", "memcache.refuse_over_limit": "false", "memcache.idle_timeout": "1m", "memcache.item_max": "64KB",
		"memcache.requests_per_turn": "20", "memcache.compat": "1.6.18", "memcache.cas": "false", "memcache.flush": "false",
		"memcache.dump": "false", "memcache.watch": "false", "memcache.shutdown": "true", "memcache.temporary_ttl": "61s",
		"memcache.lru_crawler": "false", "memcache.growth_factor": "2", "memcache.chunk_size": "100", "memcache.stats_prefix": "/",
		"memcache.track_sizes": "true", "memcache.watcher_buffer": "1MB", "memcache.worker_buffer": "1MB",
		"memory.file": "m", "memcache.protocol": "binary", "memcache.udp_port": "5", "memcache.udp_clients": "10.0.0.0/8",
		"memcache.sasl": "true", "memcache.auth_file": "a", "tls.enabled": "true", "tls.certificate": "c", "tls.key": "k",
		"tls.key_format": "der", "tls.client_certificates": "required", "tls.authorities": "a", "tls.ciphers": "c",
		"tls.min_version": "1.3", "tls.session_cache": "true",
		"persist.mode": "log", "persist.fsync": "always", "persist.folder": "d", "persist.snapshot_every": "1h", "persist.snapshot_after": "1GB",
		"persist.salvage": "true",
		"flash.files":     "/f:1GB", "flash.page_size": "16MB", "flash.value_min": "1KB", "flash.idle_after": "1m", "flash.recache_rate": "0", "flash.reads": "2",
		"log.level": "debug", "log.format": "text", "admin.address": "[::1]:0",
	}
	plain, _ := Serve(Settings{})
	for i := range settings {
		name := settings[i].name
		s, exit := ReadSettings(File{}, []Override{{"--set " + name, name, other[name]}})
		if exit != nil {
			t.Errorf("%s=%s: %v", name, other[name], exit)
			continue
		}
		c, exit := Serve(s)
		if exit != nil || reflect.DeepEqual(c, plain) {
			t.Errorf("%s=%s changes nothing (%v)", name, other[name], exit)
		}
	}
	if len(other) != len(settings) {
		t.Errorf("%d settings, %d in this list", len(settings), len(other))
	}
}

// TestPersistConflicts: what cannot be kept together is refused by name.
func TestPersistConflicts(t *testing.T) {
	for text, want := range map[string]string{
		"persist.mode = \"log\"\nmemory.file = \"m\"":                                   "",
		"persist.mode = \"log\"\npersist.folder = \"\"":                                 "persist.folder is empty",
		"persist.mode = \"log\"\npersist.fsync = \"always\"\nmemcache.udp_port = 11211": "memcache.udp_port cannot do",
		"persist.mode = \"log\"\nmemcache.udp_port = 11211":                             "",
		"persist.fsync = \"always\"\nmemcache.udp_port = 11211":                         "",
	} {
		_, exit := read(text)
		if (exit != nil) != (want != "") || exit != nil && !strings.Contains(exit.Stderr, want) {
			t.Errorf("%q: %v, want %q", text, exit, want)
		}
	}
}

// TestWhatAFileSays: a file with everything, against the fields that must hold it.
func TestWhatAFileSays(t *testing.T) {
	c, exit := read(`
loops = 2
[memory]
limit = "2GB"
[memcache]
listen = ["10.0.0.5", "[::1]:22122"]
port = 11300
unix_socket = "/run/panda.sock"
unix_mode = "770"
connections = 50000
idle_timeout = "5m"
item_max = "8MB"
stats_prefix = "/"
temporary_ttl = "1m"
log = {level = "warn", format = "json"}
`)
	if exit == nil {
		t.Fatal("log within [memcache] was taken")
	}
	c, exit = read(`
loops = 2
memory.limit = "2GB"
log = {level = "warn", format = "json"}
admin.address = ""
[memcache]
listen = ["10.0.0.5", "[::1]:22122"]
port = 11300
unix_socket = "/run/panda.sock"
unix_mode = "770"
connections = 50000
idle_timeout = "5m"
item_max = "8MB"
stats_prefix = "/"
temporary_ttl = "1m"
`)
	if exit != nil {
		t.Fatal(exit)
	}
	m, set := &c.Memcache, &c.Memcache.Settings
	if c.Loops != 2 || set.NumThreads != 2 || set.MaxBytes != 2<<30 || c.LogLevel != slog.LevelWarn || c.LogFormat != "json" || c.Admin != "" ||
		!slices.Equal(c.Listeners, []Listener{{Host: "10.0.0.5", Port: 11300}, {Host: "::1", Port: 22122}}) || *c.Unix != (UnixSocket{"/run/panda.sock", 0o770}) ||
		c.Clients != 50000 || set.MaxConns != 50000 || c.IdleAfter != 5*time.Minute || set.IdleTimeoutSeconds != 300 ||
		m.ItemSizeMax != 8<<20 || m.StatsPrefix != '/' || !m.StatsDetail || !set.TempLRU || set.TemporaryTTL != 60 ||
		set.Inter != "10.0.0.5,[::1]:22122" || set.TCPPort != 11300 || set.Umask != 0o770 || c.File != "panda.toml" {
		t.Errorf("%+v", c)
	}
}

func TestFlagsWinOverTheFile(t *testing.T) {
	c, exit := read("[memory]\nlimit = \"1GB\"\n[memcache]\ncas = false\n",
		Override{"--memory", "memory.limit", "128"}, Override{"--listen", "memcache.listen", "127.0.0.1,[::1]"})
	if exit != nil || c.Memcache.Settings.MaxBytes != 128<<20 || !c.Memcache.CASDisabled ||
		!slices.Equal(c.Listeners, []Listener{{Host: "127.0.0.1", Port: 11211}, {Host: "::1", Port: 11211}}) {
		t.Errorf("%+v %v", c, exit)
	}
	for _, o := range []struct{ setting, text, want string }{
		{"memory.limit", "12XB", `panda: --flag: "12XB" is not allowed; it wants a size in B, KB, MB, GB or TB from "1MB" to "4TB"`},
		{"memory.limits", "1GB", "panda: --flag: unknown setting memory.limits; did you mean memory.limit?"},
		{"admin.address", "0.0.0.0:8088", `panda: --flag: "0.0.0.0:8088" is not allowed; it wants a loopback address with a port, ` +
			"such as 127.0.0.1:8088, since whoever reaches it sees metrics and profiles without a password"},
		{"memcache.item_max", "33MB", `panda: --flag: "33MB" is more than half of memory.limit, which is "64MB"`},
		{"memory.limit", "1MB", `panda: --flag: "1MB" is less than twice memcache.item_max, which is "1MB" unless it is given`},
		{"memcache.listen", "", "panda: memcache.listen and memcache.unix_socket are both empty, which leaves nothing to serve"},
		{"memcache.port", "0", "panda: --flag: 0 is not allowed; -1 is any free port, and memcache.listen = [] none"},
		{"memcache.cas", "maybe", `panda: --flag: "maybe" is not allowed; it wants true or false`},
	} {
		s, exit := ReadSettings(File{}, []Override{{"--flag", o.setting, o.text}})
		if exit == nil {
			_, exit = Serve(s)
		}
		if exit == nil || exit.Code != ExitUsage || exit.Stderr != o.want+"\n" {
			t.Errorf("%s=%s: %v, want %s", o.setting, o.text, exit, o.want)
		}
	}
}

// TestFlagHelpKeepsAcronyms: a help begins small, but for names that have no small letter.
func TestFlagHelpKeepsAcronyms(t *testing.T) {
	for _, f := range Flags() {
		second := f.Help[1:2]
		if large := f.Help[:1] != strings.ToLower(f.Help[:1]); large != (second != strings.ToLower(second)) {
			t.Errorf("--%s: %s", f.Name, f.Help)
		}
	}
}

// TestConflictBlamesWhoGave: of a file and a flag that do not go together, the one
// that gave what is named.
func TestConflictBlamesWhoGave(t *testing.T) {
	check := func(file string, o Override, code int, want string) {
		t.Helper()
		if _, exit := read(file, o); exit == nil || exit.Code != code || exit.Stderr != want+"\n" {
			t.Errorf("%v, want %s", exit, want)
		}
	}
	check("[memory]\nlimit = \"32MB\"\n", Override{"--item-max", "memcache.item_max", "20MB"}, ExitUsage,
		`panda: --item-max: "20MB" is more than half of memory.limit, which is "32MB"`)
	check("[memcache]\nitem_max = \"20MB\"\n", Override{"--memory", "memory.limit", "32"}, ExitConfig,
		`panda.toml: memcache.item_max: "20MB" is more than half of memory.limit, which is "32MB"`)
	check("[memory]\nlimit = \"1MB\"\n", Override{"--loops", "loops", "1"}, ExitConfig,
		`panda.toml: memory.limit: "1MB" is less than twice memcache.item_max, which is "1MB" unless it is given`)
}

// TestConfigErrors: what is said of bad files. testdata/errors.txt holds, for
// each file of testdata/files, what is wrong with it.
func TestConfigErrors(t *testing.T) {
	names, err := filepath.Glob("testdata/files/*.toml")
	if err != nil || len(names) < 10 {
		t.Fatal(names, err)
	}
	var b strings.Builder
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		s, exit := ReadSettings(File{filepath.Base(name), data}, nil)
		if exit == nil {
			_, exit = Serve(s)
		}
		if exit == nil || exit.Code != ExitConfig {
			t.Errorf("%s: %v, want exit %d", name, exit, ExitConfig)
			continue
		}
		b.WriteString(exit.Stderr + "\n")
	}
	golden(t, "errors.txt", b.String())
}

func TestFileLimits(t *testing.T) {
	for _, text := range []string{strings.Repeat("#", fileMax+1), "a = " + strings.Repeat("[", 1000) + strings.Repeat("]", 1000)} {
		if _, exit := read(text); exit == nil || exit.Code != ExitConfig {
			t.Errorf("a file of %d bytes: %v", len(text), exit)
		}
	}
	var b strings.Builder
	for i := range 50 {
		fmt.Fprintf(&b, "x%d = 1\n", i)
	}
	if _, exit := read(b.String()); exit == nil || strings.Count(exit.Stderr, "\n") != problemsMax+1 || !strings.HasSuffix(exit.Stderr, "and 30 more\n") {
		t.Errorf("50 mistakes: %v", exit)
	}
}

func TestPrintConfig(t *testing.T) {
	golden(t, "default.toml", Settings{}.Print())
	s, exit := ReadSettings(File{"panda.toml", []byte("memory.limit = \"1024MB\"\nmemcache.listen = []\nmemcache.unix_socket = 'C:\\a\"b'\n")}, nil)
	if exit != nil {
		t.Fatal(exit)
	}
	text := s.Print()
	for _, line := range []string{"\nlimit = \"1GB\"\n", "\nlisten = []\n", "\nunix_socket = \"C:\\\\a\\\"b\"\n", "\n#port = 11211\n"} {
		if !strings.Contains(text, line) {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
	again, exit := ReadSettings(File{"printed", []byte(text)}, nil)
	if exit != nil || !reflect.DeepEqual(again.given, s.given) {
		t.Errorf("what was printed reads as %v (%v), want %v", again.given, exit, s.given)
	}
}

// TestDefaultsPrintedAreTheDefaults: the printed file with its # taken away says
// what it says without.
func TestDefaultsPrintedAreTheDefaults(t *testing.T) {
	var lines []string
	for line := range strings.Lines(Settings{}.Print()) {
		if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") {
			line = line[1:]
		}
		lines = append(lines, line)
	}
	s, exit := ReadSettings(File{"default.toml", []byte(strings.Join(lines, ""))}, nil)
	if exit != nil || len(s.given) != len(settings) {
		t.Fatalf("%d settings, want %d: %v", len(s.given), len(settings), exit)
	}
	full, exit := Serve(s)
	plain, _ := Serve(Settings{})
	full.File = ""
	if exit != nil || !reflect.DeepEqual(full, plain) {
		t.Errorf("%v\n%+v, want\n%+v", exit, full, plain)
	}
}

func TestSettingsTable(t *testing.T) {
	flags := map[string]string{"config": "", "print-config": "", "set": "", "verbose": "", "v": "", "help": "", "h": ""}
	for i := range settings {
		s := &settings[i]
		s.initialValue() // panics if it is out of its own range
		if s.help == "" || s.reason == "" || !strings.HasSuffix(s.help, ".") || strings.HasSuffix(s.reason, ".") || s.set == nil {
			t.Errorf("%s: help %q, reason %q", s.name, s.help, s.reason)
		}
		if section, _ := s.place(); section != "" && sections[section] == "" {
			t.Errorf("%s: no section %q", s.name, section)
		}
		for _, f := range []string{s.flag, s.short} {
			if owner, taken := flags[f]; taken && f != "" {
				t.Errorf("%s: flag %s is %q's", s.name, f, owner)
			}
			flags[f] = s.name
		}
		if settingNamed(s.name) != s {
			t.Errorf("%s stands twice", s.name)
		}
	}
}
