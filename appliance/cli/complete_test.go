package cli

import (
	"bytes"
	"strings"
	"testing"
)

// TestCompletion asks as the shells' scripts do.
func TestCompletion(t *testing.T) {
	check := func(line, want string) {
		t.Helper()
		words := strings.Split(line, " ")
		var out, notes bytes.Buffer
		code := Main(append([]string{"panda", "__complete"}, words...), &out, &notes)
		if code != 0 || !strings.Contains("\n"+out.String(), "\n"+want) {
			t.Errorf("%s: exit code %d,\n%s\nwant %q", line, code, out.String(), want)
		}
	}
	const noFile, noFileNorSpace, byEnding, folders, any = "\n:4\n", "\n:6\n", "\n:8\n", "\n:16\n", "\n:0\n"
	check("st", "status\tShow how a running node, or any memcached, stands"+noFile)
	check("comp", "completion\t")
	check("completion ", "bash\tGenerate the autocompletion script for bash\n")
	check("serve --set memcache.ca", "memcache.cas=\t")
	check("serve --set memcache.cas=", "memcache.cas=true\nmemcache.cas=false"+noFileNorSpace)
	check("serve --mem", "--memory\tmemory for items, index and overhead together\n")
	check("serve --log-level ", "debug\ninfo\nwarn\nerror"+noFile)
	check("serve --config ", "toml"+byEnding)
	check("serve --pid-file ", ":0\n")
	check("serve --port ", ":4\n")
	check("serve ", ":4\n")
	check("import --spool ", folders[1:])
	check("memcached -", "-m\tmemory in MB, of items, index and overhead together\n--memory-limit\t")
	check("memcached -o idle", "idle_timeout=\tseconds until idle connections are closed"+noFileNorSpace)
	check("memcached -o modern,no_maxc", "modern,no_maxconns_fast\tconnections over the limit wait"+noFileNorSpace)
	check("memcached -s ", any[1:])
	check("bench --protocol ", "text\tget and set\nmeta\tmg and ms\nbinary\tthe binary protocol"+noFile)
	check("bench --tls-ca ", any[1:])
	check("status ", noFile[1:])
	check("snapshot ", noFile[1:])
	check("inspect ", "log\tShow segments, frames and records of a log, and damage\nsnapshot\tShow frames and records of a snapshot, and damage"+noFile)
	check("inspect log ", any[1:])
}

// TestCompletionOfMemcached: called as memcached there is none; the word is
// passed over, as memcached does.
func TestCompletionOfMemcached(t *testing.T) {
	for _, args := range [][]string{{"memcached", "completion", "bash", "-V"}, {"panda", "memcached", "__complete", "-V"}} {
		var out, notes bytes.Buffer
		if code := Main(args, &out, &notes); code != 0 || out.String() != "memcached 1.6.45\n" {
			t.Errorf("%s: exit code %d, %q", args, code, out.String())
		}
	}
}
