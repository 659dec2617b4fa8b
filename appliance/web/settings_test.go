package web

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
)

// sealing is the grammar of control, which has the key of the box.
var sealing = sync.OnceValue(func() *config.Grammar {
	key, err := config.NewBoxKey(make([]byte, 32))
	if err != nil {
		panic(err)
	}
	return realGrammar().Sealing(key).Hashing(config.NewHasher())
})

// withParts has a box serve one more page, the only one about places of the mode.
func (b *box) withParts(path string, mode config.Mode, parts ...part) {
	maps.DeleteFunc(b.server.pages, func(_ string, p *page) bool { return mode != "" && p.mode == mode })
	b.server.pages[path] = &page{path: path, title: "A page", mode: mode, parts: parts}
}

var aForm = settings{"limits", "Limits", config.Global, []line{
	{"Hops", "sip max-forwards HOPS"},
	{"Short header fields", "sip header-compaction"},
	{"Callers get", "sip overload reject [retry-after SECONDS] | sip overload redirect HOST"},
	{"Firewall", "firewall SWITCH"},
	{"Passphrase", "backup passphrase PASSPHRASE"},
	{"Time zone", "clock timezone ZONE [HOURS [MINUTES]]"},
}}

// fieldsOf are the fields of a form as a browser has them before anybody types.
var hiddenWas = regexp.MustCompile(`name="([^"]+\.was)" value="([^"]*)"`)

func fieldsOf(page string) url.Values {
	all := make(url.Values)
	for _, found := range hiddenWas.FindAllStringSubmatch(page, -1) {
		all.Set(found[1], found[2])
	}
	return all
}

func TestSettings(t *testing.T) {
	const have = "sip max-forwards 30\nsip overload reject retry-after 5\nbackup passphrase abcdefghijkl\nclock timezone CET 1\n"
	for _, test := range []struct {
		name   string
		fields map[string]string // beside those that stand there
		empty  []string          // those that are emptied
		want   []string          // lines that control is told
		says   string
	}{
		{name: "nothing", says: "Nothing was changed."},
		{name: "a value", fields: map[string]string{"limits.0.0.HOPS": "40"}, want: []string{"sip max-forwards 40"}, says: "Brought into the candidate: sip max-forwards 40"},
		{name: "none", empty: []string{"limits.0.0.HOPS"}, want: []string{"no sip max-forwards"}},
		{name: "a box", fields: map[string]string{"limits.1": "limits.1.0"}, want: []string{"sip header-compaction"}},
		{name: "another way", fields: map[string]string{"limits.2": "limits.2.1", "limits.2.1.HOST": "proxy.example.com"},
			want: []string{"no sip overload", "sip overload redirect proxy.example.com"}},
		{name: "no way", fields: map[string]string{"limits.2": ""}, want: []string{"no sip overload"}},
		{name: "a way that is gone and typed", fields: map[string]string{"limits.2": "", "limits.2.1.HOST": "proxy.example.com"}, want: []string{"no sip overload"}},
		{name: "a switch", fields: map[string]string{"limits.3.0.SWITCH": "off"}, want: []string{"firewall off"}},
		{name: "a secret", fields: map[string]string{"limits.4.0.PASSPHRASE": "mnopqrstuvwx"},
			want: []string{"backup passphrase mnopqrstuvwx"}, says: "Brought into the candidate: backup passphrase ********"},
		{name: "no secret", fields: map[string]string{"limits.4.0.PASSPHRASE.clear": "yes"}, want: []string{"no backup passphrase"}},
		{name: "several", fields: map[string]string{"limits.0.0.HOPS": "40", "limits.5.0.MINUTES": "30"},
			want: []string{"sip max-forwards 40", "clock timezone CET 1 30"}},
		{name: "out of range", fields: map[string]string{"limits.0.0.HOPS": "0", "limits.3.0.SWITCH": "off"}, says: "0 is not between 1 and 255."},
		{name: "another line", fields: map[string]string{"limits.5.0.ZONE": "CET\nno clock timezone"}, says: "There is a character that cannot be printed."},
		{name: "a part is missing", empty: []string{"limits.5.0.ZONE"}, says: "This is needed."},
		{name: "another one was faster", fields: map[string]string{"limits.0.was": "0123456789ab", "limits.0.0.HOPS": "40"}, says: "Somebody has changed this meanwhile"},
		{name: "another one was faster, elsewhere", fields: map[string]string{"limits.0.was": model.RevisionID("sip max-forwards 20"), "limits.0.0.HOPS": "20"}, says: "Nothing was changed."},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDraft(t, "")
			if faults := sealing().Merge(d.config, have); len(faults) > 0 {
				t.Fatal(faults)
			}
			b := newBox(t, d.answers())
			b.withParts("/form", "", aForm)
			w := b.login(t, user)
			_, page := w.get("/form")
			if strings.Contains(page, "sealed:") {
				t.Fatalf("the page has a secret: %s", page)
			}
			fields := fieldsOf(page)
			for name, value := range map[string]string{
				"limits.0.0.HOPS": "30", "limits.2": "limits.2.0", "limits.2.0.SECONDS": "5", "limits.5.0.ZONE": "CET", "limits.5.0.HOURS": "1",
			} {
				if !strings.Contains(page, fmt.Sprintf(`name="%s"`, name)) || !strings.Contains(page, fmt.Sprintf(`value="%s"`, value)) {
					t.Fatalf("the page has no %s of %s: %s", name, value, page)
				}
				fields.Set(name, value)
			}
			for name, value := range test.fields {
				fields.Set(name, value)
			}
			for _, name := range test.empty {
				fields.Del(name)
			}
			before := d.text()
			status, text := w.send("/form", "limits", fields)
			if !strings.Contains(text, test.says) || strings.Contains(text, "mnopqrstuvwx") {
				t.Errorf("%d %s; want %q in it", status, text, test.says)
			}
			if got := loadedLines(t, b); strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("loaded %q; want %q", got, test.want)
			}
			if len(test.want) == 0 && d.text() != before {
				t.Errorf("the candidate is\n%s; want it as it was:\n%s", d.text(), before)
			}
		})
	}
}

// loadedLines are those that control was last told to bring in.
func loadedLines(t *testing.T, b *box) (lines []string) {
	t.Helper()
	for _, call := range b.Called() {
		params, is := strings.CutPrefix(call, "control.load ")
		if !is {
			continue
		}
		var r change.LoadRequest
		decode(t, params, &r)
		lines = strings.Split(strings.TrimSuffix(r.Text, "\n"), "\n")
	}
	return lines
}

// TestFaultsOfControl: what control has against a line stands at the field.
func TestFaultsOfControl(t *testing.T) {
	d := newDraft(t, "sip network a\n exit\n")
	answers := d.answers()
	b := newBox(t, answers)
	b.withParts("/form", "", listing{"next", "Next hops", config.Global, []line{{"Next hop", "sip next-hop NETWORK udp ADDRESS PORT OUT-NETWORK"}}}, aForm)
	b.Answers["control.load"] = change.Loaded{Faults: config.Errors{{Line: 1, Column: 18, Text: "sip max-forwards 40", Rule: "that is too far"}}}
	w := b.login(t, user)
	status, page := w.send("/form", "limits", url.Values{"limits.0.0.HOPS": {"40"}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(page, `id="limits.0.0-HOPS-fault">That is too far.`) || !strings.Contains(page, `value="40"`) {
		t.Errorf("%d %s; want 422 with the fault at the field, which is as it was typed", status, page)
	}
	b.Answers["control.load"] = errors.New("the candidate has to be put right first")
	if status, page := w.send("/form", "limits", url.Values{"limits.0.0.HOPS": {"40"}}); status != http.StatusUnprocessableEntity || !strings.Contains(page, "put right first") || !strings.Contains(page, `value="40"`) {
		t.Errorf("%d %s; want 422 with what control says", status, page)
	}
}

// TestHeld: while somebody else has the candidate, nothing is changed unless it is
// taken over.
func TestHeld(t *testing.T) {
	d := newDraft(t, "")
	b := newBox(t, d.answers())
	b.withParts("/form", "", aForm)
	other := change.Holder{Operator: model.Operator{User: "carol", Origin: "ssh 192.0.2.7"}, Since: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	b.Answers["control.configure"] = func(params string) (any, error) {
		var r change.ConfigureRequest
		decode(t, params, &r)
		if r.Take {
			return change.Configured{}, nil
		}
		return change.Configured{Holder: &other}, nil
	}
	w := b.login(t, user)
	status, page := w.send("/form", "limits", url.Values{"limits.0.0.HOPS": {"40"}})
	for _, want := range []string{"carol on ssh 192.0.2.7 holds the candidate since 2026-03-01 ", `name="take"`, `value="40"`} {
		if status != http.StatusUnprocessableEntity || !strings.Contains(page, want) {
			t.Errorf("%d %s; want 422 and %q", status, page, want)
		}
	}
	if d.text() != "" {
		t.Errorf("the candidate is %q; want none", d.text())
	}
	if status, page := w.send("/form", "limits", url.Values{"limits.0.0.HOPS": {"40"}, "take": {"yes"}}); status != http.StatusOK || d.text() != "sip max-forwards 40\n" {
		t.Errorf("taken over: %d %s, the candidate is %q; want the line in it", status, page, d.text())
	}
}

// TestPlacesAreNotGuessed: whether there is a place says its page to who may see or
// change it, and to nobody else.
func TestPlacesAreNotGuessed(t *testing.T) {
	b := newBox(t, newDraft(t, "sip network a\n").answers())
	for user, words := range map[string]string{"dora": "sip max-forwards", "eve": "sip network"} {
		b.people.rights[user] = model.Rights{Rules: []model.Rule{
			{Permit: true, Kind: model.RuleExec, Words: "configure"}, {Permit: true, Kind: model.RuleConfigure, Words: words},
		}}
	}
	for user, told := range map[string]bool{user: true, "eve": true, "dora": false} {
		w := b.login(t, user)
		for name, there := range map[string]bool{"a": true, "b": false} {
			status, page := w.get("/configure/networks/network?at=sip+network+" + name)
			if says := strings.Contains(page, "no such place yet"); status != http.StatusOK || says != (told && !there) {
				t.Errorf("%s is told of network %s: %d, %v; want %v", user, name, status, says, told && !there)
			}
		}
	}
}

// TestRightsToLines: a form is held against the rights line by line.
func TestRightsToLines(t *testing.T) {
	d := newDraft(t, "")
	b := newBox(t, d.answers())
	b.withParts("/form", "", aForm)
	b.people.rights["dora"] = model.Rights{Rules: []model.Rule{
		{Permit: true, Kind: model.RuleExec}, {Permit: true, Kind: model.RuleConfigure, Words: "sip max-forwards"},
	}}
	w := b.login(t, "dora")
	status, page := w.send("/form", "limits", url.Values{"limits.0.0.HOPS": {"40"}, "limits.3.0.SWITCH": {"off"}})
	if want := "Your groups do not permit &#34;firewall&#34;"; status != http.StatusUnprocessableEntity || !strings.Contains(page, want) || d.text() != "" {
		t.Errorf("%d %s, %q; want 422, %q and nothing changed", status, page, d.text(), want)
	}
	if status, page := w.send("/form", "limits", url.Values{"limits.0.0.HOPS": {"40"}}); status != http.StatusOK || d.text() != "sip max-forwards 40\n" {
		t.Errorf("%d %s, %q; want the line in the candidate", status, page, d.text())
	}
	if status, page := b.login(t, "bob").get("/form"); status != http.StatusForbidden {
		t.Errorf("without a right to any line: %d %s; want 403", status, page)
	}
}

// TestLinesInSight: who may change some lines and not see the configuration at the
// console does not see the others here.
func TestLinesInSight(t *testing.T) {
	d := newDraft(t, "sip max-forwards 40\nsip overload redirect hidden.example.com\nserver-group sip group unseen.example.com lan1\n")
	b := newBox(t, d.answers())
	users := listing{"groups", "Groups", config.Global, []line{{"Group", "server-group sip group GROUP NETWORK"}}}
	b.withParts("/form", "", aForm, users, firstCall{}, callHome{})
	b.people.rights["dora"] = model.Rights{Rules: []model.Rule{
		{Permit: true, Kind: model.RuleExec, Words: "configure"}, {Permit: true, Kind: model.RuleConfigure, Words: "sip max-forwards"},
	}}
	w := b.login(t, "dora")
	_, page := w.get("/form")
	_, rows := w.get("/form?part=groups&as=csv")
	for _, unwanted := range []string{"hidden.example.com", "unseen.example.com", "part-call-home"} {
		if strings.Contains(page+rows, unwanted) {
			t.Errorf("%s is seen: %s %s", unwanted, page, rows)
		}
	}
	if !strings.Contains(page, "sip max-forwards 40") {
		t.Errorf("what she may change is not seen: %s", page)
	}
	b.people.rights["dora"] = everything
	if _, page := b.login(t, "dora").get("/form"); !strings.Contains(page, "unseen.example.com") || !strings.Contains(page, "part-call-home") {
		t.Errorf("who may see all does not: %s", page)
	}
}
