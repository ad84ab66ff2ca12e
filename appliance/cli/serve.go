package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pandabeardb/panda/appliance"
	"github.com/pandabeardb/panda/appliance/config"
	"github.com/pandabeardb/panda/appliance/console"
)

// configFiles are looked for, in this order, when --config names none.
var configFiles = []string{"panda.toml", "/etc/panda/panda.toml"}

// configBytesMax bounds what is read of a config file: one byte more than what
// is accepted (appliance/config).
const configBytesMax = 1<<20 + 1

const serveLong = `Serve memcache, on loopback unless --listen says otherwise.

Settings come from one TOML file: --config, else ./panda.toml, else
/etc/panda/panda.toml, where there is one. Flags win over it; --set takes any
setting of it by name. --print-config prints the settings in force as such a
file, with what each does, its default and its reason.`

// newServe runs a node with safe defaults.
func newServe(code *int, stderr io.Writer) *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve memcache on loopback, or where --listen says",
		Long:  serveLong,
		Args:  noArguments(givenSwitch),
		Run:   func(c *cobra.Command, _ []string) { *code = o.run(c, stderr) },

		ValidArgsFunction: noFiles,
	}
	o.bind(c)
	completeServe(c)
	return c
}

// serveOptions are the flags of `panda serve`: those of the settings, from
// config's table, and a few about settings.
type serveOptions struct {
	config  string
	set     []string
	print   bool
	verbose bool
}

func (o *serveOptions) bind(c *cobra.Command) {
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.config, "config", "", "config file (default: ./panda.toml, else /etc/panda/panda.toml)")
	f.BoolVar(&o.print, "print-config", false, "print the settings in force, and exit")
	for _, s := range config.Flags() {
		switch {
		case s.Repeats:
			f.StringArrayP(s.Name, s.Short, []string{s.Initial}, s.Help)
		case s.Switch:
			f.StringP(s.Name, s.Short, s.Initial, s.Help)
			f.Lookup(s.Name).NoOptDefVal = "true"
		default:
			f.StringP(s.Name, s.Short, s.Initial, s.Help)
		}
	}
	f.StringArrayVar(&o.set, "set", nil, "set any setting: NAME=VALUE, such as memcache.cas=false")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "short for --log-level=debug")
}

// givenSwitch is the first switch among the settings that stands alone on the
// command line, or would.
func givenSwitch(c *cobra.Command) (name string) {
	for _, s := range config.Flags() {
		if s.Switch && (name == "" || c.Flags().Changed(s.Name)) {
			name = s.Name
		}
	}
	return name
}

func (o *serveOptions) run(c *cobra.Command, stderr io.Writer) int {
	file, err := o.file()
	if err != nil {
		fmt.Fprintf(stderr, "panda: %v\n", err)
		return config.ExitConfig
	}
	overrides, err := o.overrides(c)
	if err != nil {
		fmt.Fprintf(stderr, "panda: %v\n", err)
		return config.ExitUsage
	}
	settings, exit := config.ReadSettings(file, overrides)
	if exit != nil {
		return finish(exit, c.OutOrStdout(), stderr)
	}
	node, exit := config.Serve(settings)
	if exit != nil {
		return finish(exit, c.OutOrStdout(), stderr)
	}
	if o.print {
		io.WriteString(c.OutOrStdout(), settings.Print())
		return config.ExitOK
	}
	node.Version = version()
	if node.LogFormat == "auto" {
		node.LogFormat = "json"
		if console.Terminal(stderr) {
			node.LogFormat = "text"
		}
	}
	return appliance.Run(node, stderr)
}

// file reads the config file. One that --config names must be there.
func (o *serveOptions) file() (config.File, error) {
	names := configFiles
	if o.config != "" {
		names = []string{o.config}
	}
	for _, name := range names {
		data, err := readFile(name)
		switch {
		case err == nil:
			return config.File{Name: name, Data: data}, nil
		case o.config == "" && errors.Is(err, os.ErrNotExist):
			continue
		}
		return config.File{}, err
	}
	return config.File{}, nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, configBytesMax))
}

// overrides are the settings that flags gave.
func (o *serveOptions) overrides(c *cobra.Command) (list []config.Override, err error) {
	for _, text := range o.set {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("--set %s: it wants NAME=VALUE", strconv.Quote(text))
		}
		list = append(list, config.Override{Spelling: "--set " + name, Setting: name, Text: value})
	}
	f := c.Flags()
	if o.verbose {
		list = append(list, config.Override{Spelling: "--verbose", Setting: "log.level", Text: "debug"})
	}
	for _, s := range config.Flags() {
		if !f.Changed(s.Name) {
			continue
		}
		text := f.Lookup(s.Name).Value.String()
		if s.Repeats {
			parts, err := f.GetStringArray(s.Name)
			if err != nil {
				return nil, err
			}
			text = strings.Join(parts, ",")
		}
		list = append(list, config.Override{Spelling: "--" + s.Name, Setting: s.Setting, Text: text})
	}
	return list, nil
}
