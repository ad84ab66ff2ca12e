package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/pandabeardb/panda/appliance/config"
)

// What a shell is told of: subcommands and flags are cobra's, the words that
// flags want come from config's tables. `panda completion` prints the scripts.

// noFiles completes nothing: what is wanted is no file.
func noFiles(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// complete gives a flag's values, each with a tab and what it means behind it.
func complete(c *cobra.Command, flag string, values ...cobra.Completion) {
	register(c, flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

func register(c *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := c.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic("BUG: cli: " + err.Error())
	}
}

// completions are words with what they mean, as cobra has them.
func completions(words []config.Word) (list []cobra.Completion) {
	for _, w := range words {
		list = append(list, cobra.CompletionWithDesc(w.Name, strings.ReplaceAll(w.Help, "`", "")))
	}
	return list
}

// completeServe gives the values of panda serve's flags.
func completeServe(c *cobra.Command) {
	if err := c.MarkFlagFilename("config", "toml"); err != nil {
		panic("BUG: cli: " + err.Error())
	}
	register(c, "set", func(_ *cobra.Command, _ []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return completions(config.SettingWords(begin)), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
	for _, f := range config.Flags() {
		if !f.File() {
			complete(c, f.Name, completions(config.FlagWords(f.Setting))...)
		}
	}
}

// completeMemcached gives memcached's flags, and the names of its -o. Behind a
// flag that wants something else the shell completes files.
func completeMemcached(_ *cobra.Command, args []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
	last := ""
	if len(args) > 0 {
		last = args[len(args)-1]
	}
	switch {
	case last == "-o" || last == "--extended":
		done, name := "", begin
		if i := strings.LastIndexByte(begin, ','); i >= 0 {
			done, name = begin[:i+1], begin[i+1:]
		}
		words := config.SuboptionWords(name)
		for i := range words {
			words[i].Name = done + words[i].Name
		}
		return completions(words), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	case strings.HasPrefix(begin, "-"):
		return completions(config.MemcachedWords(begin)), cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveDefault
}
