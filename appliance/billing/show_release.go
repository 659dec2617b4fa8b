package billing

import (
	"context"
	"fmt"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/exec"
)

// oldRelease is the one that the seed downgrades to ("ISSU of endpoint
// information").
const oldRelease = "2.6.1"

// olderWords are the lines of billing that release 2.6.1 says otherwise, by how
// they begin; with "" it has no word for them.
var olderWords = []struct{ begin, words string }{
	{"cdr endpoint-info adjacency", "cdr adj-info"},
	{"cdr endpoint-info addressing", ""},
	{"method xml", ""}, // XML came with release 3.2.0S
	{"xml ", ""},
	{"element-id ", ""}, // and these are of this box only
	{"cache policy ", ""},
}

// showOlder prints the configuration of billing for a downgrade.
func showOlder(ctx context.Context, s exec.Session, a config.Args) error {
	if _, err := ask(ctx, s, a); err != nil {
		return err
	}
	var running struct{ Text string }
	if err := s.Call(ctx, "control", "control.running", nil, &running); err != nil {
		return err
	}
	fmt.Fprint(s, older(running.Text))
	return nil
}

// older gives the block of billing of a canonical text, with the lines around
// it, in the words of the older release. What it has no word for is a comment.
func older(text string) string {
	var out strings.Builder
	var path []string // the line, after those that opened the modes around it
	for line := range strings.Lines(text) {
		words := strings.TrimLeft(line, " ")
		depth := min(len(line)-len(words), len(path))
		path = append(path[:depth], strings.TrimSuffix(words, "\n"))
		if !inBlock(path) {
			continue
		}
		if words, said := sayOlder(path); said {
			fmt.Fprintf(&out, "%*s%s\n", depth, "", words)
		}
	}
	return out.String()
}

// inBlock reports whether a line belongs to the block of billing, opens a mode
// around it or ends one.
func inBlock(path []string) bool {
	for i, opens := range []string{"sbc ", "sbe", "billing"} {
		switch {
		case i == len(path):
			return true
		case strings.HasPrefix(path[i], opens):
		default:
			return i > 0 && i == len(path)-1 && path[i] == "exit"
		}
	}
	return true
}

// sayOlder gives the words of a line of the block.
func sayOlder(path []string) (words string, said bool) {
	words = path[len(path)-1]
	if len(path) < 4 {
		return words, true
	}
	for _, rule := range olderWords {
		switch {
		case !strings.HasPrefix(path[3], rule.begin):
		case rule.words != "":
			return rule.words, true
		default: // said once for a whole mode
			return "! not in release " + oldRelease + ": " + words, len(path) == 4
		}
	}
	return words, true
}
