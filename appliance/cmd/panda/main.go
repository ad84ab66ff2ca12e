package main

import (
	"os"

	"github.com/pandabeardb/panda/appliance/cli"
)

func main() { os.Exit(cli.Main(os.Args, os.Stdout, os.Stderr)) }
