package change

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"causeway/appliance/model"
)

var (
	alice = model.Operator{User: "alice", Origin: "ssh 192.0.2.7"}
	bob   = model.Operator{User: "bob", Origin: "ttyS0"}
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

// sample is a revision with every field set, and its file.
var sample = Revision{
	Number: 17, ID: model.RevisionID(named("box")), Time: noon, Operator: alice, Comment: "a second trunk", Version: "1.4.0",
	State: StateWithdrawn, Until: noon.Add(5 * time.Minute), Reason: "not confirmed in time",
}

const sampleFile = `! revision 17
! id a59d9cbc5c31
! time 2026-03-01T12:00:00Z
! user alice
! origin ssh 192.0.2.7
! version 1.4.0
! state withdrawn
! until 2026-03-01T12:05:00Z
! reason not confirmed in time
! comment a second trunk
!
hostname box
`

func TestFile(t *testing.T) {
	if diff := cmp.Diff(sampleFile, string(format(sample, named("box")))); diff != "" {
		t.Errorf("format differs (-want +got):\n%s", diff)
	}
	r, text, err := parse([]byte(sampleFile))
	if err != nil || text != named("box") {
		t.Errorf("parse = %q, %v; want %q", text, err, named("box"))
	}
	if diff := cmp.Diff(sample, r); diff != "" {
		t.Errorf("parse differs (-want +got):\n%s", diff)
	}
	if _, err := grammar(t).Parse(sampleFile); err != nil {
		t.Errorf("the file as a configuration: Parse = %v; want it to load as it is", err)
	}
}

// TestFileCut cuts a file at every octet: no part of it is a revision.
func TestFileCut(t *testing.T) {
	for length := range sampleFile {
		if r, _, err := parse([]byte(sampleFile[:length])); err == nil {
			t.Errorf("parse of the first %d octets = %+v; want an error", length, r)
		}
	}
}

func TestFileDamaged(t *testing.T) {
	for _, test := range []struct{ name, old, new, want string }{
		{"another text", "hostname box", "hostname fox", "its text is not the one"},
		{"more text", "hostname box\n", "hostname box\nhostname fox\n", "its text is not the one"},
		{"a missing line", "! user alice\n", "", "no user"},
		{"swapped lines", "! user alice\n! origin ssh 192.0.2.7\n", "! origin ssh 192.0.2.7\n! user alice\n", "no user"},
		{"a state that there is none of", "withdrawn", "accepted", "no such state"},
		{"no time", "2026-03-01T12:00:00Z", "noon", "the time"},
		{"another zone", "T12:00:00Z", "T13:00:00+01:00", "not as it was written"},
		{"no number", "revision 17", "revision x", "the revision"},
		{"a zero before the number", "revision 17", "revision 017", "not as it was written"},
		{"a blank at the end", "alice", "alice ", "not as it was written"},
		{"no end", "!\nhostname", "hostname", "does not end"},
		{"a longer name", "! user", "! username", "not as it was written"},
	} {
		content := strings.Replace(sampleFile, test.old, test.new, 1)
		if _, _, err := parse([]byte(content)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: parse = %v; want an error with %q", test.name, err, test.want)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add([]byte(sampleFile))
	f.Add(format(Revision{Number: 1, ID: model.RevisionID("!\n"), State: StateCommitted}, "!\n"))
	f.Add([]byte("! revision 1\n! id\n! time\n! user\n! origin\n! version\n! state pending\n! until\n! reason\n! comment\n!\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		r, text, err := parse(content)
		if err != nil {
			return
		}
		if again := format(r, text); string(again) != string(content) {
			t.Errorf("format(parse(%q)) = %q; want the same", content, again)
		}
	})
}

// open opens the store in dir.
func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// add adds a revision that stands.
func add(t testing.TB, s *Store, text string) Revision {
	t.Helper()
	r, err := s.Add(Revision{Time: noon, Operator: alice, State: StateCommitted}, text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestStoreKeeps: whatever an operator says, what is kept is what is read.
func TestStoreKeeps(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "revisions")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		s := open(t, filepath.Join(dir, "new"))
		said := rapid.String()
		r, err := s.Add(Revision{
			Time: time.Unix(rapid.Int64Range(0, 4e9).Draw(rt, "time"), 5), Comment: said.Draw(rt, "comment"),
			Operator: model.Operator{User: said.Draw(rt, "user"), Origin: said.Draw(rt, "origin")},
			State:    StatePending, Until: noon,
		}, "hostname x\n"+said.Draw(rt, "text"))
		if err != nil {
			rt.Fatal(err)
		}
		if err := s.Set(r.Number, StateWithdrawn, said.Draw(rt, "reason")); err != nil {
			rt.Fatal(err)
		}
		again := open(t, s.dir)
		if diff := cmp.Diff(s.Revisions(), again.Revisions()); diff != "" || len(again.Revisions()) != 1 {
			rt.Fatalf("revisions after opening again differ (-before +after):\n%s", diff)
		}
	})
}

func TestStoreNumbers(t *testing.T) {
	s := open(t, t.TempDir())
	for number := 1; number <= 3; number++ {
		if r := add(t, s, named("box")); r.Number != number {
			t.Errorf("Add = revision %d; want %d", r.Number, number)
		}
	}
	// A number whose file is damaged is not given again.
	if err := os.WriteFile(s.path(3), []byte("cut"), 0o640); err != nil {
		t.Fatal(err)
	}
	s = open(t, s.dir)
	if r := add(t, s, named("box")); r.Number != 4 {
		t.Errorf("Add beside a damaged file = revision %d; want 4", r.Number)
	}
	if s := open(t, s.dir); len(s.Revisions()) != 3 || len(s.Damaged()) != 1 || !strings.Contains(s.Damaged()[0], "revision 3 is damaged") {
		t.Errorf("Revisions, Damaged = %v, %q; want 3 and one that is damaged", s.Revisions(), s.Damaged())
	}
	if _, _, err := s.Text(3); err == nil {
		t.Error("Text of a damaged revision = nil; want an error")
	}
	if err := os.Rename(s.path(4), s.path(9)); err != nil {
		t.Fatal(err)
	}
	if s := open(t, s.dir); !strings.Contains(fmt.Sprint(s.Damaged()), "it is a copy of revision 4") {
		t.Errorf("Damaged = %q; want a copy", s.Damaged())
	}
}

// TestStorePipe: a pipe of a revision's name is damage like any other, and
// nobody waits for it.
func TestStorePipe(t *testing.T) {
	s := open(t, t.TempDir())
	add(t, s, named("box"))
	if err := unix.Mkfifo(s.path(2), 0o640); err != nil {
		t.Fatal(err)
	}
	if s := open(t, s.dir); len(s.Revisions()) != 1 || len(s.Damaged()) != 1 || s.last() != 2 {
		t.Errorf("Revisions, Damaged = %v, %q; want one and the pipe", s.Revisions(), s.Damaged())
	}
}

// TestStoreLeftovers: other files stay as they are, but what a cut left goes.
func TestStoreLeftovers(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"000001.conf.new-123", "notes.txt", "0000002.conf", "2.conf", "-00002.conf", "+00002.conf"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(sampleFile), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if s := open(t, dir); s.last() != 0 {
		t.Errorf("last = %d; want 0", s.last())
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.new-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left = %q, %v; want none", left, err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 5 {
		t.Errorf("ReadDir = %v, %v; want the other five", names, err)
	}
}

func TestStoreCannotBeRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	s, err := OpenStore(file)
	if err == nil || len(s.Revisions()) != 0 {
		t.Errorf("OpenStore of a file = %v, %v; want an error", s.Revisions(), err)
	}
	if _, added := s.Add(Revision{}, named("box")); !errors.Is(added, err) {
		t.Errorf("Add = %v; want %v", added, err)
	}
}

func TestStorePrunes(t *testing.T) {
	s := open(t, t.TempDir())
	for i := range mostKept + 20 {
		add(t, s, named(fmt.Sprint("box", i)))
	}
	if err := s.Set(2, StateProven, ""); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path(15), []byte("cut"), 0o640); err != nil { // ages out like any
		t.Fatal(err)
	}
	s = open(t, s.dir)
	if err := s.Prune(5, 7); err != nil {
		t.Fatal(err)
	}
	want := []int{2, 5, 7}
	for number := 24; number <= mostKept+20; number++ {
		want = append(want, number)
	}
	for _, s := range []*Store{s, open(t, s.dir)} {
		var got []int
		for _, k := range s.kept {
			got = append(got, k.Number)
		}
		if !slices.Equal(got, want) {
			t.Errorf("Prune keeps %v; want %v", got, want)
		}
	}
	s.remove = func(string) error { return fs.ErrPermission }
	add(t, s, named("box"))
	if err := s.Prune(); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Prune = %v; want %v", err, fs.ErrPermission)
	}
}

// TestStoreWriteFails: what is not kept is not believed, but for a revision
// that is not to be used any more.
func TestStoreWriteFails(t *testing.T) {
	s := open(t, t.TempDir())
	add(t, s, named("box"))
	full := errors.New("no space left on device")
	s.write = func(string, []byte, os.FileMode) error { return full }
	if _, err := s.Add(Revision{State: StateCommitted}, named("fox")); !errors.Is(err, full) || s.last() != 1 {
		t.Errorf("Add = %v, last = %d; want %v, 1", err, s.last(), full)
	}
	for _, test := range []struct{ set, want State }{
		{StateProven, StateCommitted}, {StateWithdrawn, StateWithdrawn},
	} {
		if err := s.Set(1, test.set, ""); !errors.Is(err, full) || s.Get(1).State != test.want {
			t.Errorf("Set(%s) = %v, state %s; want %v, %s", test.set, err, s.Get(1).State, full, test.want)
		}
	}
	if err := s.Set(2, StateProven, ""); err == nil {
		t.Error("Set of no revision = nil; want an error")
	}
}

// TestStoreKeepsNoText: a directory of many long texts costs their headers.
func TestStoreKeepsNoText(t *testing.T) {
	dir := t.TempDir()
	text := strings.Repeat("! a long comment\n", 20_000)
	s := open(t, dir)
	for range 20 {
		if _, err := s.Add(Revision{State: StateCommitted, Operator: alice, Comment: "why"}, text); err != nil {
			t.Fatal(err)
		}
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	again := open(t, dir)
	if grown := heap() - before; grown > int64(len(text)) {
		t.Errorf("a store of 20 texts of %d octets takes %d octets; want less than one of them", len(text), grown)
	}
	runtime.KeepAlive(again)
}

// TestStoreStaysBounded commits more often than the store keeps.
func TestStoreStaysBounded(t *testing.T) {
	b := newBox(t)
	c := b.start()
	a := session{t, c, Who{alice}}
	for i := range mostKept + 5 {
		a.sets(fmt.Sprint("box", i), i+1, 0)
	}
	if got := len(states(t, c)); got != mostKept {
		t.Errorf("%d revisions are kept; want %d", got, mostKept)
	}
	b.runs(b.start(), fmt.Sprint("box", mostKept+4), mostKept+5, SourceRevision)
}
