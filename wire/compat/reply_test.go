package compat

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A masker makes the replies of two servers comparable: CAS tokens become cas1,
// cas2, … in order of appearance, and seconds that pass become ~N.
type masker struct {
	names  map[string]string // CAS token → name
	tokens []string          // CAS tokens in order of appearance
}

// cas returns a token's name.
func (m *masker) cas(token string) string {
	if name, known := m.names[token]; known {
		return name
	}
	if _, err := strconv.ParseUint(token, 10, 64); err != nil {
		return token
	}
	if m.names == nil {
		m.names = map[string]string{}
	}
	m.tokens = append(m.tokens, token)
	m.names[token] = fmt.Sprintf("cas%d", len(m.tokens))
	return m.names[token]
}

// clone returns a masker that knows the same tokens.
func (m *masker) clone() *masker {
	return &masker{maps.Clone(m.names), slices.Clone(m.tokens)}
}

// longPast is above any expiry: what is above it was below zero, the seconds since
// the server's start.
const longPast = 1<<32 - 1<<24

// approximate marks a number of seconds.
func approximate(seconds string) string {
	n, err := strconv.Atoi(seconds)
	if err != nil || n == -1 {
		return seconds // -1: never
	}
	if n > longPast {
		return "(past)"
	}
	return "~" + seconds
}

// mask rewrites a stream of replies. What it does not know stays as it is.
func (m *masker) mask(replies []byte) string {
	var out strings.Builder
	for len(replies) > 0 {
		line, rest := replies, []byte(nil)
		if i := bytes.IndexByte(replies, '\n'); i >= 0 {
			line, rest = replies[:i+1], replies[i+1:]
		}
		words := strings.Split(string(line), " ")
		body := 0
		switch {
		case words[0] == "VALUE" && len(words) >= 4:
			body = m.value(words)
		case words[0] == "VA" && len(words) >= 2:
			body = length(words[1])
			m.flags(words[2:])
		case words[0] == "HD", words[0] == "EN", words[0] == "NF", words[0] == "NS", words[0] == "EX":
			m.flags(words[1:])
		case words[0] == "ME":
			m.debug(words[1:])
		case words[0] == "STAT" && len(words) >= 3:
			words = statistic(words)
		}
		out.WriteString(strings.Join(words, " "))
		body = min(body, len(rest))
		out.Write(rest[:body])
		replies = rest[body:]
	}
	return out.String()
}

// maskPackets rewrites a stream of replies of the binary protocol, a line each.
func (m *masker) maskPackets(replies []byte) string {
	var out strings.Builder
	for len(replies) > 0 {
		if len(replies) < headerSize || replies[0] != 0x81 {
			fmt.Fprintf(&out, "no packet: %q\n", replies)
			break
		}
		h, rest := replies[:headerSize], replies[headerSize:]
		body, extras, key := int(binary.BigEndian.Uint32(h[atBody:])), int(h[atExtras]), int(binary.BigEndian.Uint16(h[atKeyLength:]))
		if extras+key > min(body, len(rest)) {
			fmt.Fprintf(&out, "no whole packet: %q\n", replies)
			break
		}
		token := "0"
		if n := binary.BigEndian.Uint64(h[atCAS:]); n != 0 {
			token = m.cas(strconv.FormatUint(n, 10))
		}
		k, v := string(rest[extras:extras+key]), rest[extras+key:min(body, len(rest))]
		if h[1] == opStat && key > 0 {
			v = []byte(strings.Join(statistic([]string{"STAT", k, string(v)})[2:], " "))
		}
		value := fmt.Sprintf("%q\n", v)
		if body > len(rest) { // the beginning of what the whole value would be
			value = strings.TrimSuffix(value, "\"\n")
		}
		fmt.Fprintf(&out, "%02x status=%02x%02x type=%d opaque=%x cas=%s extras=%q key=%q value=%s",
			h[1], h[atStatus], h[atStatus+1], h[5], h[atOpaque:atCAS], token, rest[:extras], k, value)
		if body > len(rest) {
			break
		}
		replies = rest[body:]
	}
	return out.String()
}

// ending splits a word from the end of its line.
func ending(word string) (text, end string) {
	text = strings.TrimRight(word, "\r\n")
	return text, word[len(text):]
}

// length is the number of bytes of a body that a word announces, CRLF included.
func length(word string) int {
	text, _ := ending(word)
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0
	}
	return n + 2
}

// value masks the CAS token of VALUE <key> <flags> <bytes> [<cas>].
func (m *masker) value(words []string) (body int) {
	if len(words) == 5 {
		text, end := ending(words[4])
		words[4] = m.cas(text) + end
	}
	return length(words[3])
}

// flags masks the flags of a meta reply.
func (m *masker) flags(words []string) {
	for i, word := range words {
		text, end := ending(word)
		if len(text) < 2 {
			continue
		}
		switch text[0] {
		case 'c':
			words[i] = "c" + m.cas(text[1:]) + end
		case 't', 'l':
			words[i] = text[:1] + approximate(text[1:]) + end
		}
	}
}

// debug masks the words of me's reply.
func (m *masker) debug(words []string) {
	for i, word := range words {
		text, end := ending(word)
		name, value, _ := strings.Cut(text, "=")
		switch name {
		case "cas":
			words[i] = "cas=" + m.cas(value) + end
		case "exp", "la":
			words[i] = name + "=" + approximate(value) + end
		}
	}
}

// exactStatistics are those of `stats` that the same inputs make the same.
var exactStatistics = regexp.MustCompile(`^(cmd_\w+|(get|delete|incr|decr|cas|touch)_(hits|misses|badval)|limit_maxbytes|threads|max_connections|pointer_size|version|rejected_connections)$`)

// statistic masks the value of STAT <name> <value> where it differs from run
// to run or from machine to machine. Of `stats settings` that is the port, and
// the time of the last flush_all.
func statistic(words []string) []string {
	name := words[1]
	if settings[name] && name != "tcpport" && name != "oldest" || exactStatistics.MatchString(name) {
		return words
	}
	_, end := ending(words[len(words)-1])
	return []string{"STAT", name, "_" + end}
}

// settings are the names of `stats settings`.
var settings = func() map[string]bool {
	m := map[string]bool{}
	for name := range strings.FieldsSeq(`
		maxbytes maxconns tcpport udpport inter verbosity oldest evictions domain_socket umask growth_factor
		chunk_size num_threads num_threads_per_udp stat_key_prefix detail_enabled reqs_per_event cas_enabled
		tcp_backlog binding_protocol auth_enabled_sasl auth_enabled_ascii item_size_max maxconns_fast
		hashpower_init slab_reassign slab_automove slab_automove_ratio slab_automove_window slab_chunk_max
		lru_crawler lru_crawler_sleep lru_crawler_tocrawl tail_repair_time flush_enabled dump_enabled
		hash_algorithm lru_maintainer_thread lru_segmented hot_lru_pct warm_lru_pct hot_max_factor
		warm_max_factor temp_lru temporary_ttl idle_timeout watcher_logbuf_size worker_logbuf_size
		resp_obj_mem_limit read_buf_mem_limit track_sizes inline_ascii_response ext_item_size ext_item_age
		ext_low_ttl ext_recache_rate ext_wbuf_size ext_compact_under ext_drop_under ext_max_sleep ext_max_frag
		slab_automove_freeratio ext_drop_unread num_napi_ids memory_file client_flags_size`) {
		m[name] = true
	}
	return m
}()

var seconds = regexp.MustCompile(`~-?\d+`)

// secondsApart is how far two servers' seconds may lie apart: each rounds, one
// started later, and the original counts ticks, which a busy machine makes late.
const secondsApart = 5

// same reports whether two masked streams of replies are the same.
func same(a, b string) bool {
	if a == b {
		return true
	}
	inA, inB := seconds.FindAllString(a, -1), seconds.FindAllString(b, -1)
	if len(inA) != len(inB) || seconds.ReplaceAllLiteralString(a, "~") != seconds.ReplaceAllLiteralString(b, "~") {
		return false
	}
	for i := range inA {
		x, _ := strconv.Atoi(inA[i][1:])
		y, _ := strconv.Atoi(inB[i][1:])
		if x-y > secondsApart || y-x > secondsApart {
			return false
		}
	}
	return true
}

func TestMask(t *testing.T) {
	check := func(replies, want string) {
		t.Helper()
		var m masker
		if got := m.mask([]byte(replies)); got != want {
			t.Errorf("%q: masked %q, wanted %q", replies, got, want)
		}
	}
	check("VALUE a 0 3 77\r\nx\r\n\r\nVALUE b 0 1 78\r\ny\r\nEND\r\n", "VALUE a 0 3 cas1\r\nx\r\n\r\nVALUE b 0 1 cas2\r\ny\r\nEND\r\n")
	check("VALUE a 0 16\r\nVALUE b 0 0 12\r\n\r\nEND\r\n", "VALUE a 0 16\r\nVALUE b 0 0 12\r\n\r\nEND\r\n")
	check("HD c5 t-1 kc5\r\nVA 2 c6 c5 t30 l0\r\nc5\r\n", "HD ccas1 t-1 kc5\r\nVA 2 ccas2 ccas1 t~30 l~0\r\nc5\r\n")
	check("ME a exp=-1 la=4 cas=9 fetch=no cls=1 size=64\r\n", "ME a exp=-1 la=~4 cas=cas1 fetch=no cls=1 size=64\r\n")
	check("STAT pid 12\r\nSTAT cmd_get 4\r\nSTAT maxbytes 5\r\n", "STAT pid _\r\nSTAT cmd_get 4\r\nSTAT maxbytes 5\r\n")
	check("HD t4294966776\r\n", "HD t(past)\r\n")
	check("ERROR\r\nVERS", "ERROR\r\nVERS")
}

func TestMaskPackets(t *testing.T) {
	check := func(replies, want string) {
		t.Helper()
		var m masker
		if got := m.maskPackets([]byte(replies)); got != want {
			t.Errorf("%q: masked %q, wanted %q", replies, got, want)
		}
	}
	const (
		opaque = "\x01\x02\x03\x04"
		found  = "\x81\x0c\x00\x01\x04\x00\x00\x00\x00\x00\x00\x08" + opaque + "\x00\x00\x00\x00\x00\x00\x00\x4d" + "\x00\x00\x00\x05" + "k" + "a\r\n"
		line   = `0c status=0000 type=0 opaque=01020304 cas=cas1 extras="\x00\x00\x00\x05" key="k" value="a\r\n`
		stat   = "\x81\x10\x00\x03\x00\x00\x00\x00\x00\x00\x00\x05" + opaque + "\x00\x00\x00\x00\x00\x00\x00\x00" + "pid" + "42"
	)
	check(found+found, line+"\"\n"+line+"\"\n")
	check(stat, `10 status=0000 type=0 opaque=01020304 cas=0 extras="" key="pid" value="_"`+"\n")
	check(found[:len(found)-1], strings.TrimSuffix(line, `\n`))
	check(found[:26], fmt.Sprintf("no whole packet: %q\n", found[:26]))
	check("ERROR\r\n", "no packet: \"ERROR\\r\\n\"\n")
}

func TestSame(t *testing.T) {
	check := func(a, b string, want bool) {
		t.Helper()
		if same(a, b) != want {
			t.Errorf("%q and %q: same is %v", a, b, !want)
		}
	}
	check("HD t~30\r\n", "HD t~29\r\n", true)
	check("HD t~30\r\n", "HD t~24\r\n", false)
	check("HD t~30\r\n", "HD t-1\r\n", false)
	check("HD t~30 l~0\r\n", "HD t~30\r\n", false)
	check("HD\r\n", "EN\r\n", false)
}
