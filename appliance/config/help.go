package config

import (
	"fmt"
	"strings"
)

// license is what -i says.
const license = `Panda Bear Database, licensed under the Apache License, Version 2.0;
you may not use it except in compliance with the License. A copy is at
http://www.apache.org/licenses/LICENSE-2.0

memcached's own licence does not apply: no code of it is in this program.
`

// help is the text of -h: what works, and nothing else, since tests and start
// scripts read it to learn what this server can do.
func help(version string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "memcached %s\n", version)
	for _, table := range [][]option{flags, suboptions} {
		for _, o := range table {
			if o.help == "" {
				continue
			}
			b.WriteString(o.help + "\n")
		}
	}
	b.WriteString("Other options of memcached are accepted where they cannot matter here, and refused\n" +
		"by name where they would.\n")
	return b.String()
}
