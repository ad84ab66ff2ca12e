package status

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// answer is an operator's port that answers a snapshot with a code and a text.
func answer(t *testing.T, code int, text string) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != SnapshotPath || r.Header.Get(SnapshotHeader) != SnapshotValue {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		w.WriteHeader(code)
		io.WriteString(w, text)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// TestTakeSnapshot: progress, the end, and each way in which there is none.
func TestTakeSnapshot(t *testing.T) {
	progress := "{\"done_items\":1,\"of_items\":9}\n{\"done_items\":5,\"of_items\":9}\n"
	for _, c := range []struct {
		code int
		text string
		done []int64
		want string // of the error; "": none
	}{
		{200, progress + "{\"done_items\":9,\"of_items\":9,\"done\":true,\"seconds\":1.5,\"bytes\":100,\"items\":9}\n", []int64{1, 5}, ""},
		{200, progress + "{\"error\":\"no beans left\"}\n", []int64{1, 5}, "no beans left"},
		{200, progress, []int64{1, 5}, ErrClosed.Error()},
		{200, progress[:40], []int64{1}, ErrFormat.Error()},
		{200, strings.Repeat("x", 2*rowMax), nil, "too long"},
		{409, "a snapshot is being taken already\n", nil, "a snapshot is being taken already"},
		{404, "404 page not found\n", nil, ErrFormat.Error()},
	} {
		var done []int64
		line, err := TakeSnapshot(t.Context(), answer(t, c.code, c.text), func(l SnapshotLine) { done = append(done, l.DoneItems) })
		if !slices.Equal(done, c.done) || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || err == nil && line.Items != 9 {
			t.Errorf("%d %.100q: %v, %+v, %v", c.code, c.text, done, line, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := TakeSnapshot(ctx, answer(t, 200, progress), func(SnapshotLine) { cancel() })
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, ErrClosed) { // what comes first
		t.Errorf("interrupted: %v", err)
	}
}

// FuzzSnapshotLine: what answers may be anything.
func FuzzSnapshotLine(f *testing.F) {
	f.Add([]byte(`{"done_items":1,"of_items":9,"done":true}`))
	f.Add([]byte(`{"error":5}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if line, err := decodeSnapshot(text); err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("%+v, %v", line, err)
		}
	})
}
