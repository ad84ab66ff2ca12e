package appliance

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/pandabeardb/panda/disk/dio"
)

// keep makes a node that keeps its keyspace in folder.
func keep(t *testing.T, folder string, log *slog.Logger, set ...string) (*Node, error) {
	t.Helper()
	all := []string{"memcache.listen", "127.0.0.1", "memcache.port", "-1", "admin.address", "", "persist.mode", "log", "persist.folder", folder}
	return New(t.Context(), serveConfig(t, append(all, set...)...), log, nil)
}

// startKept is keep, and lets it serve.
func startKept(t *testing.T, folder string, log *slog.Logger, set ...string) *Node {
	t.Helper()
	n, err := keep(t, folder, log, set...)
	if err == nil {
		err = n.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var silent = slog.New(slog.DiscardHandler)

// keepSome has a node keep a few items in folder, and ends it.
func keepSome(t *testing.T, folder string) {
	t.Helper()
	n := startKept(t, folder, silent)
	c := dial(t, n.Addrs()[0])
	for i := range 100 {
		exchange(t, c, fmt.Sprintf("set key%d 0 0 5\r\nvalue\r\n", i), "STORED\r\n")
	}
	stop(t, n)
}

// theLog is the path of a folder's first segment.
func theLog(t *testing.T, folder string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.log"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%v, %v", names, err)
	}
	return names[0]
}

// change changes bytes of a file.
func change(t *testing.T, path string, offset int, text string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		copy(data[offset:], text)
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestDataFolderRefusals: what an operator is told of a folder that cannot be used,
// and what to do; and nothing in the folder is changed.
func TestDataFolderRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, folder string)
		want  []string
	}{
		"in use": {func(t *testing.T, folder string) {
			n := startKept(t, folder, silent)
			t.Cleanup(func() { stop(t, n) })
		}, []string{"in use by another process (another node uses it: end that one, or give this one a folder of its own)"}},
		"later version": {func(t *testing.T, folder string) {
			change(t, filepath.Join(folder, "KEYSPACE"), len("panda keyspace\nversion "), "9")
		}, []string{"of another version: 9, and this program knows 1 (start the version of panda that wrote it, or begin with another folder)"}},
		"not ours": {func(t *testing.T, folder string) {
			change(t, filepath.Join(folder, "KEYSPACE"), 0, "somebody's")
		}, []string{"KEYSPACE file is damaged (what is it? A folder that is given to panda must be its own, or empty)"}},
		"damaged": {func(t *testing.T, folder string) {
			change(t, theLog(t, folder), dio.BlockSize+60, "x")
		}, []string{".log, offset 4096", "(persist.salvage = true begins with what is whole; copy the folder before)"}},
		"a file": {func(t *testing.T, folder string) {
			if err := os.RemoveAll(folder); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(folder, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"not a directory (it is no folder)"}},
	} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "data")
			keepSome(t, folder)
			c.spoil(t, folder)
			times := name != "in use" // that node prepares the next segment
			before := listing(folder, times)
			n, err := keep(t, folder, silent)
			if err == nil {
				stop(t, n)
				t.Fatal("it starts")
			}
			for _, want := range append(c.want, "[persist] the data folder cannot be used: ", folder) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nhas no %q", err, want)
				}
			}
			if !errors.Is(err, ErrPersist) || startCode(err) != 1 {
				t.Errorf("%v: exit code %d", err, startCode(err))
			}
			if after := listing(folder, times); after != before {
				t.Errorf("the folder has\n%s\nand had\n%s", after, before)
			}
		})
	}
}

// listing is what a folder has, with sizes and, if wanted, times.
func listing(folder string, times bool) string {
	var b strings.Builder
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			fmt.Fprintln(&b, e.Name(), info.Size())
			if times {
				fmt.Fprintln(&b, info.ModTime())
			}
		}
	}
	return b.String()
}

// TestSalvage: what is whole is there, and what is not is said.
func TestSalvage(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	keepSome(t, folder)
	log0, err := os.ReadFile(theLog(t, folder))
	if err != nil {
		t.Fatal(err)
	}
	change(t, theLog(t, folder), strings.Index(string(log0), "value"), "waste") // of key0
	var printed safeBuffer
	log, _ := newLog(&printed, "text", slog.LevelInfo)
	n := startKept(t, folder, log, "persist.salvage", "true")
	exchange(t, dial(t, n.Addrs()[0]), "get key0 key99\r\nset more 0 0 1\r\nx\r\n", "VALUE key99 0 5\r\nvalue\r\nEND\r\nSTORED\r\n")
	stop(t, n)
	if text := printed.String(); !strings.Contains(text, "[persist] damage: what is whole is used") || !strings.Contains(text, ", record ") {
		t.Errorf("%s", text)
	}
	again := startKept(t, folder, silent) // without salvage
	exchange(t, dial(t, again.Addrs()[0]), "get key0 key99 more\r\n", "VALUE key99 0 5\r\nvalue\r\nVALUE more 0 1\r\nx\r\nEND\r\n")
	stop(t, again)
}

// asNobody is a command that becomes nobody, with a data folder.
func asNobody(t *testing.T, data string, args ...string) (cmd *exec.Cmd, folder string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: becoming another user is tested as root")
	}
	folder = t.TempDir()
	for at := folder; at != "/"; at = filepath.Dir(at) { // others may go through
		if info, err := os.Stat(at); err == nil && info.Mode()&0o001 == 0 {
			if err := os.Chmod(at, info.Mode()|0o011); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd = exec.Command(program(t, "memcached"), append([]string{"-u", "nobody", "-l", "127.0.0.1", "-p", "-1", "-o", "panda_persist=log,panda_data=" + data}, args...)...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "MEMCACHED_PORT_FILENAME=")
	return cmd, folder
}

// owner is the user whose a file is.
func owner(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	id := strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Uid))
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

// TestDataFolderOfUser: root makes the folder for -u's user, where -d was started.
func TestDataFolderOfUser(t *testing.T) {
	cmd, folder := asNobody(t, "data", "-d", "-P", "/dev/null")
	socket, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free afterwards
	if err != nil {
		t.Fatal(err)
	}
	address := socket.Addr().String()
	socket.Close()
	_, port, _ := net.SplitHostPort(address)
	cmd.Args[slices.Index(cmd.Args, "-p")+1] = port
	if code, printed := runProgram(t, cmd); code != 0 {
		t.Fatalf("exit code %d: %s", code, printed)
	}
	if got := talk("tcp", address, "set a 0 0 1\r\nx"); got != "STORED\r\n" {
		t.Errorf("%q", got)
	}
	endProcess(t, serverPID("tcp", address))
	for _, path := range []string{"data", "data/KEYSPACE"} {
		if got := owner(t, filepath.Join(folder, path)); got != "nobody" {
			t.Errorf("%s is %s's", path, got)
		}
	}
	if info, err := os.Stat(filepath.Join(folder, "data")); err != nil || info.Mode().Perm() != dataFolderMode {
		t.Errorf("%v, %v", info, err)
	}
}

// TestDataFolderWithoutRights: who it must belong to is said.
func TestDataFolderWithoutRights(t *testing.T) {
	cmd, folder := asNobody(t, "data")
	if err := os.Mkdir(filepath.Join(folder, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	code, printed := runProgram(t, cmd)
	if code != 1 || !strings.Contains(printed, "permission denied (it must belong to the user that panda runs as, with all that is in it)") {
		t.Errorf("exit code %d: %s", code, printed)
	}
}
