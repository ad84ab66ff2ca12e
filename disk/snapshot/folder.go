package snapshot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/pandabeardb/panda/disk/dio"
)

const (
	suffix     = ".snapshot"
	suffixTemp = ".snapshot.temporary" // until Publish
)

// fileName is the published name.
func fileName(serial uint64) string { return fmt.Sprintf("%016d%s", serial, suffix) }

func tempName(serial uint64) string { return fmt.Sprintf("%016d%s", serial, suffixTemp) }

// parseName is the serial in the name of a published snapshot; 0: it is none's.
func parseName(name string) (serial uint64) {
	digits, ok := strings.CutSuffix(name, suffix)
	serial, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil || fileName(serial) != name {
		return 0
	}
	return serial
}

// published are the serials of the folder's snapshots, in order.
func published(disk dio.FS, folder string) (serials []uint64, err error) {
	infos, err := disk.List(folder)
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		if serial := parseName(info.Name()); serial > 0 && !info.IsDir() {
			serials = append(serials, serial)
		}
	}
	return serials, nil
}

// Newest is the newest published snapshot in folder, as a name for Read. It changes
// nothing, and reads no more than the head: a *DamageError, with the name, if that
// cannot be believed.
func Newest(disk dio.FS, folder string) (name string, h Header, found bool, err error) {
	serials, err := published(disk, folder)
	if err != nil || len(serials) == 0 {
		return "", Header{}, false, err
	}
	name = path.Join(folder, fileName(serials[len(serials)-1]))
	f, err := disk.Open(name, dio.Direct|dio.ReadOnly)
	if err != nil {
		return name, Header{}, true, err
	}
	defer f.Close()
	h, err = readHeader(f, name, dio.Aligned(dio.BlockSize))
	return name, h, true, err
}

// readHeader reads the head of the file name with block, which is one.
func readHeader(f dio.File, name string, block []byte) (Header, error) {
	n, err := f.ReadAt(block, 0)
	if err != nil && err != io.EOF {
		return Header{}, err
	}
	h, err := parseHeader(block[:n])
	if serial := parseName(path.Base(name)); err == nil && serial > 0 && serial != h.Serial {
		err = fmt.Errorf("%w: it is that of number %d", ErrHead, h.Serial)
	}
	if err != nil {
		return h, &DamageError{File: name, Record: -1, Err: err}
	}
	return h, nil
}

// RemoveLeftovers removes what snapshots have left that were never published, since the
// process or the machine died. Nobody may write one meanwhile.
func RemoveLeftovers(disk dio.FS, folder string) error {
	infos, err := disk.List(folder)
	if err != nil {
		return err
	}
	for _, info := range infos {
		if strings.HasSuffix(info.Name(), suffixTemp) && !info.IsDir() {
			err = errors.Join(err, disk.Remove(path.Join(folder, info.Name())))
		}
	}
	return err
}

// RemoveOlder removes all published snapshots but the newest, to make room.
func RemoveOlder(disk dio.FS, folder string) error {
	serials, err := published(disk, folder)
	if err != nil || len(serials) < 2 {
		return err
	}
	if err := removeOlder(disk, folder, serials[len(serials)-1], 0); err != nil {
		return err
	}
	return disk.SyncFolder(folder)
}

// removeOlder removes all but the keep newest of those before serial.
func removeOlder(disk dio.FS, folder string, serial uint64, keep int) error {
	serials, err := published(disk, folder)
	for len(serials) > 0 && serials[len(serials)-1] >= serial {
		serials = serials[:len(serials)-1]
	}
	for i := 0; i < len(serials)-keep; i++ {
		if removal := disk.Remove(path.Join(folder, fileName(serials[i]))); !errors.Is(removal, fs.ErrNotExist) {
			err = errors.Join(err, removal)
		}
	}
	return err
}
