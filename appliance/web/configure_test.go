package web

import (
	"maps"
	"net/http"
	"net/url"
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

// TestLinksLeadSomewhere: the steps to the first call, and what pages lead to, are
// pages of the menu.
func TestLinksLeadSomewhere(t *testing.T) {
	s := newBox(t, nil).server
	to := make(map[string]string) // from where
	for _, one := range milestones {
		to[one.path] = one.title
	}
	for _, p := range s.pages {
		for _, one := range p.parts {
			if l, is := one.(links); is {
				for _, path := range l.paths {
					to[path] = p.path
				}
			}
		}
	}
	for address, from := range to {
		path, part, _ := strings.Cut(address, "#part-")
		if p := s.pages[path]; p == nil || p.hidden || part != "" && p.part(part, everything) == nil {
			t.Errorf("%s leads to %s; the pages are %q", from, address, slices.Sorted(maps.Keys(s.pages)))
		}
	}
}

// TestFound: a setting is found by words of its command and of its label, whoever
// looks for it is led to the page in the menu.
func TestFound(t *testing.T) {
	w := newBox(t, newDraft(t, "").answers()).login(t, user)
	for words, want := range map[string]string{
		"retransmit-timer": `<td><code>retransmit-timer TIMER MILLISECONDS</code></td><td><a href="/configure/networks">SIP networks</a></td>`,
		"default-sip ways": `No setting has the words`,
		"route table":      `<td><code>route table TABLE</code></td><td><a href="/configure/route-tables">Route tables</a></td>`,
		"LEASE":            `<td><code>dhcp lease-time MINUTES</code></td><td><a href="/configure/lan">LAN1 and LAN2</a></td>`,
	} {
		if _, page := w.get("/configure?find=" + url.QueryEscape(words)); !strings.Contains(page, want) {
			t.Errorf("looking for %q finds %s; want %s", words, page, want)
		}
	}
}

// TestPlacedAtOnce: a part with a place of its own changes that, and its page goes on
// being about none.
func TestPlacedAtOnce(t *testing.T) {
	d := newDraft(t, "lan LAN1\n ip address 192.0.2.1 255.255.255.0\n")
	w := newBox(t, d.answers()).login(t, user)
	_, page := w.get("/configure/lan?part=lan2")
	form := formsOf(t, page, "post")[0]
	for name := range form {
		if strings.HasSuffix(name, ".ADDRESS") {
			form.Set(name, "198.51.100.1")
		}
		if strings.HasSuffix(name, ".MASK") {
			form.Set(name, "255.255.0.255")
		}
	}
	if status, page, _ := w.post("/configure/lan", form); status != http.StatusUnprocessableEntity ||
		!strings.Contains(page, "not a contiguous mask") || strings.Contains(page, "The page is about places") {
		t.Errorf("a wrong mask is answered %d %s; want the page with the fault in it", status, page)
	}
	for name := range form {
		if strings.HasSuffix(name, ".MASK") {
			form.Set(name, "255.255.0.0")
		}
	}
	status, page, to := w.post("/configure/lan", form)
	want := "lan LAN1\n ip address 192.0.2.1 255.255.255.0\n exit\n!\nlan LAN2\n ip address 198.51.100.1 255.255.0.0\n exit\n"
	if got := d.text(); status != http.StatusSeeOther || to != "/configure/lan" || !strings.HasSuffix(got, want) {
		t.Errorf("the form is answered %d to %q %s, and the candidate is\n%s\nwant\n%s", status, to, page, got, want)
	}
}
