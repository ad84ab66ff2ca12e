package cli

import "github.com/spf13/cobra"

// noFiles completes nothing: what is wanted is no file.
func noFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}
