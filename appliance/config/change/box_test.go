package change

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"causeway/appliance/link"
)

// peer is a proxy or billing without a process.
type peer struct {
	sync.Mutex
	name               string
	prepare, switchErr error // what it answers
	prepared, running  string
}

func (p *peer) Name() string { return p.name }

func (p *peer) Prepare(_ context.Context, f InForce) error {
	if p.prepare == nil {
		p.prepared = f.Text
	}
	return p.prepare
}

func (p *peer) Switch(context.Context) error {
	if p.switchErr == nil {
		p.running = p.prepared
	}
	return p.switchErr
}

var (
	refusal = &link.RemoteError{Message: "listen udp 192.0.2.1:5060: no such device"}
	passing = &link.RemoteError{Message: "too many open files", Passing: true}
	errDown = errors.New("connect: connection refused")
)

// box is what outlives control: its files, and the other processes.
type box struct {
	t              testing.TB
	dir            string
	proxy, billing *peer
	adopted        atomic.Value // the host name of the last one
	version        string
	builtIn        string
}

func newBox(t testing.TB) *box { return newBoxIn(t, t.TempDir()) }

func newBoxIn(t testing.TB, dir string) *box {
	return &box{
		t: t, dir: dir, version: "1.4.0", builtIn: named("builtin"),
		proxy: &peer{name: "proxy"}, billing: &peer{name: "billing"},
	}
}

func (b *box) path(name string) string { return filepath.Join(b.dir, name) }

func (b *box) put(name, content string) {
	b.t.Helper()
	if err := os.WriteFile(b.path(name), []byte(content), 0o640); err != nil {
		b.t.Fatal(err)
	}
}

// keep adds a revision as an earlier life of control left it.
func (b *box) keep(state State, text string) Revision {
	b.t.Helper()
	r, err := open(b.t, b.path("revisions")).Add(Revision{Time: noon, Operator: alice, Version: b.version, State: state}, text)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// stored is one revision of the store; those of version 2.0.0 are of another
// firmware, those without a version of this one.
type stored struct {
	state   State
	text    string
	version string
}

// hold fills the store, and cuts the files of the damaged revisions.
func (b *box) hold(store []stored, damaged []int) {
	b.t.Helper()
	own := b.version
	for _, r := range store {
		b.version = cmp.Or(r.version, own)
		b.keep(r.state, r.text)
	}
	b.version = own
	for _, number := range damaged {
		if err := os.Truncate(open(b.t, b.path("revisions")).path(number), 200); err != nil {
			b.t.Fatal(err)
		}
	}
}

// start is a start of control. Without stop it ends as by a crash.
func (b *box) start() *Configuration {
	b.t.Helper()
	c := New(Options{
		Grammar: grammar(b.t), BuiltIn: b.builtIn, Version: b.version,
		Dir: b.path("revisions"), Machine: b.path("machine"), Choice: b.path("choice-of-init"), StateDir: b.path("state"),
		Peers: []Peer{b.proxy, b.billing},
		Adopt: func(f InForce) { b.adopted.Store(f.Config.HostName) },
		Log:   slog.New(slog.DiscardHandler),
	})
	if err := c.Start(); err != nil {
		b.t.Fatal(err)
	}
	return c
}

// session is an operator at work on a configuration.
type session struct {
	t   testing.TB
	c   *Configuration
	who Who
}

func (s session) configure(take bool) Configured {
	s.t.Helper()
	answer, err := s.c.Configure(s.t.Context(), ConfigureRequest{s.who.Operator, take})
	if err != nil {
		s.t.Fatal(err)
	}
	return answer
}

// types types lines in global mode.
func (s session) types(lines ...string) {
	s.t.Helper()
	for _, line := range lines {
		answer, err := s.c.Edit(s.t.Context(), EditRequest{s.who.Operator, nil, line})
		if err != nil || answer.Fault != nil {
			s.t.Fatalf("Edit(%q) = %v, %v; want no error", line, answer.Fault, err)
		}
	}
}

func (s session) commit(minutes int) (Committed, error) {
	return s.c.Commit(s.t.Context(), CommitRequest{Operator: s.who.Operator, Comment: "because", ConfirmMinutes: minutes})
}

// commits commits, and it must come to a revision with that number.
func (s session) commits(number, minutes int) Committed {
	s.t.Helper()
	answer, err := s.commit(minutes)
	if err != nil || answer.Revision != number || len(answer.Faults) > 0 {
		s.t.Fatalf("Commit = %+v, %v; want revision %d", answer, err, number)
	}
	return answer
}

// sets has the operator commit another host name.
func (s session) sets(name string, number, minutes int) Committed {
	s.t.Helper()
	s.configure(false)
	s.types("hostname " + name)
	return s.commits(number, minutes)
}

// runs checks what is in force, and that the store and the last call of Adopt
// say the same.
func (b *box) runs(c *Configuration, name string, number int, source string) {
	b.t.Helper()
	f := c.InForce()
	if f.Config.HostName != name || f.Number != number || f.Source != source {
		b.t.Errorf("in force: %q, revision %d, %s; want %q, %d, %s", f.Config.HostName, f.Number, f.Source, name, number, source)
	}
	if adopted := b.adopted.Load(); adopted != name {
		b.t.Errorf("adopted %v last; want %q", adopted, name)
	}
}

// problems checks that there are as many problems as words, each with its words.
func problems(t testing.TB, c *Configuration, words ...string) {
	t.Helper()
	got := c.Status().Problems
	if len(got) != len(words) {
		t.Errorf("problems = %q; want %q", got, words)
		return
	}
	for i := range got {
		if !strings.Contains(got[i], words[i]) {
			t.Errorf("problem %d = %q; want one with %q", i, got[i], words[i])
		}
	}
}

// states are those of the revisions from the first on.
func states(t testing.TB, c *Configuration) (list []State) {
	t.Helper()
	history, err := c.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range history.Revisions {
		list = append([]State{r.State}, list...)
	}
	return list
}
