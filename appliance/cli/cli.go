package cli

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/pandabeardb/panda/appliance"
	"github.com/pandabeardb/panda/appliance/config"
)

// Main runs the program that args name, and returns its exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	if program := filepath.Base(args[0]); program == "memcached" || program == "memcached-debug" {
		return memcached(args[0], args[1:], stdout, stderr)
	}
	if len(args) > 1 && args[1] == "memcached" {
		return memcached("memcached", args[2:], stdout, stderr)
	}
	code := config.ExitOK
	root := newRoot(&code, stderr)
	root.SetArgs(args[1:])
	root.SetOut(stdout)
	root.SetErr(stderr)
	if root.Execute() != nil {
		return config.ExitUsage
	}
	return code
}

// memcached stands in for memcached.
func memcached(program string, args []string, stdout, stderr io.Writer) int {
	c, exit := config.Memcached(program, args)
	if exit != nil {
		return finish(exit, stdout, stderr)
	}
	c.Version = version()
	return appliance.Run(c, stderr)
}

// finish prints what an Exit says.
func finish(exit *config.Exit, stdout, stderr io.Writer) int {
	io.WriteString(stdout, exit.Stdout)
	io.WriteString(stderr, exit.Stderr)
	return exit.Code
}

func newRoot(code *int, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:          "panda",
		Short:        "Panda Bear Database: one binary in the place of memcached, later of Redis and MySQL 5.5",
		SilenceUsage: true,
	}
	root.SetErrPrefix("panda:") // as all else that is told
	root.AddCommand(newServe(code, stderr), newMemcached(), newImport(code, stderr), newStatus(code, stderr), newSnapshot(code, stderr), newInspect(code, stderr), newBench(code, stderr), newUpgrade(code, stderr), newVersion())
	return root
}

// newMemcached is for the list of commands only: Main has handled it already.
func newMemcached() *cobra.Command {
	return &cobra.Command{
		Use:                "memcached [memcached's flags]",
		Short:              "Serve with memcached's own flags; -h lists them",
		DisableFlagParsing: true,
		Run:                func(*cobra.Command, []string) {},
		ValidArgsFunction:  completeMemcached,
	}
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run:   func(c *cobra.Command, _ []string) { fmt.Fprintln(c.OutOrStdout(), "panda "+version()) },

		ValidArgsFunction: noFiles,
	}
}
