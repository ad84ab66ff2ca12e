package cli

import "github.com/spf13/cobra"

// noFiles completes nothing: what is wanted is no file.
func noFiles(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// complete gives a flag's values, each with a tab and what it means behind it.
func complete(c *cobra.Command, flag string, values ...cobra.Completion) {
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("BUG: cli: " + err.Error())
	}
}
