package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/config/change"
	"causeway/appliance/console"
	"causeway/appliance/grammar"
	"causeway/appliance/model"
)

// TestCommit: what the candidate changes is shown, and committed or dropped.
func TestCommit(t *testing.T) {
	s := newSite(t, "hostname one")
	w := s.login(t, user)
	_, page := w.get(candidatePath)
	shows(t, page, "revision 1, which is in force: there is nothing to commit", `!value="commit"`, `!value="drop"`)

	s.edit(t, somebody, "hostname two")
	s.release(t, somebody)
	_, page = w.get(candidatePath)
	shows(t, page, `<span class="removed">- hostname one</span>`, `<span class="added">&#43; hostname two</span>`, "!A commit is refused")
	if status, _, _ := w.post(candidatePath, fill(t, page, "commit", "comment", "the\nsecond")); status != http.StatusUnprocessableEntity {
		t.Errorf("commit with a comment of two lines = %d; want 422", status)
	}
	status, _, to := w.post(candidatePath, fill(t, page, "commit", "comment", "the <second>"))
	if status != http.StatusSeeOther || to != candidatePath {
		t.Errorf("commit = %d to %q; want 303 to the page", status, to)
	}
	s.runs(t, "two", 2)
	s.audited(t, "alice: commit comment the <second>")
	if holder := s.holder(t); holder != "nobody" {
		t.Errorf("%s holds the candidate; want nobody", holder)
	}
	_, page = w.get(candidatePath)
	shows(t, page, "Revision 2 is in force and saved.", "there is nothing to commit")
	_, page = w.get(historyPath)
	shows(t, page, "the &lt;second&gt;", "alice on web 127.0.0.1", "carol on ssh 192.0.2.7")

	s.edit(t, somebody, "hostname three")
	s.release(t, somebody)
	_, page = w.get(candidatePath)
	status, page, _ = w.post(candidatePath, fill(t, page, "drop"))
	if status != http.StatusUnprocessableEntity {
		t.Errorf("drop without being sure = %d; want 422", status)
	}
	shows(t, page, "Say that you are sure", "hostname three")
	if status, _, _ = w.post(candidatePath, fill(t, page, "drop", "sure", "yes")); status != http.StatusSeeOther {
		t.Errorf("drop = %d; want 303", status)
	}
	s.runs(t, "two", 2)
	s.audited(t, "alice: abort")
	_, page = w.get(candidatePath)
	shows(t, page, "The changes are dropped.", "there is nothing to commit")
}

// TestCommitOfWhatIsSeen: a page that shows what is no more the change does none.
func TestCommitOfWhatIsSeen(t *testing.T) {
	s := newSite(t, "hostname one")
	w := s.login(t, user)
	s.edit(t, somebody, "hostname two")
	s.release(t, somebody)
	_, old := w.get(candidatePath)
	s.edit(t, somebody, "ip route 198.51.100.0 255.255.255.0 192.168.42.9 LAN1")
	s.release(t, somebody)
	for _, do := range []string{"commit", "drop"} {
		status, page, _ := w.post(candidatePath, fill(t, old, do, "sure", "yes", "comment", "the second"))
		if status != http.StatusUnprocessableEntity {
			t.Errorf("%s of what was seen before = %d; want 422", do, status)
		}
		shows(t, page, "another one since you looked", "hostname two", "ip route 198.51.100.0 255.255.255.0", `value="the second"`)
		s.runs(t, "one", 1)
	}
	without := fill(t, old, "commit")
	without.Del("seen")
	if status, _, _ := w.post(candidatePath, without); status != http.StatusUnprocessableEntity {
		t.Errorf("commit of anything = %d; want 422", status)
	}
	s.runs(t, "one", 1)
	_, page := w.get(candidatePath)
	if status, _, _ := w.post(candidatePath, fill(t, page, "commit")); status != http.StatusSeeOther {
		t.Errorf("commit of what is seen now = %d; want 303", status)
	}
	s.runs(t, "two", 2)
	if status, _, _ := w.post(candidatePath, fill(t, page, "commit")); status != http.StatusUnprocessableEntity {
		t.Errorf("commit of it once more = %d; want 422", status)
	}
}

// TestTwoPeople: nobody's lines get lost, nor are committed by somebody who has not
// been told whose they are.
func TestTwoPeople(t *testing.T) {
	s := newSite(t, "hostname one")
	w := s.login(t, user)
	s.edit(t, somebody, "hostname two")
	_, page := w.get(candidatePath)
	shows(t, page, "carol on ssh 192.0.2.7 holds the candidate since", "hostname two", `!value="commit"`, `!value="drop"`)
	_, dashboard := w.get("/")
	shows(t, dashboard, "carol on ssh 192.0.2.7 has changes that are not committed")
	for _, do := range []string{"commit", "drop"} { // by somebody who does not mind that there is no button
		form := url.Values{"part": {"changes"}, "token": {tokenOf(t, page)}, "do": {do}, "sure": {"yes"}, "seen": {"anything"}}
		status, page, _ := w.post(candidatePath, form)
		if status != http.StatusUnprocessableEntity {
			t.Errorf("%s of what carol holds = %d; want 422", do, status)
		}
		shows(t, page, "Carol on ssh 192.0.2.7 holds the candidate since")
	}
	s.runs(t, "one", 1)
	s.audited(t)

	if status, _, _ := w.post(candidatePath, fill(t, page, "take")); status != http.StatusSeeOther {
		t.Errorf("take over = %d; want 303", status)
	}
	s.audited(t, "alice: configure terminal take")
	if holder := s.holder(t); holder != user {
		t.Errorf("%s holds the candidate; want %s", holder, user)
	}
	if _, err := s.configuration.Edit(t.Context(), change.EditRequest{Operator: somebody, Line: "hostname three"}); err == nil ||
		!strings.Contains(err.Error(), "alice on web 127.0.0.1 took the candidate over") {
		t.Errorf("Edit by carol = %v; want who took it over", err)
	}
	_, page = w.get(candidatePath)
	shows(t, page, "hostname two", "You hold it since", `value="commit"`)
	if status, _, _ := w.post(candidatePath, fill(t, page, "release")); status != http.StatusSeeOther {
		t.Errorf("give back = %d; want 303", status)
	}
	if holder := s.holder(t); holder != "nobody" {
		t.Errorf("%s holds the candidate; want nobody", holder)
	}
	_, dashboard = w.get("/")
	shows(t, dashboard, "The candidate has changes that are not committed")
}

// TestCommitConfirmed: it is confirmed, undone, or left to come undone.
func TestCommitConfirmed(t *testing.T) {
	s := newSite(t, "hostname one")
	w := s.login(t, user)
	commit := func(name string, minutes string) (int, string) {
		t.Helper()
		s.edit(t, somebody, "hostname "+name)
		s.release(t, somebody)
		_, page := w.get(candidatePath)
		status, page, _ := w.post(candidatePath, fill(t, page, "commit", "stays", "confirmed", "minutes", minutes))
		return status, page
	}
	status, page := commit("two", "1441")
	if status != http.StatusUnprocessableEntity {
		t.Errorf("commit confirmed 1441 = %d; want 422", status)
	}
	shows(t, page, "Minutes to confirm it in:", `value="1441"`)
	s.runs(t, "one", 1)
	if status, _ = commit("two", "7"); status != http.StatusSeeOther {
		t.Fatalf("commit confirmed 7 = %d; want 303", status)
	}
	s.runs(t, "two", 2)
	s.audited(t, "alice: commit confirmed 7")
	_, dashboard := w.get("/")
	shows(t, dashboard, "Revision 2 is not confirmed: at", "revision 1 comes back")
	_, page = w.get(candidatePath)
	shows(t, page, "Confirm it within 7 minutes", "Revision 2 of alice on web 127.0.0.1 is in force and not confirmed", "revision 1 comes back")

	// What is in the candidate by then is not confirmed with it.
	s.edit(t, somebody, "hostname other")
	_, both := w.get(candidatePath)
	shows(t, both, "Revision 2 of alice on web 127.0.0.1 is in force and not confirmed", "hostname other", "carol on ssh 192.0.2.7 holds the candidate")
	if status, _, _ := w.post(candidatePath, fill(t, page, "confirm")); status != http.StatusSeeOther {
		t.Errorf("confirm = %d; want 303", status)
	}
	s.runs(t, "two", 2)
	s.audited(t, "alice: commit")
	if status, _, _ := w.post(candidatePath, fill(t, page, "confirm")); status != http.StatusUnprocessableEntity {
		t.Errorf("confirm once more = %d; want 422", status)
	}
	s.audited(t, "alice: commit")
	s.release(t, somebody)
	_, dashboard = w.get("/")
	shows(t, dashboard, "!not confirmed", "The candidate has changes")

	if status, _ = commit("three", "7"); status != http.StatusSeeOther {
		t.Fatalf("commit confirmed = %d; want 303", status)
	}
	s.audited(t, "alice: commit confirmed 7")
	_, page = w.get(candidatePath)
	if status, _, _ := w.post(candidatePath, fill(t, page, "undo")); status != http.StatusSeeOther {
		t.Errorf("undo = %d; want 303", status)
	}
	s.runs(t, "two", 4)
	s.audited(t, "alice: rollback 2")
}

// TestCommitThatIsRefused: what speaks against a commit is said before it.
func TestCommitThatIsRefused(t *testing.T) {
	s := newSite(t, "hostname one")
	w := s.login(t, user)
	s.edit(t, somebody, "sip listen lan1 udp 192.168.44.1 5060", "ip route 198.51.100.0 255.255.255.0 203.0.113.9 LAN1")
	s.release(t, somebody)
	_, page := w.get(candidatePath)
	shows(t, page, "A commit is refused: ")
	status, page, _ := w.post(candidatePath, fill(t, page, "commit"))
	if status != http.StatusUnprocessableEntity {
		t.Errorf("commit = %d; want 422", status)
	}
	shows(t, page, "Nothing is committed: ", "198.51.100.0 255.255.255.0")
	s.runs(t, "one", 1)
}

// TestRightsToCommit: who may look sees no buttons, and cannot press them.
func TestRightsToCommit(t *testing.T) {
	s := newSite(t, "hostname one")
	s.edit(t, somebody, "hostname two")
	s.release(t, somebody)
	w := s.login(t, "bob")
	_, page := w.get(candidatePath)
	shows(t, page, "hostname two", `!value="commit"`, `!value="drop"`, `!value="take"`)
	for _, do := range []string{"commit", "drop", "take"} {
		seen := change.Step(s.configuration.InForce().Text, strings.Replace(s.configuration.InForce().Text, "hostname one", "hostname two", 1))
		form := url.Values{"part": {"changes"}, "token": {tokenOf(t, page)}, "do": {do}, "sure": {"yes"}, "seen": {seen}}
		if status, _, _ := w.post(candidatePath, form); status != http.StatusUnprocessableEntity {
			t.Errorf("%s by bob = %d; want 422", do, status)
		}
	}
	form := url.Values{"part": {"revision"}, "token": {tokenOf(t, page)}, "revision": {"1"}, "seen": {"anything"}}
	if status, text, _ := w.post(historyPath, form); status != http.StatusUnprocessableEntity || !strings.Contains(text, "do not permit") {
		t.Errorf("rollback by bob = %d; want 422, and why", status)
	}
	s.runs(t, "one", 1)
	s.audited(t)
	if holder := s.holder(t); holder != "nobody" {
		t.Errorf("%s holds the candidate; want nobody", holder)
	}
}

// TestCandidateOfAnEndedSession: it is given back, with its changes, once its holder
// has no session any more.
func TestCandidateOfAnEndedSession(t *testing.T) {
	s := newSite(t, "hostname one")
	first, second := s.login(t, user), s.login(t, user)
	s.edit(t, model.Operator{User: user, Origin: "web 127.0.0.1"}, "hostname two")
	leave := func(w *browser) {
		t.Helper()
		_, page := w.get(candidatePath)
		if status, text, _ := w.post(logoutPath, url.Values{"token": {tokenOf(t, page)}}); status != http.StatusSeeOther {
			t.Fatalf("log out = %d %s; want 303", status, text)
		}
	}
	leave(first)
	for !slices.Contains(s.people.noted(), "logout exit") {
		time.Sleep(time.Millisecond)
	}
	if holder := s.holder(t); holder != user {
		t.Errorf("%s holds the candidate while another session is open; want %s", holder, user)
	}
	leave(second)
	s.server.sessions.endAll() // and waits for them
	if holder := s.holder(t); holder != "nobody" {
		t.Errorf("%s holds the candidate; want nobody", holder)
	}
	if candidate, err := s.configuration.Candidate(t.Context()); err != nil || !strings.Contains(candidate.Text, "hostname two") {
		t.Errorf("Candidate = %+v, %v; want the change", candidate, err)
	}
}

// TestLongStep: a page shows so much of a change and no more, and says so.
func TestLongStep(t *testing.T) {
	s := newSite(t, "hostname one")
	var routes []string
	for i := range stepLines + 20 {
		routes = append(routes, fmt.Sprintf("ip route 198.%d.%d.%d 255.255.255.128 192.168.42.9 LAN1", 18+i/512, i/2%256, i%2*128))
	}
	s.edit(t, somebody, routes...)
	s.release(t, somebody)
	w := s.login(t, user)
	_, page := w.get(candidatePath)
	shows(t, page, "20 more lines", "198.18.1.128", `<a href="?whole=yes">`)
	if most := 150 << 10; len(page) > most {
		t.Errorf("the page has %d octets; want at most %d", len(page), most)
	}
	_, page = w.get(candidatePath + "?whole=yes")
	shows(t, page, "198.19.153.128", "198.18.1.128", "!more lines")
}

// TestCommandsOfTheConsole: who may not type a command there may not press its button
// here, so the rights are asked about the commands that there are.
func TestCommandsOfTheConsole(t *testing.T) {
	known := map[string]bool{}
	for _, c := range slices.Concat(console.Commands(), console.ConfigurationCommands(), grammar.Exec()) {
		known[c.Syntax] = true
	}
	for _, syntax := range []string{
		configureCommand, commitCommand, rollbackCommand, showDiffCommand, showCandidateCommand, showHistoryCommand, showRevisionCommand,
		loadMergeCommand, loadReplaceCommand, eraseCommand, showUsersCommand, clearSessionCommand,
	} {
		if !known[syntax] {
			t.Errorf("there is no command %q", syntax)
		}
	}
}
