package credentials

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	configName      = "memcached.conf" // the application's name to SASL, and .conf
	configMax       = 64 << 10         // bytes of the configuration file
	databaseDefault = "/etc/sasldb2"   // SASL_DB_PATH

	mechanismPlain = "PLAIN"
	mechanismCRAM  = "CRAM-MD5"
)

// configPlaces is where memcached looks for a configuration without SASL_CONF_PATH.
var configPlaces = []string{"/etc/sasl", "/etc/sasl2"}

// saslConfig is what matters of Cyrus SASL's configuration file.
type saslConfig struct {
	mechanisms []string // in the file's order; nil: the file names none
	database   string   // sasldb_path
}

// findConfig is the configuration file that memcached would have SASL read. found
// is false when there is no place to look for it; a place without a file is
// one with all defaults.
func findConfig(getenv func(string) string) (path string, found bool) {
	if list, given := getenv("SASL_CONF_PATH"), getenv("SASL_CONF_PATH") != ""; given {
		for _, place := range strings.Split(list, string(os.PathListSeparator)) {
			if info, err := os.Stat(place); err == nil && info.Mode().IsRegular() {
				return place, true
			}
			if name := filepath.Join(place, configName); exists(name) {
				return name, true
			}
		}
		return "", true
	}
	for _, place := range configPlaces {
		for _, name := range []string{filepath.Join(place, configName, configName), filepath.Join(place, configName)} {
			if exists(name) {
				return name, true
			}
		}
	}
	return "", false
}

func exists(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// readConfig reads the file of that path; "": all defaults.
func readConfig(path string) (saslConfig, error) {
	if path == "" {
		return parseConfig(nil)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return saslConfig{}, err
	}
	return parseConfig(text[:min(len(text), configMax)])
}

// parseConfig takes the file apart: lines of key: value, where # begins a
// comment. What would have SASL ask somebody else for passwords is refused by name.
func parseConfig(text []byte) (saslConfig, error) {
	c := saslConfig{database: databaseDefault}
	for len(text) > 0 {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte{'\n'})
		key, value, ok := strings.Cut(strings.TrimSpace(string(line)), ":")
		value = strings.TrimSpace(value)
		if !ok || strings.HasPrefix(key, "#") {
			continue
		}
		switch strings.ToLower(key) {
		case "mech_list":
			c.mechanisms = knownMechanisms(value)
			if len(c.mechanisms) == 0 {
				return c, fmt.Errorf("mech_list: %s: %w: only PLAIN and CRAM-MD5 are", value, ErrUnsupported)
			}
		case "sasldb_path":
			c.database = value
		case "pwcheck_method":
			if !hasWord(value, "auxprop") {
				return c, fmt.Errorf("pwcheck_method: %s: %w: only auxprop is", value, ErrUnsupported)
			}
		case "auxprop_plugin":
			if !hasWord(value, "sasldb") {
				return c, fmt.Errorf("auxprop_plugin: %s: %w: only sasldb is", value, ErrUnsupported)
			}
		}
	}
	return c, nil
}

// knownMechanisms are those of a list that can be offered, in its order.
func knownMechanisms(list string) (known []string) {
	for _, name := range strings.Fields(list) {
		switch name = strings.ToUpper(name); name {
		case mechanismPlain, mechanismCRAM:
			known = append(known, name)
		}
	}
	return known
}

// hasWord reports whether a list has this word.
func hasWord(list, word string) bool {
	for _, w := range strings.Fields(list) {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}
