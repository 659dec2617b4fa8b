package callhome

import (
	"errors"
	"strings"
	"testing"
	"time"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

// moment is that of the goldens.
var moment = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

const (
	inventoryID = "CH:aB3dE6gH9jK:64c1f7a3b4c50"
	alertID     = "CH:aB3dE6gH9jK:64c1f7a3b4c51"
)

// unconfigured is the status of a new box.
func unconfigured() model.CallHomeStatus {
	s := model.CallHomeStatus{Mode: model.CallHomeSmart}
	s.Pending = s.Settings.Pending()
	return s
}

// smart is one that is in use, with copies and profiles.
func smart() model.CallHomeStatus {
	c := model.CallHome{
		Accepted: true, ContactEmail: "noc@example.com", Company: "Example Ltd", ContactName: "Ann.Example", StreetAddress: "1 Example Street", Phone: "+1 555 0100",
		ContractUser: "user1", CustomerID: "c1", ContractID: "k1", SiteID: "s1",
		Transport: model.CallHomeProxy, URL: "https://callhome.example.com/in", ProxyHost: "proxy.example.com", ProxyPort: 3128,
		Copies: []string{"a@example.com", "b@example.com"}, Traces: true,
		MailServers: []model.MailServer{
			{Host: "mail.example.com", User: "ann", Priority: 1},
			{Host: "2001:db8::25", Port: 2525, Security: model.MailPlain, Priority: 10},
		},
		Profiles: []model.CallHomeProfile{
			{Name: "lab", Off: true, URL: "https://lab.example.com"},
			{Name: "noc", Emails: []string{"noc@example.com"}, Groups: []model.CallHomeSubscription{{Group: model.GroupCrash, Severity: model.Minor}, {Group: model.GroupInventory}}},
		},
	}
	next := time.Date(2026, 4, 1, 3, 12, 5, 0, time.UTC)
	s := model.CallHomeStatus{
		Mode: model.CallHomeSmart, Settings: c, LastSent: moment.Add(-24 * time.Hour), Next: next,
		Waiting: []model.CallHomeEntry{{
			ID: alertID, Group: model.GroupCrash, Name: "Coredumpfilefound", Profile: model.ProfileVendor, Made: moment, Attempts: 3, Next: moment.Add(5 * time.Minute),
			Outcome: "waiting", Error: "dial callhome.example.com: no route to host",
		}},
		Recent: []model.CallHomeEntry{
			{ID: inventoryID, Group: model.GroupInventory, Profile: model.ProfileVendor, Attempts: 2, Outcome: "sent", Error: "the first one", Ended: moment},
			{ID: inventoryID, Group: model.GroupInventory, Profile: "noc", Attempts: 1, Outcome: "refused", Error: "550 no such user", Ended: moment},
		},
		Profiles: []model.CallHomeTally{
			{Name: model.ProfileVendor, Sent: 12, Failed: 3, LastSent: moment.Add(-24 * time.Hour), Error: "dial callhome.example.com: no route to host"},
			{Name: model.ProfileCopies, Sent: 12},
			{Name: "noc", Dropped: 1},
		},
		Dedup:   []model.CallHomeSeen{{Name: "Coredumpfilefound", Object: "proxy", At: moment, Repeated: 2}},
		Dropped: map[string]int64{"refused": 1, "expired": 4},
	}
	for _, group := range []string{model.GroupInventory, model.GroupTelemetry, model.GroupConfiguration} {
		s.Due = append(s.Due, model.CallHomeDue{Group: group, Last: moment.Add(-24 * time.Hour), Next: next})
	}
	return s
}

// anonymous is one that has a contact nevertheless.
func anonymous() model.CallHomeStatus {
	s := smart()
	s.Mode, s.Settings.Mode = model.CallHomeAnonymous, model.CallHomeAnonymous
	s.Settings.Transport, s.Settings.Email = model.CallHomeEmail, "in@callhome.example.com"
	s.Settings.Traces = false
	s.Problem = "queue.db: no space left"
	return s
}

func TestShow(t *testing.T) {
	for _, test := range []struct {
		name   string
		status model.CallHomeStatus
		lines  []string
	}{
		{"new", unconfigured(), []string{"", " profile", " schedule", " eula"}},
		{"none", model.CallHomeStatus{Mode: model.CallHomeNone, Settings: model.CallHome{Mode: model.CallHomeNone}}, []string{""}},
		{"smart", smart(), []string{"", " alert-group", " profile", " profile noc", " schedule", " statistics"}},
		{"anonymous", anonymous(), []string{"", " alert-group"}},
	} {
		s := &exectest.Session{Answers: map[string]any{"control.callhome.status": test.status}}
		for _, line := range test.lines {
			line = "show call-home" + line
			exectest.Golden(t, strings.ReplaceAll(line, " ", "-")+"-"+test.name, s.Type(t.Context(), t, ExecCommands(), line))
		}
	}
	s := &exectest.Session{Answers: map[string]any{"control.callhome.status": smart()}}
	if got := s.Type(t.Context(), t, ExecCommands(), "show call-home profile nobody"); got != "% there is no profile nobody\n" {
		t.Errorf("show call-home profile nobody = %q; want it refused", got)
	}
	var parts []string
	for _, part := range []string{"", " alert-group", " profile", " schedule", " statistics"} {
		parts = append(parts, s.Type(t.Context(), t, ExecCommands(), "show call-home"+part))
	}
	if got, want := s.Type(t.Context(), t, ExecCommands(), "show call-home detail"), strings.Join(parts, "\n"); got != want {
		t.Errorf("show call-home detail = %s; want all parts:\n%s", got, want)
	}
}

// TestExec types what makes messages go out and be forgotten.
func TestExec(t *testing.T) {
	sentTo := func(outcome string) Answer {
		return Answer{Deliveries: []model.CallHomeEntry{{ID: inventoryID, Group: model.GroupInventory, Profile: model.ProfileVendor, Attempts: 1, Outcome: outcome, Error: "no route to host"}}}
	}
	const (
		who     = `"operator":{"user":"console","origin":"ttyS0"}`
		waiting = inventoryID + ": inventory to vendor\n  waiting\n  attempt 1: no route to host\n"
		sent    = inventoryID + ": inventory to vendor\n  sent\n"
	)
	for _, test := range []struct {
		name, line, method string
		answer             any
		refuses            bool
		params, printed    string
	}{
		{
			"a group", "call-home send alert-group inventory profile noc", "send", sentTo("sent"), false,
			`"group":"inventory","profile":"noc"`, sent,
		},
		{"that waits", "call-home send alert-group inventory", "send", sentTo("waiting"), false, `"group":"inventory","profile":""`, waiting + "% 1 of 1 messages are not sent\n"},
		{"to nobody", "call-home send alert-group telemetry", "send", Answer{}, false, `"group":"telemetry"`, "% no profile gets such a message: show call-home profile\n"},
		{"all", "call-home send all", "send-all", sentTo("sent"), false, who, "Call Home configuration saved and all Call Home messages sent successfully\n"},
		{"not all", "call-home send all", "send-all", sentTo("waiting"), false, who, waiting + "% 1 of 1 messages are not sent\n"},
		{"none", "call-home send all", "send-all", Answer{}, false, who, "% no profile gets such a message: show call-home profile\n"},
		{"pending", "call-home send all", "send-all", errors.New("no contact-email-addr"), false, who, "% control refused: no contact-email-addr\n"},
		{"a test", "call-home test profile noc text hello, world", "test", sentTo("sent"), false, `"text":"hello, world","profile":"noc"`, sent},
		{"a test with quotes", `call-home test text "hello"`, "test", sentTo("sent"), false, `"text":"hello","profile":""`, sent},
		{"a test without words", "call-home test", "test", sentTo("sent"), false, `"text":"","profile":""`, sent},
		{"dedup", "clear call-home dedup", "clear-dedup", Cleared{3}, false, who, "Alerts forgotten: 3\n"},
		{"queue", "clear call-home queue", "clear-queue", Cleared{2}, false, who, "The messages that wait are not sent.\nDeliveries dropped: 2\n"},
		{"queue, after all not", "clear call-home queue", "clear-queue", Cleared{2}, true, "", "The messages that wait are not sent.\n% not confirmed\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			method := "control.callhome." + test.method
			s := &exectest.Session{Answers: map[string]any{method: test.answer}, Refuses: test.refuses}
			if got := s.Type(t.Context(), t, ExecCommands(), test.line); got != test.printed {
				t.Errorf("%s = %q; want %q", test.line, got, test.printed)
			}
			switch called := s.Called(); {
			case test.params == "" && len(called) > 0:
				t.Errorf("%s calls %q; want nothing asked", test.line, called)
			case test.params == "":
			case len(called) != 1 || !strings.HasPrefix(called[0], method+" {") || !strings.Contains(called[0], test.params):
				t.Errorf("%s calls %q; want %s with %s", test.line, called, method, test.params)
			}
		})
	}
}
