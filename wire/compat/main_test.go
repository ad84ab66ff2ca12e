package compat

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pandabeardb/panda/internal/invariant"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the transcripts from the originals")

// buildDir is where panda is built, once per run of the tests.
var buildDir string

// parallel is how many of the tests that may run beside others do: most wait, for
// an item's expiry or a thread of the original, and some load a core.
const parallel = 4

func TestMain(m *testing.M) {
	flag.Set("test.parallel", strconv.Itoa(parallel)) // whoever gives -parallel has the last word
	flag.Parse()
	dir, err := os.MkdirTemp("", "panda-compat-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(1)
	}
	buildDir = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// A version of memcached, by whose name a mode of ours is called.
type version string

const (
	v1618 version = "1.6.18"
	v1645 version = "1.6.45"
)

// A program is something that serves memcached's protocol: panda in one of its
// modes, or an original.
type program struct {
	path     string
	prefix   []string // arguments before memcached's own
	original bool     // not panda
}

// command returns the program's command with memcached's arguments args.
func (p program) command(args ...string) *exec.Cmd {
	return exec.Command(p.path, append(p.prefix[:len(p.prefix):len(p.prefix)], args...)...)
}

// with is the program with variables of its environment, NAME=value each.
func (p program) with(variables ...string) program {
	p.prefix = append(append(variables, p.path), p.prefix...)
	p.path = "env"
	return p
}

var buildPanda = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "panda")
	args := []string{"build", "-o", path}
	if invariant.On {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "./appliance/cmd/panda")...)
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building panda: %w\n%s", err, out)
	}
	return path, nil
})

// subject is the program under test in the mode of a version.
func subject(t testing.TB, v version) program {
	t.Helper()
	stands := map[version]string{v1618: os.Getenv("PANDA_COMPAT_BINARY"), v1645: os.Getenv("PANDA_COMPAT_BINARY_1645")}
	if stands[v] != "" {
		return program{path: stands[v], original: true}
	}
	if stands[v1618]+stands[v1645] != "" {
		t.Skipf("a stand-in is set for the other mode, but none for %s", v)
	}
	path, err := buildPanda()
	if err != nil {
		t.Fatal(err)
	}
	return program{path: path, prefix: []string{"memcached", "--compat=" + string(v)}}
}

// oracle is the original of a version. Where there is none, the test skips.
func oracle(t testing.TB, v version) program {
	t.Helper()
	p, err := findOracle(v)
	if err != nil {
		t.Skipf("no memcached %s to compare with: %v", v, err)
	}
	return p
}

func findOracle(v version) (program, error) {
	path := os.Getenv("PANDA_COMPAT_ORACLE_1645")
	if v == v1645 && path == "" {
		return program{}, errors.New("PANDA_COMPAT_ORACLE_1645 is not set")
	}
	if v == v1618 {
		found, err := exec.LookPath("memcached")
		if err != nil {
			return program{}, err
		}
		path = found
	}
	p := program{path: path, original: true}
	out, err := p.command("-V").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "memcached "+string(v) {
		return program{}, fmt.Errorf("%s -V says %q (%v)", path, bytes.TrimSpace(out), err)
	}
	return p, nil
}

// peer returns the path of something that install-peers.sh put below
// .cache/peers; without it, the test skips.
func peer(t testing.TB, elements ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(append([]string{"..", "..", ".cache", "peers"}, elements...)...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("not installed (wire/compat/install-peers.sh says why): %s", filepath.Join(elements...))
	}
	return path
}

// tool returns the path of a program in PATH; without it, the test skips.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("not installed (wire/compat/install-peers.sh says why): %s", name)
	}
	return path
}

// loopbackUp is a program in perl that switches lo on, which a new network has
// off, and becomes what its arguments say.
const loopbackUp = `use Socket; socket(my $s, PF_INET, SOCK_DGRAM, 0) or die $!;
my ($set, $up, $running) = (0x8914, 0x1, 0x40); # SIOCSIFFLAGS, IFF_UP, IFF_RUNNING
ioctl($s, $set, pack("a16 s x22", "lo", $up | $running)) or die "lo: $!";
exec @ARGV or die "$ARGV[0]: $!";`

// ownNetwork is what makes a command run in a network of its own, where all
// ports are free.
func ownNetwork(perl string) (words []string, err error) {
	for _, flag := range []string{"-n", "-rn"} { // as root, or as who is root in a name space
		words = []string{"unshare", flag, "--", perl, "-e", loopbackUp, "--"}
		out, tried := exec.Command(words[0], append(words[1:len(words):len(words)], "true")...).CombinedOutput()
		if tried == nil {
			return words, nil
		}
		err = fmt.Errorf("unshare makes none: %w: %.200s", tried, out)
	}
	return nil, err
}
