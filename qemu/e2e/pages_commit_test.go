//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"causeway/appliance/config/change"
	"causeway/qemu/lab"
)

// loads brings lines into the candidate, as text.
func (v *visitor) loads(lines string) {
	v.t.Helper()
	v.visits("Manage Configuration")
	v.part("Load lines").fills("Lines, as they are typed at the console", lines)
	v.part("Load lines").follows("button", "Load")
}

// TestPagesConfirmed commits what is to be undone, unless it is confirmed: one
// commit is confirmed, one is undone by its operator, one by itself.
func TestPagesConfirmed(t *testing.T) {
	t.Parallel()
	b := newPagesBox(t, "")
	v := b.operator("anna", lab.Screen{})
	commit := func(name string) {
		t.Helper()
		v.loads("hostname " + name)
		v.visits("Candidate Preview")
		v.sees("hostname " + name)
		v.presses("radio", "It is undone, unless it is confirmed in time")
		v.fills("Minutes to confirm it in", "1")
		v.fills("Comment", "try "+name)
		v.follows("button", "Commit")
		v.sees("not confirmed")
		b.inForce("hostname " + name)
		v.opens("/")
		v.sees("not confirmed")
		v.follows("link", "Confirm or undo it")
	}
	commit("kept")
	v.follows("button", "Confirm revision 2")
	v.opens("/")
	v.misses("not confirmed")

	commit("undone")
	v.follows("button", "Undo it now")
	b.inForce("hostname kept")

	commit("forgotten")
	b.check(b.control.Await(b.ctx, func() error {
		if text := b.running(); !strings.Contains(text, "hostname kept\n") {
			return fmt.Errorf("in force is\n%s", text)
		}
		return nil
	}))
	v.visits("Manage Configuration")
	v.sees("withdrawn", "try forgotten")
	var history change.History
	b.check(b.control.Call(b.ctx, "history", nil, &history))
	if !slices.ContainsFunc(history.Revisions, func(r change.Revision) bool {
		return r.Number == 2 && r.Comment == "try kept" && r.Operator.User == "anna" && r.Operator.Origin == "web "+lab.PeerLAN1.String()
	}) {
		t.Errorf("the revisions are %+v; want anna's of the web", history.Revisions)
	}
	b.audited("anna", "web "+lab.PeerLAN1.String(), "commit confirmed 1")
}

// inForce fails unless the configuration in force has that line.
func (b *pagesBox) inForce(line string) {
	b.t.Helper()
	if text := b.running(); !strings.Contains(text, line+"\n") {
		b.t.Errorf("in force is\n%s\nwant %q", text, line)
	}
}

// TestPagesPlain changes the configuration in a browser without scripts, and rolls it
// back.
func TestPagesPlain(t *testing.T) {
	t.Parallel()
	b := newPagesBox(t, "")
	v := b.operator("anna", lab.Screen{Width: 390, NoScripts: true})
	v.loads("hostname plain")
	v.visits("Candidate Preview")
	v.follows("button", "Commit")
	b.inForce("hostname plain")
	v.loads("nonsense")
	v.sees("nonsense is not")
	v.visits("Manage Configuration")
	v.follows("link", "1")
	v.follows("button", "Roll back to 1")
	b.inForce("hostname causeway")
	v.follows("button", "Log out")
	v.opens("/")
	v.sees("Password")
}

// TestPagesKeyboard does the same with nothing but a keyboard.
func TestPagesKeyboard(t *testing.T) {
	t.Parallel()
	b := newPagesBox(t, "")
	v := b.visitor(lab.Screen{})
	v.opens("/login")
	v.tabsTo("textbox", "User")
	v.types("anna")
	v.tabsTo("textbox", "Password")
	v.types(pagesPassword + kb.Enter)
	v.sees("Dashboard")
	v.tabsTo("link", "Skip to the content")
	v.opens("/administration/configuration")
	v.tabsTo("textbox", "Lines, as they are typed at the console")
	v.types("hostname keys")
	v.tabsTo("button", "Load")
	v.types(kb.Enter)
	v.sees("+ hostname keys")
	v.tabsTo("button", "Commit")
	v.types(" ")
	v.sees("nothing to commit")
	b.inForce("hostname keys")
}

// tabsTo presses the tabulator until something has the focus that is seen.
func (v *visitor) tabsTo(role, name string) {
	v.t.Helper()
	var passed []string
	for range 200 {
		focused, err := v.Focused(v.ctx)
		v.check(err)
		if focused.Role == role && focused.Name == name {
			return
		}
		passed = append(passed, focused.Role+" "+focused.Name)
		v.check(v.Keys(v.ctx, kb.Tab))
	}
	v.t.Fatalf("the tabulator does not lead to %s %q: %q", role, name, passed)
}

func (v *visitor) types(keys string) {
	v.t.Helper()
	v.check(v.Keys(v.ctx, keys))
}
