package change

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestStart: what the box comes up with, whatever it finds.
func TestStart(t *testing.T) {
	const broken = "hostname x\nhostnaem y\n"
	tests := []struct {
		name     string
		store    []stored
		damage   []int // revisions whose file is cut
		machine  string
		host     string
		number   int
		source   string
		problems []string
		aside    int
	}{
		{name: "a new box", host: "builtin", source: SourceBuiltIn},
		{name: "committed", store: []stored{{StateProven, named("one"), ""}, {StateCommitted, named("two"), ""}},
			host: "two", number: 2, source: SourceRevision},
		{name: "withdrawn", store: []stored{{StateCommitted, named("one"), ""}, {StateWithdrawn, named("two"), ""}},
			host: "one", number: 1, source: SourceRevision, problems: []string{"revision 2 of alice"}},
		{name: "withdrawn long ago", store: []stored{{StateCommitted, named("one"), ""}, {StateWithdrawn, named("two"), ""}, {StateCommitted, named("three"), ""}},
			host: "three", number: 3, source: SourceRevision},
		{name: "pending", store: []stored{{StateProven, named("one"), ""}, {StatePending, named("two"), ""}},
			host: "one", number: 1, source: SourceRevision, problems: []string{"revision 2 of alice on ssh 192.0.2.7 was withdrawn: not confirmed"}},
		{name: "only pending", store: []stored{{StatePending, named("one"), ""}},
			host: "builtin", source: SourceBuiltIn, problems: []string{"revision 1 of alice"}},
		{name: "cut", store: []stored{{StateCommitted, named("one"), ""}, {StateCommitted, named("two"), ""}}, damage: []int{2},
			host: "one", number: 1, source: SourceRevision, problems: []string{"revision 2 is damaged"}},
		{name: "cut long ago", store: []stored{{StateCommitted, named("one"), ""}, {StateCommitted, named("two"), ""}}, damage: []int{1},
			host: "two", number: 2, source: SourceRevision},
		{name: "everything cut", store: []stored{{StateCommitted, named("one"), ""}, {StateCommitted, named("two"), ""}}, damage: []int{1, 2},
			host: "builtin", source: SourceBuiltIn, problems: []string{"revision 2 is damaged", "revision 1 is damaged"}},
		{name: "at fault: the last good one", store: []stored{{StateProven, named("one"), ""}, {StateCommitted, named("two"), ""}, {StateCommitted, broken, ""}},
			host: "one", number: 1, source: SourceLastGood, problems: []string{`revision 3 is not used: line 2: "hostnaem y"`}},
		{name: "at fault, and none was good: the one before", store: []stored{{StateCommitted, named("one"), ""}, {StateCommitted, broken, ""}},
			host: "one", number: 1, source: SourceLastGood, problems: []string{`revision 2 is not used`}},
		{name: "all at fault", store: []stored{{StateProven, broken, ""}, {StateCommitted, "hostname taken\n", ""}},
			host: "builtin", source: SourceBuiltIn, problems: []string{"revision 2 is not used", "revision 1 is not used"}},
		{name: "every fault is told, up to a bound", store: []stored{{StateCommitted, strings.Repeat("foo\n", 12), ""}},
			host: "builtin", source: SourceBuiltIn, problems: append(slices.Repeat([]string{"revision 1 is not used: line"}, 10), "2 more lines")},
		{name: "another firmware's", store: []stored{{StateCommitted, "hostname one\nfuture 7\n", "2.0.0"}},
			host: "one", number: 1, source: SourceRevision, aside: 1, problems: []string{`version "2.0.0": line 2: "future 7"`, "kept aside: 1"}},
		{name: "kept aside by an earlier commit", store: []stored{{StateCommitted, "hostname one\n!\n!? future 7\n", ""}},
			host: "one", number: 1, source: SourceRevision, aside: 1, problems: []string{"kept aside: 1"}},
		{name: "handed in by the machine", store: []stored{{StateCommitted, named("one"), ""}}, machine: "hostn qemu\n",
			host: "qemu", number: 2, source: SourceRevision},
		{name: "handed in, at fault", store: []stored{{StateCommitted, named("one"), ""}}, machine: broken,
			host: "one", number: 1, source: SourceRevision, problems: []string{`the configuration handed in by the machine is not used: line 2: "hostnaem y"`}},
		{name: "handed in, too long", machine: strings.Repeat("!", MaxText+1),
			host: "builtin", source: SourceBuiltIn, problems: []string{"is longer than 1048576 octets"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newBox(t)
			b.hold(test.store, test.damage)
			if test.machine != "" {
				b.put("machine", test.machine)
			}
			for range 2 { // control starts again and comes to the same
				c := b.start()
				b.runs(c, test.host, test.number, test.source)
				problems(t, c, test.problems...)
				if got := len(c.InForce().Aside); got != test.aside {
					t.Errorf("%d lines aside; want %d", got, test.aside)
				}
			}
		})
	}
	o := Options{Grammar: grammar(t), BuiltIn: broken, Dir: t.TempDir(), StateDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}
	if err := New(o).Start(); err == nil || !strings.Contains(err.Error(), "hostnaem") {
		t.Errorf("Start with a built-in configuration at fault = %v; want its fault", err)
	}
}

// TestMachineOnce: what the machine hands in counts once; an operator's commit
// stands until something else is handed in.
func TestMachineOnce(t *testing.T) {
	b := newBox(t)
	b.put("machine", named("qemu"))
	c := b.start()
	b.runs(c, "qemu", 1, SourceRevision)
	session{t, c, Who{alice}}.sets("one", 2, 0)
	for i := range mostKept + 5 { // it is not forgotten, either
		session{t, c, Who{alice}}.sets([]string{"two", "three"}[i%2], 3+i, 0)
	}
	c = b.start()
	b.runs(c, "two", mostKept+7, SourceRevision)
	b.put("machine", named("another"))
	b.runs(b.start(), "another", mostKept+8, SourceRevision)
}

// TestStartWithoutStore: a box that can keep nothing runs, and says so.
func TestStartWithoutStore(t *testing.T) {
	b := newBox(t)
	b.put("revisions", "a file where the directory should be")
	c := b.start()
	b.runs(c, "builtin", 0, SourceBuiltIn)
	problems(t, c, "no configuration can be kept")
	a := session{t, c, Who{alice}}
	a.configure(false)
	a.types("hostname new")
	if answer, err := a.commit(0); err == nil || !strings.Contains(err.Error(), "not a directory") || answer.Revision != 0 {
		t.Errorf("Commit = %+v, %v; want why it cannot be kept", answer, err)
	}
	b.runs(c, "builtin", 0, SourceBuiltIn)

	b.put("machine", named("qemu"))
	c = b.start()
	b.runs(c, "qemu", 0, SourceMachine)
	problems(t, c, "no configuration can be kept", "handed in by the machine is not kept")
	c.Abandon(c.InForce(), refusal)
	b.runs(c, "builtin", 0, SourceBuiltIn)
}

// TestStoreLostWhileRunning: control that ends while the disk fails comes back
// with what ran, not with the addresses of a new box.
func TestStoreLostWhileRunning(t *testing.T) {
	b := newBox(t)
	a := session{t, b.start(), Who{alice}}
	a.sets("one", 1, 0)
	a.sets("two", 2, 5) // and is not confirmed
	if err := os.Rename(b.path("revisions"), b.path("lost")); err != nil {
		t.Fatal(err)
	}
	b.put("revisions", "what a disk makes of a directory")
	var c *Configuration
	for range 2 {
		c = b.start()
		b.runs(c, "one", 1, SourceLastGood)
		problems(t, c, "no configuration can be kept", "revision 1 runs on from memory")
	}
	c.Abandon(c.InForce(), refusal)
	b.runs(c, "builtin", 0, SourceBuiltIn)
	b.runs(b.start(), "builtin", 0, SourceBuiltIn)

	// One revision only cannot be read any more.
	b = newBox(t)
	b.keep(StateProven, named("one"))
	c = b.start()
	session{t, c, Who{alice}}.sets("two", 2, 0)
	if err := os.Truncate(c.store.path(2), 100); err != nil {
		t.Fatal(err)
	}
	b.runs(b.start(), "two", 2, SourceLastGood)
	b.put("choice-of-init", "built-in")
	b.runs(b.start(), "builtin", 0, SourceBuiltIn) // the operator has the last word
	if err := errors.Join(os.Remove(b.path("choice-of-init")), os.RemoveAll(b.path("state"))); err != nil {
		t.Fatal(err)
	}
	b.runs(b.start(), "one", 1, SourceRevision) // after a boot
}

// TestMachineStaysBounded: a machine that hands in another configuration at
// every start does not fill the disk.
func TestMachineStaysBounded(t *testing.T) {
	b := newBox(t)
	for i := range mostKept + 5 {
		b.put("machine", named(fmt.Sprint("qemu", i)))
		if got, want := len(states(t, b.start())), min(i+1, mostKept); got != want {
			t.Fatalf("%d revisions are kept after start %d; want %d", got, i+1, want)
		}
	}
}

// TestRescueChoice: what the rescue menu asked for holds until an operator
// commits, however often control starts meanwhile.
func TestRescueChoice(t *testing.T) {
	for _, test := range []struct {
		choice, host string
		number       int
		source       string
		told         []string
	}{
		{"last good\n", "one", 1, SourceLastGood, []string{"the last good configuration runs because"}},
		{"built-in", "builtin", 0, SourceBuiltIn, []string{"the built-in configuration runs because"}},
		{"something else", "two", 2, SourceRevision, nil},
	} {
		b := newBox(t)
		b.keep(StateProven, named("one"))
		b.keep(StateCommitted, named("two"))
		b.put("choice-of-init", test.choice)
		var c *Configuration
		for range 2 {
			c = b.start()
			b.runs(c, test.host, test.number, test.source)
			problems(t, c, test.told...)
		}
		a := session{t, c, Who{alice}}
		a.configure(false)
		if test.source != SourceRevision {
			a.commits(3, 0) // to stay there, nothing need be changed
		}
		c = b.start()
		b.runs(c, test.host, c.InForce().Number, SourceRevision)
		problems(t, c)
	}
	b := newBox(t) // without a good one, the newest is what is to be left
	b.keep(StateCommitted, named("one"))
	b.put("choice-of-init", "last good")
	b.runs(b.start(), "builtin", 0, SourceBuiltIn)

	// The same words written again are a new choice.
	session{t, b.start(), Who{alice}}.sets("two", 2, 0)
	b.runs(b.start(), "two", 2, SourceRevision)
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(b.path("choice-of-init"), later, later); err != nil {
		t.Fatal(err)
	}
	b.runs(b.start(), "builtin", 0, SourceBuiltIn)
}

// TestControlCrashLoop: control that ends soon after its start, time after
// time, tries the last good configuration.
func TestControlCrashLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		b.keep(StateProven, named("one"))
		b.keep(StateCommitted, named("two"))
		for range mostStarts {
			b.runs(b.start(), "two", 2, SourceRevision)
		}
		c := b.start()
		b.runs(c, "one", 1, SourceLastGood)
		problems(t, c, "revision 2 is not used: control ended 3 times")
		go c.Run(t.Context())
		time.Sleep(steadyTime + time.Second)
		synctest.Wait()
		b.runs(b.start(), "two", 2, SourceRevision) // it may be tried again
	})
	b := newBox(t)
	b.keep(StateCommitted, named("one"))
	for range mostStarts + 3 {
		b.runs(b.start(), "one", 1, SourceRevision) // there is nothing better
	}
}
