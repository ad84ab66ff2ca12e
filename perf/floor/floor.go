package floor

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed floor.c
var source string

// ErrNoCompiler says that the machine has no C compiler.
var ErrNoCompiler = errors.New("floor: no C compiler (cc) on this machine")

// ValueMax is the largest value that the floor serves.
const ValueMax = 4096

// Build compiles the floor into dir and returns the program's path.
func Build(dir string) (string, error) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return "", ErrNoCompiler
	}
	c, program := filepath.Join(dir, "floor.c"), filepath.Join(dir, "floor")
	if err := os.WriteFile(c, []byte(source), 0o600); err != nil {
		return "", err
	}
	out, err := exec.Command(cc, "-O2", "-Wall", "-Wextra", "-o", program, c).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("floor: %w: %s", err, out)
	}
	return program, nil
}
