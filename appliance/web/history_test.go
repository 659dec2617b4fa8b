package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"causeway/appliance/config/change"
)

// TestRollback: an earlier revision is put in force as it was shown.
func TestRollback(t *testing.T) {
	s := newSite(t, "hostname one")
	w := s.login(t, user)
	set := func(name string) {
		t.Helper()
		s.edit(t, somebody, "hostname "+name)
		if _, err := s.configuration.Commit(t.Context(), change.CommitRequest{Operator: somebody}); err != nil {
			t.Fatal(err)
		}
		s.release(t, somebody)
	}
	set("two")
	_, old := w.get(historyPath + "?revision=1")
	shows(t, old, `<span class="removed">- hostname two</span>`, `<span class="added">&#43; hostname one</span>`, "Roll back to 1")
	set("three")
	at := historyPath + "?revision=1"
	status, page, _ := w.post(at, fill(t, old, ""))
	if status != http.StatusUnprocessableEntity {
		t.Errorf("rollback from what is no more in force = %d; want 422", status)
	}
	shows(t, page, "another one since you looked", "hostname three")
	s.runs(t, "three", 3)

	s.edit(t, somebody, "hostname four")
	_, page = w.get(at)
	shows(t, page, "The candidate has changes", "!Roll back to 1")
	if status, _, _ = w.post(at, url.Values{"part": {"revision"}, "token": {tokenOf(t, page)}, "seen": {"anything"}}); status != http.StatusUnprocessableEntity {
		t.Errorf("rollback over changes = %d; want 422", status)
	}
	if _, err := s.configuration.Abort(t.Context(), change.AbortRequest{Operator: somebody}); err != nil {
		t.Fatal(err)
	}
	s.audited(t, "alice: rollback 1", "alice: rollback 1")

	_, page = w.get(at)
	if status, _, to := w.post(at, fill(t, page, "", "stays", "confirmed", "minutes", "3")); status != http.StatusSeeOther || to != candidatePath {
		t.Errorf("rollback = %d to %s; want 303 to Candidate Preview", status, to)
	}
	s.runs(t, "one", 4)
	if p := s.configuration.Status().Pending; p == nil || p.Revision != 4 || p.Back != 3 {
		t.Errorf("pending = %+v; want revision 4, from 3", p)
	}
	_, page = w.get(at)
	shows(t, page, "It says what is in force.", "!sip network lan1")
	_, page = w.get(at + "&lines=all")
	shows(t, page, "sip network lan1")
	for _, wrong := range []string{"0", "x", "99", "-1"} {
		if _, page = w.get(historyPath + "?revision=" + wrong); !strings.Contains(page, `class="fault"`) {
			t.Errorf("?revision=%s shows no fault", wrong)
		}
	}
	_, text := w.get(historyPath + "?part=history&as=csv")
	if lines := strings.Split(strings.TrimSpace(text), "\r\n"); len(lines) != 5 || !strings.HasPrefix(lines[1], "4,yes,") {
		t.Errorf("CSV = %q; want a heading and four revisions", lines)
	}
}
