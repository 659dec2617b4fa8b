package callhome

import (
	"testing"

	"causeway/appliance/config/change"
	"causeway/appliance/model"
)

// TestReminders: who logs in is reminded of Call Home while nobody has chosen
// (CH-33).
func TestReminders(t *testing.T) {
	for mode, want := range map[string]int{
		"": 0, model.CallHomeNone: 1, model.CallHomeDisabled: 0, model.CallHomeSmart: 0, model.CallHomeAnonymous: 0,
	} {
		if got := Reminders(model.CallHome{Mode: mode}); len(got) != want {
			t.Errorf("in mode %q: %q; want %d", mode, got, want)
		}
	}
}

// TestRemark: what is missing is told with the first configuration, and then
// where Call Home was changed.
func TestRemark(t *testing.T) {
	pending := model.CallHome{ContactEmail: "noc@example.com", URL: "https://callhome.example.com"}
	complete := pending
	complete.Accepted = true
	const unaccepted = "Call Home sends nothing yet: the agreement is not accepted (show call-home eula)"
	for _, test := range []struct {
		name          string
		number        int // of the revision before
		before, after model.CallHome
		want          string
	}{
		{"the first one", 0, pending, pending, unaccepted},
		{"the first one, complete", 0, complete, complete, ""},
		{"the same", 7, pending, pending, ""},
		{"changed", 7, model.CallHome{}, pending, unaccepted},
		{"completed", 7, pending, complete, ""},
		{"switched off", 7, pending, model.CallHome{Mode: model.CallHomeDisabled}, ""},
	} {
		before := change.InForce{Number: test.number, Config: &model.Config{CallHome: test.before}}
		got := Remark(before, &model.Config{CallHome: test.after})
		if len(got) > 1 || test.want == "" && len(got) > 0 || test.want != "" && (len(got) == 0 || got[0] != test.want) {
			t.Errorf("%s: %q; want %q", test.name, got, test.want)
		}
	}
}
