package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/config/change"
	"causeway/appliance/model"
)

// hash is a password of users in configurations.
const hash = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// TestLoad: lines come into the candidate together, and no others are lost for them.
func TestLoad(t *testing.T) {
	s := newSite(t, "hostname one")
	w := s.login(t, user)
	status, page := w.send(historyPath, "load", url.Values{"text": {"hostname two\r\nlan LAN3\r\n"}, "how": {"merge"}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("load with a fault = %d; want 422", status)
	}
	shows(t, page, "Nothing is loaded: line 2:", "hostname two\r\nlan LAN3")
	status, page = w.send(historyPath, "load", url.Values{"text": {"hostname two\r\nlan LAN2\r\n ip address 192.0.2.1 255.255.255.0\r\n"}, "how": {"merge"}})
	if status != http.StatusOK {
		t.Errorf("load = %d; want 200", status)
	}
	shows(t, page, "Lines that were loaded: 3", "&#43; hostname two", "192.0.2.1")
	status, page = w.send(historyPath, "load", url.Values{"text": {"hostname three"}, "how": {"replace"}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("load over changes = %d; want 422", status)
	}
	shows(t, page, "The candidate has changes, which would be lost")
	s.audited(t, "alice: load merge terminal", "alice: load merge terminal")
	if status, _ = w.send(historyPath, "load", url.Values{"text": {" \r\n"}}); status != http.StatusUnprocessableEntity {
		t.Errorf("load of nothing = %d; want 422", status)
	}
	s.runs(t, "one", 1)
}

// TestRestoreDefaults: the configuration of a new box is committed like any other,
// and the users stay.
func TestRestoreDefaults(t *testing.T) {
	s := newSite(t, "hostname one", "username ann create", "username ann password "+hash, "username ann group pfs-privusers")
	w := s.login(t, user)
	status, page := w.send(historyPath, "defaults", url.Values{})
	if status != http.StatusOK {
		t.Errorf("restore defaults = %d; want 200", status)
	}
	shows(t, page, "&#43; hostname causeway", "- hostname one", "!A commit is refused")
	s.runs(t, "one", 1)
	if status, _, _ := w.post(candidatePath, fill(t, page, "commit", "stays", "yes")); status != http.StatusSeeOther && status != http.StatusOK {
		t.Errorf("commit = %d; want 303 or 200", status)
	}
	s.runs(t, "causeway", 2)
	if users := s.configuration.InForce().Access.Users; len(users) != 1 || users[0].Name != "ann" {
		t.Errorf("users %v; want ann", users)
	}
	s.audited(t, "alice: load replace terminal", "alice: commit")
}

// TestErase: init wipes what was chosen, and nothing without a word for it.
func TestErase(t *testing.T) {
	s := newSite(t, "hostname one")
	s.Answers["init.erase"] = struct{}{}
	w := s.login(t, user)
	erases := func() (calls []string) {
		for _, call := range s.Called() {
			if len(call) > 10 && call[:10] == "init.erase" {
				calls = append(calls, call)
			}
		}
		return calls
	}
	if status, _ := w.send(historyPath, "erase", url.Values{"keys": {"yes"}}); status != http.StatusUnprocessableEntity || erases() != nil {
		t.Errorf("erase without being sure = %d, %q; want 422 and nothing", status, erases())
	}
	status, page := w.send(historyPath, "erase", url.Values{"logs": {"yes"}, "keys": {"yes"}, "other": {"yes"}, "sure": {"yes"}})
	if want := []string{`init.erase {"parts":["configuration","keys","logs"]}`}; status != http.StatusOK || !slices.Equal(erases(), want) {
		t.Errorf("erase = %d, %q; want 200, %q", status, erases(), want)
	}
	shows(t, page, "It is wiped at the next reload.")
	s.audited(t, "alice: write erase keys logs")
}

// TestLoadNeedsAllRights: who may change some of the configuration loads nothing.
func TestLoadNeedsAllRights(t *testing.T) {
	s := newSite(t, "hostname one")
	some := everything
	some.Rules = append(slices.Clone(some.Rules), model.Rule{Kind: model.RuleConfigure, Words: "username"})
	s.people.rights["dan"] = some
	w := s.login(t, "dan")
	_, page := w.get(historyPath)
	shows(t, page, "!part-load", "!part-defaults", "part-erase")
	form := url.Values{"part": {"load"}, "token": {tokenOf(t, page)}, "text": {"hostname two"}, "how": {"merge"}}
	if status, _, _ := w.post(historyPath, form); status != http.StatusForbidden {
		t.Errorf("load by dan = %d; want 403", status)
	}
	if candidate, err := s.configuration.Candidate(t.Context()); err != nil || candidate.Text != s.configuration.InForce().Text {
		t.Errorf("Candidate = %v, %v; want what is in force", candidate, err)
	}
}

// TestLoadFile: lines come from a file, too, and go as one.
func TestLoadFile(t *testing.T) {
	s := newSite(t, "hostname one")
	w := s.login(t, user)
	for _, test := range []struct {
		name, pasted, content, want string
		status                      int
	}{
		{"too many octets", "", strings.Repeat("!\n", change.MaxText/2+1), "It has more than", http.StatusUnprocessableEntity},
		{"lines in both", "hostname two", "hostname three\n", "Take one of them", http.StatusUnprocessableEntity},
		{"an empty file", "", "", "Choose a file or paste a text", http.StatusUnprocessableEntity},
		{"a fault", "", "hostname two\nlan LAN3\n", "line 2:", http.StatusUnprocessableEntity},
		{"lines", "", "hostname two\r\nlan LAN2\r\n", "Lines that were loaded: 2", http.StatusOK},
	} {
		fields := map[string]string{"part": "load", "text": test.pasted, "how": "merge"}
		if status, page := w.upload(historyPath, fields, "edge.conf", test.content, 0); status != test.status || !strings.Contains(strings.ToLower(page), strings.ToLower(test.want)) {
			t.Errorf("%s: %d %s; want %d and %q", test.name, status, page, test.status, test.want)
		}
	}
	for path, want := range map[string]string{
		candidatePath + "?part=lines&as=file":             "hostname two\n",
		historyPath + "?part=revision&as=file&revision=1": "hostname one\n",
	} {
		answer, text := w.do(w.request(http.MethodGet, path, ""))
		if answer.StatusCode != http.StatusOK || !strings.Contains(text, want) || !strings.HasPrefix(answer.Header.Get("Content-Disposition"), "attachment; filename=") {
			t.Errorf("%s = %d %v %s; want a file with %q", path, answer.StatusCode, answer.Header, text, want)
		}
	}
	for _, path := range []string{historyPath + "?part=revision&as=file&revision=99", historyPath + "?part=revision&as=file"} {
		if status, _ := w.get(path); status != http.StatusNotFound {
			t.Errorf("%s = %d; want 404", path, status)
		}
	}
}
