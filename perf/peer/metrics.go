package peer

import (
	"bufio"
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
