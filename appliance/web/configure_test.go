package web

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/config"
)

// elsewhere are commands that are on no page, and why; a syntax stands for all that
// begin so.
var elsewhere = map[config.Mode]map[string]string{
	config.Global: {
		"sip logging":          withoutEffect,
		"sip peg-counting":     withoutEffect,
		"sip tls":              withoutEffect,
		"sip queue":            withoutEffect,
		"sip dns-srv":          "it says nothing but what is said in there, for which there is a page",
		"accounting":           withoutEffect,
		"license smart enable": opposite,
		"call-home":            "it says nothing but what is said in there, for which there is a page",
	},
	"config-sip-queue":         {"": withoutEffect},
	"config-accounting":        {"": withoutEffect},
	"config-sbc-sbe-adj-sip":   {"attach": withoutEffect},
	"config-sip-network":       {"allow-connections": opposite},
	"config-dns":               {"enable": opposite, "naptr": opposite, "use-naptr": otherWords},
	"config-sg":                {"ping": opposite},
	"config-call-home-profile": {"active": opposite},
	"config-ping":              {"method": "OPTIONS is the only one"},
	"config-norm": {
		"header": numbered, "header-param": numbered, "uri-component": numbered, "uri-param": numbered, "sip-to-tel": numbered, "tel-to-sip": numbered,
	},
	"config-trigger-seq": {
		"proxy-route": otherWords, "not proxy-route": otherWords, "user-agent-hdr": otherWords, "not user-agent-hdr": otherWords,
	},
	"config-sbc-sbe-billing": {"cdr adj-info": otherWords},
}

const (
	withoutEffect = "it is understood for the sake of other systems' configurations, and does nothing"
	opposite      = "it takes back the line that is on a page"
	otherWords    = "it is printed in the words of another command, which is on a page"
	numbered      = "it becomes the last of the numbered lines, which are on a page"
)

// TestCommandsAreOnPages: whatever the console can set can be set on a page, or
// there is a reason why not.
func TestCommandsAreOnPages(t *testing.T) {
	g := realGrammar()
	type command struct {
		mode   config.Mode
		syntax string
	}
	onPages := make(map[command]string)
	for _, s := range menu() {
		for _, p := range s.pages {
			for _, one := range p.parts {
				c, sets := one.(commander)
				if !sets {
					continue
				}
				mode, lines := c.commands()
				for _, l := range lines {
					for syntax := range strings.SplitSeq(l.syntax, " | ") {
						at := command{mode, syntax}
						onPages[at] = p.path
						if g.Command(mode, syntax) == nil {
							t.Errorf("%s, part %s: there is no command %q in mode %s", p.path, one.name(), syntax, mode)
						}
					}
					if l.label == "" {
						t.Errorf("%s: %q has no label", p.path, l.syntax)
					}
				}
			}
		}
	}
	used := make(map[command]bool)
	for _, c := range g.Commands() {
		reason := ""
		for syntax, why := range elsewhere[c.Mode] {
			if strings.HasPrefix(c.Syntax+" ", syntax+" ") || syntax == "" {
				reason, used[command{c.Mode, syntax}] = why, true
			}
		}
		switch page := onPages[command{c.Mode, c.Syntax}]; {
		case page == "" && reason == "":
			t.Errorf("mode %s: %q is on no page, and there is no reason why", c.Mode, c.Syntax)
		case page != "" && reason != "":
			t.Errorf("mode %s: %q is on %s, although %s", c.Mode, c.Syntax, page, reason)
		case reason == opposite && g.Command(c.Mode, "no "+c.Syntax) == nil:
			t.Errorf("mode %s: %q takes nothing back", c.Mode, c.Syntax)
		}
	}
	for mode, list := range elsewhere {
		for syntax := range list {
			if !used[command{mode, syntax}] {
				t.Errorf("mode %s: nothing begins with %q", mode, syntax)
			}
		}
	}
}

// TestModesHavePages: a line that opens a mode leads to the page of that, and
// every page that is not in the menu is reached so.
func TestModesHavePages(t *testing.T) {
	g := realGrammar()
	s := newBox(t, nil).server
	opened := make(map[config.Mode]bool)
	for _, p := range s.pages {
		for _, one := range p.parts {
			c, sets := one.(commander)
			if !sets {
				continue
			}
			mode, lines := c.commands()
			if here, is := one.(placed); is {
				if at, err := g.ModeOf(here.at); at != mode {
					t.Errorf("%s: part %s is about mode %s, its place %q is of %s, %v", p.path, one.name(), mode, here.at, at, err)
				}
				continue
			}
			if p.mode != "" && mode != p.mode {
				t.Errorf("%s is about places of mode %s; its part %s about %s", p.path, p.mode, one.name(), mode)
			}
			if p.mode == "" && mode != config.Global {
				t.Errorf("%s is about no place; its part %s about those of mode %s", p.path, one.name(), mode)
			}
			for _, l := range lines {
				for syntax := range strings.SplitSeq(l.syntax, " | ") {
					if command := g.Command(mode, syntax); command != nil && command.Opens != "" {
						opened[command.Opens] = true
						if s.pageOf(command.Opens) == nil {
							t.Errorf("%s: %q opens mode %s, which has no page", p.path, syntax, command.Opens)
						}
					}
				}
			}
		}
	}
	for _, p := range s.pages {
		if p.mode != "" && p.place == nil && !opened[p.mode] {
			t.Errorf("%s is about places of mode %s, which no page leads to", p.path, p.mode)
		}
		if p.hidden && p.mode != "" && s.pageOf(p.mode) != p {
			t.Errorf("nothing leads to %s", p.path)
		}
	}
}

// TestStepsLeadSomewhere: the steps to the first call are pages.
func TestStepsLeadSomewhere(t *testing.T) {
	s := newBox(t, nil).server
	for _, milestone := range milestones {
		path, part, _ := strings.Cut(milestone.path, "#part-")
		p := s.pages[path]
		if p == nil || p.hidden || part != "" && p.part(part, everything) == nil {
			t.Errorf("milestone %q leads to %s; the pages are %q", milestone.title, milestone.path, slices.Sorted(maps.Keys(s.pages)))
		}
	}
}
