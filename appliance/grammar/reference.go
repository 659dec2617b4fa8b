package grammar

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/exec"
)

const preface = `<!-- Made by "go run ./appliance commands" from the declarations of the commands. Do not edit. -->

# Commands

Words in small letters are typed as they are; any beginning will do that means only one of them. Words in capitals stand
for values. What stands in brackets may be left out; such parts in a row that begin with a word may change places. Three
dots mean: one or more. At every place ` + "`?`" + ` tells what may follow. Beside the ranges of numbers and the words in braces,
of which one is typed, these stand for values:

| value | what is typed |
|---|---|
| ` + "`A.B.C.D`, `X:X::X`" + ` | an IPv4 address, an IPv6 address |
| ` + "`MASK`" + ` | a contiguous IPv4 mask: 255.255.255.0 |
| ` + "`HOST`" + ` | an address, or a name of a host with or without its domain |
| ` + "`LABEL`" + ` | a name of a host without its domain: 1 to 63 letters, digits and inner hyphens |
| ` + "`NAME`" + ` | 1 to 32 letters, digits, dots, hyphens and underscores (of routing 64, RADIUS clients and servers 80, Call Home contacts 128 and profiles 31); upper and lower case differ |
| ` + "`HOST[:PORT]`, `ADDRESS[/LENGTH]`" + ` | a host with or without a port; an address, or a network |
| ` + "`REGEX`" + ` | an expression (RE2); one with blanks stands in double quotes |
| ` + "`HEADER`" + ` | the name of a header field, in its long or compact form |
| ` + "`WORD`" + ` | text without blanks |
| ` + "`URL`" + ` | https:// with host, port and path |
| ` + "`CODE[-CODE]`, `RANGES<a-b>`" + ` | status codes or numbers and ranges of them, with commas |
| ` + "`<0.0-1.0>`" + ` | a q-value, with up to three decimals |
| ` + "`HH:MM`, `YYYYMMDDTHHMMSS[Z]`" + ` | a time of day; a moment (RFC 5545), with Z in UTC |
| ` + "`SECRET`" + ` | 1 to 128 octets without blanks; only its sealed form is stored and shown |
| ` + "`PASSWORD`" + ` | a password, up to 128 octets without blanks; only its hash is stored and shown |
| ` + "`TOKEN`" + ` | a token without blanks; it is neither stored nor shown |
| ` + "`VOLUME:PATH`" + ` | a file: bootflash:, harddisk: or usb0: and its path there |
| ` + "`<15m-24h>`" + ` | a time in whole minutes or hours: 45m, 4h |
| ` + "`ID`" + ` | a customer ID: 1 to 64 printable characters without blanks |
| ` + "`EMAIL`, `EMAIL[,EMAIL...]`" + ` | an e-mail address without a name; several with commas |
| ` + "`LINE`" + ` | the rest of the line |

`

// Reference writes all commands as Markdown: EXEC, then the configuration mode
// by mode. The session's own commands come from the console: those of EXEC and
// those of the configuration.
func Reference(w io.Writer, sessionExec, sessionConfiguration []exec.Command) error {
	var b strings.Builder
	b.WriteString(preface)
	b.WriteString("## EXEC: `host>` and `host#`\n\n" +
		"At the prompt `host>` the commands of level *user* can be typed, at `host#` (after `enable`) all of them. In the\n" +
		"configuration they follow the word `do`; those that begin with `show` need no `do`.\n\n")
	writeExec(&b, append(Exec(), sessionExec...))
	b.WriteString("\n## Every configuration mode\n\n")
	inExec := make(map[string]bool)
	for _, c := range sessionExec {
		inExec[c.Syntax+c.Help] = true
	}
	writeExec(&b, slices.DeleteFunc(slices.Clone(sessionConfiguration), func(c exec.Command) bool { return inExec[c.Syntax+c.Help] }))
	g := All()
	for _, mode := range modes(g) {
		writeMode(&b, g, mode)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// modes gives the modes of the configuration, each behind the one it is opened in.
func modes(g *config.Grammar) []config.Mode {
	all := []config.Mode{config.Global}
	for i := 0; i < len(all); i++ {
		at := i + 1
		for _, c := range g.Commands() {
			if c.Mode == all[i] && c.Opens != "" && !slices.Contains(all, c.Opens) {
				all = slices.Insert(all, at, c.Opens)
				at++
			}
		}
	}
	return all
}

func writeMode(b *strings.Builder, g *config.Grammar, mode config.Mode) {
	fmt.Fprintf(b, "\n## `(%s)#`\n", mode)
	empty := true
	for _, c := range g.Commands() {
		if c.Opens == mode {
			fmt.Fprintf(b, "\nOpened by `%s` in `(%s)#`.\n", c.Syntax, c.Mode)
		}
		empty = empty && c.Mode != mode
	}
	if empty {
		b.WriteString("\nThere are no commands in it yet.\n")
	}
	for _, c := range g.Commands() {
		if c.Mode != mode {
			continue
		}
		fmt.Fprintf(b, "\n- **`%s`**: %s.\n", c.Syntax, c.Help)
		writeArguments(b, c.Args)
		if c.No != "" {
			fmt.Fprintf(b, "  - undone by `no %s`\n", c.No)
		}
		if c.Opens != "" {
			fmt.Fprintf(b, "  - opens `(%s)#`\n", c.Opens)
		}
	}
}

func writeExec(b *strings.Builder, commands []exec.Command) {
	slices.SortStableFunc(commands, func(a, b exec.Command) int { return cmp.Compare(a.Syntax, b.Syntax) })
	for _, c := range commands {
		level := "user"
		if c.Level == exec.Privileged {
			level = "privileged"
		}
		fmt.Fprintf(b, "- **`%s`**: %s. *%s*\n", c.Syntax, c.Help, level)
		writeArguments(b, c.Args)
	}
}

func writeArguments(b *strings.Builder, args []config.Argument) {
	for _, arg := range args {
		fmt.Fprintf(b, "  - `%s` `%v`: %s", arg.Name, arg.Type, arg.Help)
		if arg.Default != nil {
			fmt.Fprintf(b, "; `%s` unless given", arg.Type.Format(arg.Default))
		}
		b.WriteByte('\n')
	}
}
