package chaos

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"causeway/qemu/lab"
)

// State is the network of a namespace as ip(8) and nft(8) print it, a line for
// each thing, by its kind.
type State map[string][]string

// The kinds.
const (
	links     = "link"
	addresses = "address"
	routes    = "route"
	routes6   = "route6"
	rules     = "rule"
	rules6    = "rule6"
	firewall  = "firewall"
)

// questions are asked in one shell: a process for each would take most of the
// time that is to be measured.
var questions = []struct{ kind, command string }{
	{links, "ip -o link show"},
	{addresses, "ip -o address show"},
	{routes, "ip -4 route show table all"},
	{routes6, "ip -6 route show table all"},
	{rules, "ip -4 rule show"},
	{rules6, "ip -6 rule show"},
	{firewall, "nft -s list ruleset"},
}

// What is the kernel's own affair, and comes and goes by itself: link-local
// and multicast of IPv6, and that an address of IPv6 is still being tried.
var (
	kernelsOwn = regexp.MustCompile(`(^| )(fe80:|ff00::|anycast )`)
	beingTried = strings.NewReplacer(" tentative", "", " dadfailed", "")
)

// readState asks for all of it.
func readState(ctx context.Context, where *lab.Namespace) (State, error) {
	var script strings.Builder
	for _, question := range questions {
		fmt.Fprintf(&script, "echo '=%s'; %s || exit 1\n", question.kind, question.command)
	}
	output, err := shell(ctx, where, script.String())
	if err != nil {
		return nil, err
	}
	state, kind := State{}, ""
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, " \n")
		if now, ok := strings.CutPrefix(line, "="); ok {
			kind = now
		} else if line != "" && !kernelsOwn.MatchString(line) {
			state[kind] = append(state[kind], beingTried.Replace(line))
		}
	}
	for kind, lines := range state {
		if kind != firewall { // where the order matters
			slices.Sort(lines)
		}
	}
	return state, nil
}

// shell runs a script in the namespace and gives what it prints.
func shell(ctx context.Context, where *lab.Namespace, script string) (string, error) {
	command := exec.CommandContext(ctx, "sh", "-c", script)
	var output, complaint bytes.Buffer
	command.Stdout, command.Stderr = &output, &complaint
	if err := where.Start(command); err != nil {
		return "", err
	}
	if err := command.Wait(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", script, err, bytes.TrimSpace(complaint.Bytes()))
	}
	return output.String(), nil
}

// difference says what is in one of two states only, a line each, with + for
// what is too much and - for what is missing; empty if they are the same.
func difference(want, got State) string {
	var text strings.Builder
	for _, question := range questions {
		kind := question.kind
		if slices.Equal(want[kind], got[kind]) {
			continue
		}
		before := text.Len()
		for _, line := range want[kind] {
			if !slices.Contains(got[kind], line) {
				fmt.Fprintf(&text, "- %s: %s\n", kind, line)
			}
		}
		for _, line := range got[kind] {
			if !slices.Contains(want[kind], line) {
				fmt.Fprintf(&text, "+ %s: %s\n", kind, line)
			}
		}
		if text.Len() == before {
			fmt.Fprintf(&text, "%s: in another order, or twice:\n%s\n", kind, strings.Join(got[kind], "\n"))
		}
	}
	return text.String()
}
