package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// noArguments refuses arguments. example is a switch of the command.
func noArguments(example func(c *cobra.Command) string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		if err := switchValue(args, example(c)); err != nil {
			return err
		}
		return fmt.Errorf("%s takes flags only, and %q is none", c.Name(), args[0])
	}
}

// named is an example that is always the same.
func named(flag string) func(*cobra.Command) string {
	return func(*cobra.Command) string { return flag }
}

// switchValue refuses "true" and "false" where an argument could stand: they are
// meant as the value of a switch, which is read from behind an = only, since a
// switch stands alone, too.
func switchValue(args []string, example string) error {
	if len(args) > 0 && (args[0] == "true" || args[0] == "false") {
		return fmt.Errorf("%q stands alone: the value of a switch stands behind an =, as in --%s=%s", args[0], example, args[0])
	}
	return nil
}
