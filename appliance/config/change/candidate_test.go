package change

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCandidateHasOneHolder(t *testing.T) {
	c := newBox(t).start()
	a, b := session{t, c, Who{alice}}, session{t, c, Who{bob}}
	if answer := a.configure(false); answer.Holder != nil || answer.Changed || answer.Pending != nil {
		t.Fatalf("Configure of the first = %+v; want the candidate, unchanged", answer)
	}
	a.types("hostname new")
	answer := b.configure(false)
	if answer.Holder == nil || answer.Holder.Operator != alice || !answer.Holder.Changed || answer.Holder.Since.IsZero() {
		t.Errorf("Configure of the second = %+v; want that alice holds it, changed", answer.Holder)
	}
	refused := func(who session, want string) {
		t.Helper()
		_, edit := c.Edit(t.Context(), EditRequest{Operator: who.who.Operator, Line: "hostname other"})
		_, load := c.Load(t.Context(), LoadRequest{Operator: who.who.Operator, Text: named("other")})
		_, commit := who.commit(0)
		_, abort := c.Abort(t.Context(), AbortRequest{Operator: who.who.Operator})
		for what, err := range map[string]error{"Edit": edit, "Load": load, "Commit": commit, "Abort": abort} {
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s by %v = %v; want %q", what, who.who.Operator, err, want)
			}
		}
	}
	refused(b, "alice on ssh 192.0.2.7 has held the candidate for 0s")
	if answer := b.configure(true); answer.Holder != nil || !answer.Changed {
		t.Errorf("Configure with Take = %+v; want alice's candidate with its changes", answer)
	}
	refused(a, "bob on ttyS0 took the candidate over 0s ago")
	if _, err := c.Release(t.Context(), a.who); err != nil {
		t.Errorf("Release by one who lost it = %v; want nil", err)
	}
	refused(a, "bob on ttyS0 took the candidate over 0s ago")

	// Given back, its changes wait for the next one.
	if _, err := c.Release(t.Context(), b.who); err != nil {
		t.Fatal(err)
	}
	refused(b, errNotHeld.Error())
	if shown, err := c.Candidate(t.Context()); err != nil || shown.Holder != nil || shown.Text != named("new") {
		t.Errorf("Candidate = %+v, %v; want alice's change without a holder", shown, err)
	}
	if answer := a.configure(false); answer.Holder != nil || !answer.Changed {
		t.Errorf("Configure after Release = %+v; want the candidate with its changes", answer)
	}
	if _, err := c.Abort(t.Context(), AbortRequest{Operator: a.who.Operator}); err != nil {
		t.Fatal(err)
	}
	if answer := b.configure(false); answer.Holder != nil || answer.Changed {
		t.Errorf("Configure after Abort = %+v; want an unchanged candidate", answer)
	}
	if _, err := c.Release(t.Context(), b.who); err != nil { // nothing changed: nothing waits
		t.Fatal(err)
	}
	if shown, err := c.Candidate(t.Context()); err != nil || shown.Holder != nil || shown.Text != named("builtin") {
		t.Errorf("Candidate = %+v, %v; want what is in force", shown, err)
	}
}

func TestEdit(t *testing.T) {
	c := newBox(t).start()
	a := session{t, c, Who{alice}}
	a.configure(false)
	for _, test := range []struct {
		path  []string
		line  string
		want  []string
		fault bool
	}{
		{nil, "network a", []string{"network a"}, false},
		{[]string{"network a"}, "next-hop b", []string{"network a"}, false},
		{[]string{"network a"}, "next-hop", []string{"network a"}, true},
		{[]string{"network a"}, "hostname new", nil, false},
		{[]string{"network a"}, "end", nil, false},
	} {
		answer, err := c.Edit(t.Context(), EditRequest{alice, test.path, test.line})
		if err != nil || strings.Join(answer.Path, "/") != strings.Join(test.want, "/") || (answer.Fault != nil) != test.fault {
			t.Errorf("Edit(%q, %q) = %q, %v, %v; want %q, a fault: %t", test.path, test.line, answer.Path, answer.Fault, err, test.want, test.fault)
		}
	}
	want := "hostname new\n!\nnetwork a\n next-hop b\n exit\n"
	if shown, err := c.Candidate(t.Context()); err != nil || shown.Text != want {
		t.Errorf("Candidate = %q, %v; want %q", shown.Text, err, want)
	}
	if c.InForce().Text != named("builtin") {
		t.Errorf("in force is %q; want nothing changed before the commit", c.InForce().Text)
	}
}

// TestLoad: a text goes in whole or not at all.
func TestLoad(t *testing.T) {
	for _, test := range []struct {
		name, text string
		replace    bool
		lines      int
		faults     []int // their lines
		want       string
	}{
		{name: "merge", text: "! a comment\n\ntime-server 192.0.2.1\n", lines: 1, want: "hostname new\n!\ntime-server 192.0.2.1\n"},
		{name: "replace", text: "time-server 192.0.2.1\n", replace: true, lines: 1, want: "time-server 192.0.2.1\n"},
		{name: "replace by nothing", text: "!\n", replace: true, want: "!\n"},
		{name: "every fault is listed", text: "time-server 192.0.2.1\nfoo\nhostname\n", faults: []int{2, 3}, want: named("new")},
		{name: "lines aside stay aside", text: "!? future 7\n", want: "hostname new\n!\n!? future 7\n"},
		{name: "lines aside that fit by now are in", text: "!? time-server 192.0.2.1\n", want: "hostname new\n!\ntime-server 192.0.2.1\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newBox(t).start()
			a := session{t, c, Who{alice}}
			a.configure(false)
			a.types("hostname new")
			answer, err := c.Load(t.Context(), LoadRequest{Operator: alice, Text: test.text, Replace: test.replace})
			var faults []int
			for _, fault := range answer.Faults {
				faults = append(faults, fault.Line)
			}
			if err != nil || answer.Lines != test.lines || !cmp.Equal(faults, test.faults) {
				t.Errorf("Load = %+v, %v; want %d lines, faults in %v", answer, err, test.lines, test.faults)
			}
			if shown, err := c.Candidate(t.Context()); err != nil || shown.Text != test.want {
				t.Errorf("Candidate = %q, %v; want %q", shown.Text, err, test.want)
			}
		})
	}
	c := newBox(t).start()
	session{t, c, Who{alice}}.configure(false)
	if _, err := c.Load(t.Context(), LoadRequest{Operator: alice, Text: strings.Repeat("!", MaxText+1)}); err == nil {
		t.Error("Load of a text that is too long = nil; want an error")
	}
}

// TestWhoMayChange: every method that changes something asks who calls, and so
// does what tells a configuration.
func TestWhoMayChange(t *testing.T) {
	reading := map[string]bool{"control.history": true}
	c := newBox(t).start()
	for name, method := range c.Methods() {
		call := reflect.ValueOf(method)
		arguments := []reflect.Value{reflect.ValueOf(context.Background())} // of no peer
		if call.Type().NumIn() == 2 {
			arguments = append(arguments, reflect.Zero(call.Type().In(1)))
		}
		err, _ := call.Call(arguments)[1].Interface().(error)
		if refused := err != nil && strings.Contains(err.Error(), "may not do this"); refused == reading[name] {
			t.Errorf("%s by nobody known = %v; want it refused: %t", name, err, !reading[name])
		}
	}
}

// TestSeen: what an operator has seen is done, and nothing else.
func TestSeen(t *testing.T) {
	b := newBox(t)
	c := b.start()
	a := session{t, c, Who{alice}}
	a.sets("one", 1, 0)
	seen := func() string {
		t.Helper()
		candidate, err := c.Candidate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return Step(c.InForce().Text, candidate.Text)
	}
	commit := func(seen string) error {
		_, err := c.Commit(t.Context(), CommitRequest{Operator: alice, Seen: seen})
		return err
	}
	abort := func(seen string) error {
		_, err := c.Abort(t.Context(), AbortRequest{Operator: alice, Seen: seen})
		return err
	}
	rollback := func(seen string) error {
		_, err := c.Rollback(t.Context(), RollbackRequest{Operator: alice, Revision: 1, Seen: seen})
		return err
	}
	refused := func(what string, err error) {
		t.Helper()
		var conflict *ConflictError
		if !errors.As(err, &conflict) {
			t.Errorf("%s = %v; want a conflict", what, err)
		}
	}
	nothing := seen()
	a.types("hostname two")
	two := seen()
	refused("Commit of what was no change before", commit(nothing))
	refused("Abort of what was no change before", abort(nothing))
	a.types("hostname three")
	refused("Commit of what is another change now", commit(two))
	refused("Abort of what is another change now", abort(two))
	a.types("hostname two") // and back: that is what was seen
	if err := commit(two); err != nil {
		t.Fatal(err)
	}
	refused("Commit of what is done", commit(two))
	back := Step(c.InForce().Text, named("one"))
	a.sets("three", 3, 0)
	refused("Rollback from what is no more in force", rollback(back))
	b.runs(c, "three", 3, SourceRevision)
	if err := rollback(Step(named("three"), named("one"))); err != nil {
		t.Error(err)
	}
	b.runs(c, "one", 4, SourceRevision)
	a.types("hostname four")
	if err := abort(seen()); err != nil {
		t.Error(err)
	}
	if shown, _ := c.Candidate(t.Context()); shown.Text != named("one") {
		t.Errorf("candidate %q; want what is in force", shown.Text)
	}
}

// TestDefaults: the configuration of a new box is a change like any other.
func TestDefaults(t *testing.T) {
	b := newBox(t)
	c := b.start()
	a := session{t, c, Who{alice}}
	a.sets("one", 1, 0)
	a.types("network a")
	if _, err := c.Defaults(t.Context(), Who{bob}); err == nil {
		t.Error("Defaults by one who does not hold the candidate = nil; want an error")
	}
	if _, err := c.Defaults(t.Context(), a.who); err != nil {
		t.Fatal(err)
	}
	b.runs(c, "one", 1, SourceRevision)
	if shown, err := c.Candidate(t.Context()); err != nil || shown.Text != named("builtin") {
		t.Errorf("Candidate = %+v, %v; want what is built in", shown, err)
	}
	a.types("hostname two") // it is a copy
	if f := c.builtIn; f.Config.HostName != "builtin" {
		t.Errorf("built in is %q by now", f.Config.HostName)
	}
}

// TestStanding: what is asked for all the time says the same as what is asked for once.
func TestStanding(t *testing.T) {
	b := newBox(t)
	c := b.start()
	a := session{t, c, Who{alice}}
	stands := func(inForce int, holder string, changed bool, pending int) {
		t.Helper()
		s, err := c.Standing(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		who, waits := "", 0
		if s.Holder != nil {
			who = s.Holder.Operator.User
		}
		if s.Pending != nil {
			waits = s.Pending.Revision
		}
		if s.InForce != inForce || who != holder || s.Changed != changed || waits != pending {
			t.Errorf("Standing = %+v; want revision %d, held by %q, changed %v, pending %d", s, inForce, holder, changed, pending)
		}
	}
	stands(0, "", false, 0)
	a.configure(false)
	stands(0, alice.User, false, 0)
	a.sets("one", 1, 5)
	a.types("hostname two")
	stands(1, alice.User, true, 1)
	if _, err := c.Release(t.Context(), a.who); err != nil {
		t.Fatal(err)
	}
	stands(1, "", true, 1)
}
