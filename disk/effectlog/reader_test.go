package effectlog

import (
	"testing"

	"github.com/pandabeardb/panda/disk/dio/diotest"
)

// Progress leaves out a segment that is only made ready, and comes to the end.
func TestProgress(t *testing.T) {
	disk := diotest.New()
	w := start(t, disk, &Tail{})
	for epoch := Epoch(1); epoch <= 90 || w.spare == nil; epoch++ {
		must(t, w.Write(epoch, chunksOf(min(epoch, 90))))
		must(t, w.Sync())
	}
	must(t, w.Note())
	infos, err := disk.List(".")
	must(t, err)
	all := int64(0)
	for _, info := range infos {
		all += info.Size()
	}
	var last, total int64
	tail, err := Read(disk, ".", ReadOptions{chunk: 8 << 10, Progress: func(done, of int64) {
		if done < last || done > of || total != 0 && total != of {
			t.Errorf("%d of %d follow %d of %d", done, of, last, total)
		}
		last, total = done, of
	}}, wholeRecords)
	must(t, err)
	if len(tail.blank) != 1 || total >= all || total == 0 || last != total {
		t.Errorf("%d of %d bytes in the end, %d in files, %d made ready", last, total, all, len(tail.blank))
	}
}
