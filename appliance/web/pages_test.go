package web

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/exec"
	"causeway/appliance/grammar"
)

// TestCommandsOfParts: each part that types a command types one that there is, and
// has a name of its own on its page, so that a form, and a request for a part alone,
// mean one part.
func TestCommandsOfParts(t *testing.T) {
	table, err := exec.NewTable(grammar.Exec())
	if err != nil {
		t.Fatal(err)
	}
	parts, paths := 0, map[string]bool{}
	for _, s := range menu() {
		for _, p := range s.pages {
			if paths[p.path] {
				t.Errorf("there are two pages %s", p.path)
			}
			paths[p.path] = true
			names := map[string]bool{"bar": true, "reminder": true} // on all pages
			for _, one := range p.parts {
				if name := one.name(); names[name] || name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz-0123456789") != "" {
					t.Errorf("%s: a second part, or one with no name to type: %q", p.path, name)
				}
				names[one.name()] = true
				for _, syntax := range syntaxesOf(one) {
					if parts++; table.Of(syntax) == nil {
						t.Errorf("%s: there is no command %q", p.path, syntax)
					}
				}
			}
		}
	}
	if parts < 80 {
		t.Errorf("%d parts type commands; there are more", parts)
	}
}

// syntaxesOf are the commands that a part types.
func syntaxesOf(p part) []string {
	switch p := p.(type) {
	case showing:
		return []string{p.command}
	case doing:
		return p.syntaxes()
	}
	return nil
}

// TestPagesOfDeafBox: the pages of System, Monitor and Troubleshoot are there
// however little answers, and leave out what somebody has no right to.
func TestPagesOfDeafBox(t *testing.T) {
	b := newBox(t, nil)
	all, some := b.login(t, user), b.login(t, "bob")
	for _, p := range append(append(systemPages(), monitorPages()...), troubleshootPages()...) {
		status, text := all.get(p.path)
		if status != http.StatusOK || strings.Contains(text, "This part of the page") {
			t.Errorf("%s: %d %s", p.path, status, text)
		}
		for _, one := range p.parts {
			if !strings.Contains(text, `id="part-`+one.name()+`"`) {
				t.Errorf("%s has no part %s", p.path, one.name())
			}
		}
		_, text = some.get(p.path)
		for _, one := range p.parts {
			_, does := one.(doing)
			if does && strings.Contains(text, `id="part-`+one.name()+`"`) {
				t.Errorf("%s: the part %s is there for one who may only show", p.path, one.name())
			}
		}
	}
}

// TestTechSupport: it is a text of its own, as long as it may be.
func TestTechSupport(t *testing.T) {
	b := newBox(t, nil)
	w := b.login(t, user)
	answer, text := w.do(w.request(http.MethodGet, "/troubleshoot/tech-support?part=tech-support&as=file", ""))
	if disposition := answer.Header.Get("Content-Disposition"); !strings.HasPrefix(disposition, "attachment; filename=box-2") {
		t.Errorf("Content-Disposition: %q; want a file with the name and the time of the box", disposition)
	}
	if !strings.Contains(text, "---- show logging ----") {
		t.Errorf("the last of its commands is not there: %.500s", text)
	}
}

// TestTechSupportOnce: a session fetches one at a time, others theirs; the next comes
// when that is over.
func TestTechSupportOnce(t *testing.T) {
	const path = "/troubleshoot/tech-support?part=tech-support&as=file"
	begun, goOn := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	b := newBox(t, map[string]any{"control.alarms": func(string) (any, error) {
		if first.CompareAndSwap(false, true) {
			close(begun)
			<-goOn
		}
		return alarm.ActiveAlarms{}, nil
	}})
	w := b.login(t, user)
	end := sync.OnceFunc(func() { close(goOn) })
	defer end()
	var fetching sync.WaitGroup
	fetching.Go(func() {
		if status, text := w.get(path); status != http.StatusOK {
			t.Errorf("the first = %d %s", status, text)
		}
	})
	select {
	case <-begun:
	case <-time.After(time.Minute):
		t.Fatal("the first does not ask for the alarms")
	}
	if status, text := w.get(path); status != http.StatusConflict || !strings.Contains(text, "Your session fetches tech support already") {
		t.Errorf("a second one of the session = %d %s; want 409, and why", status, text)
	}
	if status, _ := b.login(t, user).get(path); status != http.StatusOK {
		t.Errorf("one of another session = %d; want 200", status)
	}
	end()
	fetching.Wait()
	deadline := time.Now().Add(time.Minute)
	for status := 0; status != http.StatusOK; { // the request ends a little after its answer
		if status, _ = w.get(path); status != http.StatusOK && (status != http.StatusConflict || time.Now().After(deadline)) {
			t.Fatalf("the next = %d; want 200", status)
		}
	}
}

// TestPresetByRunning: what the configuration in force names stands in the fields,
// until somebody asks for something else.
func TestPresetByRunning(t *testing.T) {
	b := newBox(t, map[string]any{"control.running": map[string]string{
		"text": "radius accounting other\nsbc proxy\n sbe\n  active-cac-policy-set 2\n  radius accounting set1\nsbc second\n"}})
	w := b.login(t, user)
	for path, line := range map[string]string{
		"/monitor/admission": "show sbc proxy sbe cac-policy-set 2",
		"/monitor/radius":    "show sbc proxy sbe radius-client-accounting other",
		"/monitor/admission?sbc-sbe-cac-policy-set.SBC=second&sbc-sbe-cac-policy-set.SET=7": "show sbc second sbe cac-policy-set 7",
	} {
		if _, text := w.get(path); !strings.Contains(text, "<code>"+line+"</code>") {
			t.Errorf("%s does not type %q: %s", path, line, text)
		}
	}
}

// elsewhereTyped are commands that no part types, and what does the same on the pages.
var elsewhereTyped = map[string]string{
	"backup show":                                  "show backup",
	"clear user session SESSION":                   "Sessions",
	"copy FROM running-config":                     "Manage Configuration, lines that are pasted",
	"copy running-config TO":                       "Manage Configuration, the lines of a revision, to be copied",
	"crypto pki authenticate PURPOSE [PATH]":       "Certificates, with an upload",
	"crypto pki import PURPOSE certificate [PATH]": "Certificates, with an upload",
	"crypto pki import PURPOSE pem [PATH]":         "Certificates, with an upload",
	"delete PATH [recursive] [force]":              "Files",
	"dir [PATH]":                                   "Files",
	"mkdir PATH":                                   "Files",
	"more PATH":                                    "Files, download",
	"show alarms [active]":                         "show alarms detail",
	"show billing status":                          "Reports, Billing",
	"show call-home":                               "Call Home",
	"show call-home detail":                        "Call Home",
	"show call-home eula":                          "Call Home, the agreement",
	"show groups":                                  "Users and groups",
	"show license all":                             "the License Summary and what else is shown of licences",
	"show license summary":                         "show license summary cusp",
	"show license tech-support":                    "Tech support has it",
	"show license udi":                             "the License Summary",
	"show metrics":                                 "for Prometheus",
	"show ntp":                                     "show ntp status, show ntp associations",
	"show reports [calls]":                         "Reports, Calls",
	"show reports [calls] days DAYS":               "Reports, Calls",
	"show reports [calls] hours HOURS":             "Reports, Calls",
	"show sbc SBC sbe billing configuration release RELEASE": "for those who come from CUBE with a script",
	"show sip status":   "show calls summary, show sip listen, show sip statistics",
	"show tech-support": "Tech support, download",
	"show users":        "Sessions",
	"undebug PROCESS":   "no debug PROCESS",
}

// TestEveryCommandHasItsPage: what is typed in EXEC is done on a page, too.
func TestEveryCommandHasItsPage(t *testing.T) {
	on := map[string]bool{}
	for _, s := range menu() {
		for _, p := range s.pages {
			for _, one := range p.parts {
				for _, syntax := range syntaxesOf(one) {
					on[syntax] = true
				}
			}
		}
	}
	known := map[string]bool{}
	for _, c := range grammar.Exec() {
		known[c.Syntax] = true
		if !on[c.Syntax] && elsewhereTyped[c.Syntax] == "" {
			t.Errorf("no page has %q, and nothing says what does the same", c.Syntax)
		}
	}
	for syntax := range elsewhereTyped {
		if !known[syntax] {
			t.Errorf("there is no command %q", syntax)
		}
	}
}

// TestMenuOfTheSeed: the headings of the menu are CUSP's, and below Administration is
// what CUSP has there (L-36).
func TestMenuOfTheSeed(t *testing.T) {
	var headings []string
	titles := map[string]bool{} // below Administration: of pages, and of what is on them
	for _, one := range menu() {
		headings = append(headings, one.title)
		if one.title != "Administration" {
			continue
		}
		for _, p := range one.pages {
			titles[p.title] = true
			for _, part := range p.parts {
				switch part := part.(type) {
				case doing:
					titles[part.title] = true
				case settings:
					titles[part.title] = true
				case defaults:
					titles["Restore Defaults"] = true
				}
			}
		}
	}
	if want := []string{"Dashboard", "Configure", "System", "Monitor", "Reports", "Administration", "Troubleshoot"}; !slices.Equal(headings, want) {
		t.Errorf("the menu is %q; want %q", headings, want)
	}
	for _, want := range []string{
		"Backup / Restore", "Start Backup", "Scheduled Backups", "Start Restore", "Control Panel", "Manage Configuration", "Restore Defaults",
		"Candidate Preview", "Smart License", "License Summary", "Manage Inactivity Timeout",
	} {
		if !titles[want] {
			t.Errorf("below Administration there is no %q", want)
		}
	}
}
