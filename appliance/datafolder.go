package appliance

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/disk/dio"
	"github.com/pandabeardb/panda/disk/keyspace"
)

// dataFolderMode is for the operator's data: the user's, and the group's to back up.
const dataFolderMode = 0o750

// findDataFolder makes the data folder's name absolute: a daemon leaves the folder in
// which it was started. A relative name is in the folder that systemd keeps for the
// unit (StateDirectory=), if there is one.
func findDataFolder(c *config.Config) (err error) {
	if !c.Persist.On() {
		return nil
	}
	if state, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); state != "" && !filepath.IsAbs(c.Persist.Folder) {
		c.Persist.Folder = filepath.Join(state, c.Persist.Folder)
	}
	c.Persist.Folder, err = filepath.Abs(c.Persist.Folder)
	return err
}

// giveDataFolder makes the data folder, if it is not there, for the user that the
// process is about to become: who may well make none where root may. What is there
// stays as it is, and what fails is told when the folder is opened.
func giveDataFolder(c *config.Config, uid, gid int) {
	if c.Persist.On() && os.Mkdir(c.Persist.Folder, dataFolderMode) == nil {
		os.Lchown(c.Persist.Folder, uid, gid)
	}
}

// persistHint is what an operator can do about an error of opening the data folder.
func persistHint(err error) string {
	switch {
	case errors.Is(err, dio.ErrInUse):
		return " (another node uses it: end that one, or give this one a folder of its own)"
	case keyspace.IsVersion(err):
		return " (start the version of panda that wrote it, or begin with another folder)"
	case errors.Is(err, keyspace.ErrMemory):
		return " (raise memory.limit, or allow memory.evictions)"
	case errors.Is(err, syscall.EROFS):
		return " (it is read-only: another folder, or a mount that may be written; of a systemd unit: StateDirectory= or ReadWritePaths=)"
	case errors.Is(err, fs.ErrPermission):
		return " (it must belong to the user that panda runs as, with all that is in it)"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return " (a start needs a little room on the disk: 1 MB)"
	case errors.Is(err, syscall.ENOTDIR):
		return " (it is no folder)"
	case keyspace.IsDamage(err):
		return " (persist.salvage = true begins with what is whole; copy the folder before)"
	case errors.Is(err, keyspace.ErrFolder):
		return " (what is it? A folder that is given to panda must be its own, or empty)"
	}
	return ""
}
