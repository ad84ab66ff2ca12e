package status

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// A POST of SnapshotPath to the operator's port, with this header, has a snapshot
// taken. No web page can have a browser send such a header to another site without
// asking that site before, which would be an OPTIONS, and is refused.
const (
	SnapshotPath   = "/snapshot"
	SnapshotHeader = "X-Panda"
	SnapshotValue  = "snapshot"
)

// SnapshotEvery is how often the answer says how far it is, with a line each time.
const SnapshotEvery = 200 * time.Millisecond

// snapshotSilence is how long no line may come: a node that hangs is not waited for.
const snapshotSilence = time.Minute

// SnapshotLine is a line of the answer, JSON. Of the last one either Done or Error is set.
type SnapshotLine struct {
	DoneItems int64   `json:"done_items"`
	OfItems   int64   `json:"of_items"` // about
	Done      bool    `json:"done,omitempty"`
	Error     string  `json:"error,omitempty"`
	Seconds   float64 `json:"seconds,omitempty"` // that it took
	Bytes     int64   `json:"bytes,omitempty"`
	Items     int64   `json:"items,omitempty"`
}

// TakeSnapshot has the node behind an operator's port take a snapshot, and waits for
// it. progress is told how far it is. The end of ctx does not end the snapshot.
func TakeSnapshot(ctx context.Context, address string, progress func(SnapshotLine)) (SnapshotLine, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+SnapshotPath, nil)
	if err != nil {
		return SnapshotLine{}, err
	}
	request.Header.Set(SnapshotHeader, SnapshotValue)
	dialer := net.Dialer{Timeout: replyTimeout}
	client := http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}} // no proxy: it is on this host
	defer client.CloseIdleConnections()
	silence := time.AfterFunc(snapshotSilence, func() { cancel(ErrSilent) })
	defer silence.Stop()
	reply, err := client.Do(request)
	if err != nil {
		return SnapshotLine{}, ended(ctx, err)
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(reply.Body, rowMax))
		return SnapshotLine{}, refusal(reply.StatusCode, strings.TrimSpace(string(text)))
	}
	lines := bufio.NewScanner(reply.Body)
	lines.Buffer(nil, rowMax)
	for lines.Scan() {
		silence.Reset(snapshotSilence)
		line, err := decodeSnapshot(lines.Bytes())
		switch {
		case err != nil:
			return line, err
		case line.Error != "":
			return line, errors.New(line.Error)
		case line.Done:
			return line, nil
		}
		progress(line)
	}
	if err := lines.Err(); err != nil {
		return SnapshotLine{}, ended(ctx, err)
	}
	return SnapshotLine{}, ErrClosed
}

// ended is an error of a connection, or why we have ended it.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// refusal is an answer that is no snapshot.
func refusal(code int, text string) error {
	if code == http.StatusConflict || code == http.StatusServiceUnavailable {
		return fmt.Errorf("%.200s", text)
	}
	return fmt.Errorf("%w: %s: %.100q", ErrFormat, http.StatusText(code), text)
}

// decodeSnapshot reads a line.
func decodeSnapshot(text []byte) (line SnapshotLine, err error) {
	if err := json.Unmarshal(bytes.TrimSpace(text), &line); err != nil {
		return line, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return line, nil
}
