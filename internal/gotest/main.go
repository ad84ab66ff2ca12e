package main

import (
	"fmt"
	"os"
	"os/exec"
)

func main() {
	test := exec.Command("go", append([]string{"test", "-json"}, os.Args[1:]...)...)
	test.Stderr = os.Stderr
	stdout, err := test.StdoutPipe()
	if err == nil {
		err = test.Start()
	}
	if err == nil {
		r := newReport(os.Stdout)
		r.read(stdout)
		err = test.Wait()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		os.Exit(1)
	}
}
