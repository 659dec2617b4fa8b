package change

import (
	"errors"
	"fmt"
	"testing"
)

// TestUsersStay: nothing that brings back a configuration without users opens
// a box that has some; only a box that never had users has none.
func TestUsersStay(t *testing.T) {
	one, two := named("one")+"username anna\n", named("two")+"username bert\n"
	for _, test := range []struct {
		name    string
		store   []stored
		damage  []int
		choice  string
		machine string
		want    string // who may log in
	}{
		{name: "a new box"},
		{name: "handed in by the machine, without users", machine: named("qemu")},
		{name: "as committed", store: []stored{{StateCommitted, one, ""}, {StateCommitted, two, ""}}, want: "bert"},
		{name: "the rescue menu: the built-in configuration", store: []stored{{StateProven, one, ""}, {StateCommitted, two, ""}},
			choice: chooseBuiltIn, want: "bert"},
		{name: "the rescue menu: an earlier one without users", store: []stored{{StateProven, named("one"), ""}, {StateCommitted, two, ""}},
			choice: chooseLastGood, want: "bert"},
		{name: "the rescue menu: an earlier one with users who are gone", store: []stored{{StateProven, one, ""}, {StateCommitted, two, ""}},
			choice: chooseLastGood, want: "bert"},
		{name: "the newest is damaged", store: []stored{{StateCommitted, one, ""}, {StateCommitted, two, ""}}, damage: []int{2}, want: "anna"},
		{name: "the newest is damaged, the built-in one was asked for", store: []stored{{StateCommitted, one, ""}, {StateCommitted, two, ""}},
			damage: []int{2}, choice: chooseBuiltIn, want: "anna"},
		{name: "an operator went back to one without users", store: []stored{{StateCommitted, one, ""}, {StateCommitted, named("two"), ""}}, want: "anna"},
		{name: "handed in, without users", store: []stored{{StateCommitted, one, ""}}, machine: named("qemu"), want: "anna"},
		{name: "of another firmware", store: []stored{{StateCommitted, one + "future 7\n", "2.0.0"}}, choice: chooseBuiltIn, want: "anna"},
		{name: "withdrawn: the dialogue begins anew", store: []stored{{StateWithdrawn, one, ""}}},
		{name: "all are damaged", store: []stored{{StateCommitted, one, ""}}, damage: []int{1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBox(t)
			b.hold(test.store, test.damage)
			if test.choice != "" {
				b.put("choice-of-init", test.choice)
			}
			if test.machine != "" {
				b.put("machine", test.machine)
			}
			checkUsers(t, b.start(), test.want)
		})
	}
}

// TestUsersStayWhileItRuns: from one configuration to the next, and when the
// store has no room for all of them.
func TestUsersStayWhileItRuns(t *testing.T) {
	b := newBox(t)
	b.keep(StateCommitted, named("one"))
	c := b.start()
	a := session{t, c, Who{alice}}
	checkUsers(t, c, "")
	for _, step := range []struct{ line, want string }{{"username anna", "anna"}, {"no username anna", "anna"}, {"username bert", "bert"}} {
		a.configure(false)
		a.types(step.line)
		if answer, err := a.commit(0); err != nil || answer.Revision == 0 {
			t.Fatalf("Commit of %s = %+v, %v; want a revision", step.line, answer, err)
		}
		checkUsers(t, c, step.want)
	}
	c.Abandon(c.InForce(), errors.New("the proxy ended"))
	checkUsers(t, c, "anna")
	for i := range mostKept + 1 {
		a.configure(false)
		a.types(fmt.Sprintf("hostname box%d", i))
		if answer, err := a.commit(0); err != nil || answer.Revision == 0 {
			t.Fatalf("Commit %d = %+v, %v; want a revision", i, answer, err)
		}
	}
	checkUsers(t, c, "anna")
	checkUsers(t, b.start(), "anna")
}

func checkUsers(t *testing.T, c *Configuration, want string) {
	t.Helper()
	got := ""
	for _, u := range c.InForce().Access.Users {
		got += u.Name
	}
	if got != want {
		t.Errorf("%q may log in; want %q", got, want)
	}
}
