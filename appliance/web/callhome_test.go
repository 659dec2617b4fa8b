package web

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"causeway/appliance/config/change"
	"causeway/appliance/grammar/drawn"
	"causeway/appliance/model"
)

// TestCallHomeRules holds the form against the table of CH-34.
func TestCallHomeRules(t *testing.T) {
	filled := map[string]string{
		"contact-email-addr": "old@example.com", "company": "Old", "destination-url": "https://old.example.com/", "include-traces": "1",
		"copy": "1", "copy-email-addr": "old@example.com", "mode": model.CallHomeSmart, "transport": model.CallHomeHTTPS,
	}
	for _, test := range []struct {
		name string
		sent string // what the form has
		want string // what of filled is other than before; "-" nothing
		bad  string // the fields that are wrong
	}{
		{"smart needs an e-mail address", "mode=smart&contact-email-addr=&transport=https&include-traces=1&copy=1&copy-email-addr=old@example.com", "contact-email-addr=", "contact-email-addr"},
		{"smart takes the contact", "mode=smart&contact-email-addr=new@example.com&company=New&include-traces=1&copy=1", "company=New contact-email-addr=new@example.com", ""},
		{"anonymous takes no contact, and no traces", "mode=anonymous&contact-email-addr=new@example.com&company=New&include-traces=1&copy=1", "include-traces= mode=anonymous", ""},
		{"anonymous takes copies", "mode=anonymous&copy=1&copy-email-addr=new@example.com", "copy-email-addr=new@example.com include-traces= mode=anonymous", ""},
		{"disabled takes nothing else", "mode=disabled&contact-email-addr=&company=New&transport=email&copy=", "mode=disabled", ""},
		{"none takes nothing else", "mode=none&company=New", "mode=none", ""},
		{"a box that is not ticked", "mode=smart&copy=1", "include-traces=", ""},
		{"no copies", "mode=smart&include-traces=1&copy-email-addr=new@example.com", "copy-email-addr= copy=", ""},
		{"copies to nobody", "mode=smart&include-traces=1&copy=1&copy-email-addr=+", "copy-email-addr=", "copy-email-addr"},
		{"a proxy needs host and port", "mode=smart&include-traces=1&copy=1&transport=https-proxy&proxy-host=", "proxy-host= transport=https-proxy", "proxy-host proxy-port"},
		{"a proxy that is not used", "mode=smart&include-traces=1&copy=1&transport=https&proxy-host=p.example.com&proxy-port=80", "", ""},
		{"the e-mail address of the vendor is not the URL", "mode=smart&include-traces=1&copy=1&transport=email&destination-url=x&destination-email=v@example.com", "destination-email=v@example.com transport=email", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			sent, err := url.ParseQuery(test.sent)
			if err != nil {
				t.Fatal(err)
			}
			values, faults := readCallHome(filled, sent)
			var changed []string
			for _, name := range slices.Sorted(maps.Keys(values)) {
				if before, was := filled[name]; values[name] != before || !was {
					changed = append(changed, name+"="+values[name])
				}
			}
			slices.Sort(changed)
			want := strings.Fields(test.want)
			slices.Sort(want)
			if !slices.Equal(changed, want) {
				t.Errorf("changed is %v; want %v", changed, want)
			}
			if bad := strings.Join(slices.Sorted(maps.Keys(faults)), " "); bad != test.bad {
				t.Errorf("wrong is %q; want %q", bad, test.bad)
			}
		})
	}
}

// TestCallHomeValues: the fields of any configuration say what it has, and make its
// lines again.
func TestCallHomeValues(t *testing.T) {
	g := realGrammar()
	rapid.Check(t, func(t *rapid.T) {
		c := drawn.Configs.Draw(t, "configuration")
		values := callHomeValues(g, c)
		lines, _, faults := composeCallHome(g, c, values)
		if len(faults) > 0 {
			t.Fatalf("what is configured is wrong in the form: %v", faults)
		}
		// Defaults are said where no line says them.
		lines = slices.DeleteFunc(lines, func(l string) bool { return l == "mode smart" || l == "transport https" || l == "format xml" })
		if len(lines) > 0 {
			t.Errorf("a form that nobody has changed makes %q", lines)
		}
		empty := &model.Config{}
		lines, _, _ = composeCallHome(g, empty, values)
		if faults := g.Merge(empty, "call-home\n "+strings.Join(lines, "\n ")+"\n"); len(faults) > 0 {
			t.Fatal(faults)
		}
		if again := callHomeValues(g, empty); !maps.Equal(without(again), without(values)) {
			t.Errorf("the fields %v make a configuration of %v", values, again)
		}
	})
}

// FuzzCallHome: whatever is in the form makes lines of Call Home and of nothing else.
func FuzzCallHome(f *testing.F) {
	f.Add("mode=smart&contact-email-addr=ann%40example.com&company=A%0Ahostname+b&transport=https&copy=1&copy-email-addr=a%40example.com")
	f.Add("mode=anonymous&transport=https-proxy&proxy-host=192.0.2.1&proxy-port=80")
	f.Fuzz(func(t *testing.T, query string) {
		sent, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		g, c := realGrammar(), &model.Config{}
		values, faults := readCallHome(callHomeValues(g, c), sent)
		lines, fields, wrong := composeCallHome(g, c, values)
		if len(lines) != len(fields) {
			t.Fatalf("%q are of the fields %q", lines, fields)
		}
		if len(faults)+len(wrong) > 0 {
			return
		}
		if faults := g.Merge(c, callHomePlace+"\n "+strings.Join(lines, "\n ")+"\n"); len(faults) > 0 {
			return // a rule of the line as a whole
		}
		c.CallHome = model.CallHome{}
		if text := g.Render(c); text != g.Render(&model.Config{}) {
			t.Errorf("%q has configured %s", lines, text)
		}
	})
}

// without leaves out what is empty.
func without(values map[string]string) map[string]string {
	values = maps.Clone(values)
	maps.DeleteFunc(values, func(_, value string) bool { return value == "" })
	return values
}

// newCaller is a box whose Call Home does what is in force.
func newCaller(t *testing.T, lines ...string) *site {
	t.Helper()
	s := newSite(t, lines...)
	s.Answers["control.callhome.status"] = func(string) (any, error) {
		c := s.configuration.InForce().Config.CallHome
		return model.CallHomeStatus{Mode: c.Does(), Settings: c, Pending: c.Pending(), LastSent: time.Date(2026, 10, 1, 4, 0, 0, 0, time.UTC)}, nil
	}
	return s
}

const callHomeForm = callHomePath + "?at=call-home"

func TestCallHomeSave(t *testing.T) {
	s := newCaller(t, "hostname a")
	w := s.login(t, user)
	_, page := w.get(callHomeForm)
	shows(t, page, "Enabled (Anonymous Call Home)", "Send data to the vendor using", `data-unless="mode none disabled anonymous"`,
		"2026-10-01 05:00:00 CET", "no contact-email-addr", "AGREEMENT", "I accept the agreement")

	status, page := w.send(callHomeForm, "call-home", url.Values{"mode": {"smart"}, "contact-email-addr": {"nobody"}, "transport": {"https"}, "destination-url": {"https://callhome.example.com/"}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("an e-mail address that is none is taken: %d", status)
	}
	shows(t, page, `id="ch-contact-email-addr-fault"`, `value="https://callhome.example.com/"`, `aria-invalid="true"`)
	s.audited(t)

	_, page = w.send(callHomeForm, "call-home", url.Values{
		"mode": {"smart"}, "contact-email-addr": {"ann@example.com"}, "company": {"Example & Sons"}, "transport": {"https"},
		"destination-url": {"https://callhome.example.com/"}, "include-traces": {"1"}, "do": {"save"},
	})
	shows(t, page, "Call Home configuration saved.", "Example &amp; Sons")
	got := s.configuration.InForce().Config.CallHome
	if got.ContactEmail != "ann@example.com" || got.Company != "Example & Sons" || got.URL != "https://callhome.example.com/" || !got.Traces {
		t.Errorf("in force is %+v", got)
	}
	s.audited(t, "alice: commit comment Call Home configuration")
	if who := s.holder(t); who != "nobody" {
		t.Errorf("%s holds the candidate afterwards", who)
	}

	// The agreement comes next, and once.
	if status, _ := w.send(callHomeForm, "agreement", url.Values{}); status != http.StatusUnprocessableEntity {
		t.Errorf("it is accepted by nobody: %d", status)
	}
	_, page = w.send(callHomeForm, "agreement", url.Values{"sure": {"1"}})
	shows(t, page, "It is accepted.", "!I accept the agreement", "!Nothing is sent yet")
	if !s.configuration.InForce().Config.CallHome.Accepted {
		t.Error("it is not accepted")
	}

	// What does not go together is refused, and leaves nothing behind.
	status, page = w.send(callHomeForm, "call-home", url.Values{"mode": {"smart"}, "transport": {"email"}, "destination-email": {"v@example.com"}, "include-traces": {"1"}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("e-mail without a server is taken: %d", status)
	}
	shows(t, page, `id="ch-transport-fault">there is no mail-server`)
	if now, err := s.configuration.Candidate(t.Context()); err != nil || now.Text != s.configuration.InForce().Text {
		t.Errorf("the candidate is left with what was refused: %v\n%s", err, now.Text)
	}

	// None reminds on all pages.
	_, page = w.get(candidatePath)
	shows(t, page, "!Smart Call Home is not configured")
	w.send(callHomeForm, "call-home", url.Values{"mode": {"none"}})
	_, page = w.get(candidatePath)
	shows(t, page, "Smart Call Home is not configured", `href="/administration/call-home"`)

	// To deactivate: Disabled and Save; what else there is stays.
	w.send(callHomeForm, "call-home", url.Values{"mode": {"disabled"}})
	if got := s.configuration.InForce().Config.CallHome; got.Does() != model.CallHomeDisabled || got.Company != "Example & Sons" || !got.Traces {
		t.Errorf("in force is %+v", got)
	}
}

func TestCallHomeBesideOthers(t *testing.T) {
	s := newCaller(t, "hostname a")
	s.edit(t, somebody, "hostname b")
	w := s.login(t, user)
	fields := url.Values{"mode": {"none"}}
	_, page := w.send(callHomeForm, "call-home", fields)
	shows(t, page, "carol on ssh 192.0.2.7 holds the candidate", "Take it over")
	fields.Set("take", "yes")
	_, page = w.send(callHomeForm, "call-home", fields)
	shows(t, page, "Saved in the candidate, which has other changes, too")
	s.runs(t, "a", 1)
	now, err := s.configuration.Candidate(t.Context())
	if err != nil || !strings.Contains(now.Text, "mode none") || !strings.Contains(now.Text, "hostname b") {
		t.Errorf("the candidate is %s, %v", now.Text, err)
	}
}

// TestCallHomeBesidePending: what somebody saves here confirms nothing else.
func TestCallHomeBesidePending(t *testing.T) {
	s := newCaller(t, "hostname a")
	s.edit(t, somebody, "hostname b")
	if _, err := s.configuration.Commit(t.Context(), change.CommitRequest{Operator: somebody, ConfirmMinutes: 5}); err != nil {
		t.Fatal(err)
	}
	s.release(t, somebody)
	_, page := s.login(t, user).send(callHomeForm, "call-home", url.Values{"mode": {"none"}})
	shows(t, page, "Saved in the candidate: revision 2 is to be confirmed or undone first")
	if p := s.configuration.Status().Pending; p == nil || p.Revision != 2 {
		t.Errorf("pending = %+v; want revision 2 still", p)
	}
}

// TestCallHomeRights: who may only look has the form without effect.
func TestCallHomeRights(t *testing.T) {
	s := newCaller(t)
	s.people.rights["carol"] = model.Rights{Rules: []model.Rule{{Permit: true, Kind: model.RuleExec, Words: ""}, {Permit: true, Kind: model.RuleConfigure, Words: "hostname"}}}
	w := s.login(t, "carol")
	status, page := w.send(callHomeForm, "call-home", url.Values{"mode": {"none"}})
	if status == http.StatusOK || s.configuration.InForce().Config.CallHome.Does() == model.CallHomeNone {
		t.Errorf("Call Home is changed without a right to it: %d %s", status, page)
	}
}
