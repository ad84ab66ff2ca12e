package peer

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// Build builds our server into dir as a user would, and returns the program.
func Build(ctx context.Context, dir string) (string, error) {
	program := filepath.Join(dir, string(Panda))
	const source = "github.com/pandabeardb/panda/appliance/cmd/panda"
	out, err := exec.CommandContext(ctx, "go", "build", "-o", program, source).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building panda: %w: %s", err, out)
	}
	return program, nil
}
