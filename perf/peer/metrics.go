package peer

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Metrics reads what a server that serves profiles says of itself at /metrics: values by
// name, labels included.
func (s *Server) Metrics() (map[string]float64, error) {
	response, err := http.Get("http://" + s.Pprof + "/metrics")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: /metrics: %s", ErrProc, response.Status)
	}
	all := map[string]float64{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if n, err := strconv.ParseFloat(value, 64); ok && err == nil && name != "#" {
			all[name] = n
		}
	}
	return all, lines.Err()
}

// Snapshot has panda take a snapshot of what it keeps, and waits for it.
func (s *Server) Snapshot(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.Pprof+"/snapshot", nil)
	if err != nil {
		return err
	}
	request.Header.Set("X-Panda", "snapshot")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	last := ""
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		last = lines.Text()
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if !strings.Contains(last, `"done":true`) {
		return fmt.Errorf("%w: %s: %s", ErrSnapshot, response.Status, last)
	}
	return nil
}
