package services

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/grammar"
	"causeway/appliance/model"
)

// builtIn is the configuration of a box without another.
const builtIn = `hostname box
!
lan LAN1
 ip address 192.168.42.1 255.255.255.0
 exit
`

// moved are lines that take the box to another address.
var moved = []string{"lan LAN1", "ip address 192.168.42.9 255.255.255.0"}

// box is a configuration and what COM does with it.
type box struct {
	t             *testing.T
	configuration *change.Configuration
	service       *Config
	redialled     chan string
}

func newBox(t *testing.T) *box {
	key, err := config.NewBoxKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	b := &box{t: t, redialled: make(chan string, 10)}
	b.configuration = change.New(change.Options{
		Grammar: grammar.All().Sealing(key).Hashing(config.NewHasher()), BuiltIn: builtIn, Version: "1.4.0",
		Dir: filepath.Join(dir, "revisions"), Machine: filepath.Join(dir, "machine"), Choice: filepath.Join(dir, "choice"), StateDir: dir,
		Adopt: func(change.InForce) {}, Log: slog.New(slog.DiscardHandler),
	})
	if err := b.configuration.Start(); err != nil {
		t.Fatal(err)
	}
	b.service = NewConfig(b.configuration, func(reason string) { b.redialled <- reason })
	return b
}

// run has what is not confirmed undone, until stop.
func (b *box) run() (stop func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.configuration.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Errorf("Run = %v; want nil", err)
		}
	}
}

// session is one of the link, from now until end.
func (b *box) session(number uint64) (end func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.service.Connected(ctx, gate.Session{Number: number}) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Errorf("Connected = %v; want nil", err)
		}
	}
}

// all are the rights of who may do everything.
var all = []model.Rule{{Permit: true, Kind: model.RuleExec}, {Permit: true, Kind: model.RuleConfigure}}

// by is somebody at COM, in a session; with, one who has these rights.
func by(actor string, session uint64) gate.Caller { return with(all, actor, session) }

func with(rules []model.Rule, actor string, session uint64) gate.Caller {
	operator := model.Operator{User: model.COMAdmin, Origin: "com " + actor}
	return gate.Caller{
		Session: gate.Session{Number: session}, Operator: operator,
		Login: model.Login{Operator: operator, Rights: model.Rights{Rules: rules}},
	}
}

// call calls a method as COM does: both ways through JSON.
func (b *box) call(caller gate.Caller, method string, params, result any) error {
	b.t.Helper()
	for _, m := range b.service.Methods() {
		if m.Name != method {
			continue
		}
		text, err := json.Marshal(params)
		if err != nil {
			b.t.Fatal(err)
		}
		if m.May != nil && !m.May(caller.Login.Rights) { // as the gate has it
			return gate.Refuse(wire.CodeNotAllowed, "no right to %s", method)
		}
		answer, err := m.Handle(b.t.Context(), caller, text)
		if err != nil || result == nil {
			return err
		}
		if text, err = json.Marshal(answer); err != nil {
			b.t.Fatal(err)
		}
		return json.Unmarshal(text, result)
	}
	b.t.Fatalf("there is no method %s", method)
	return nil
}

// edits brings lines into the candidate, which must take them.
func (b *box) edits(caller gate.Caller, lines ...string) {
	b.t.Helper()
	var faults wire.ConfigFaults
	if err := b.call(caller, wire.MethodConfigEdit, wire.ConfigEdit{Lines: lines}, &faults); err != nil || len(faults.Faults) > 0 {
		b.t.Fatalf("config.edit(%q) = %q, %v; want no fault", lines, faults.Faults, err)
	}
}

// commits commits, and that must come to a revision that waits.
func (b *box) commits(caller gate.Caller, number int) wire.Committed {
	b.t.Helper()
	var done wire.Committed
	if err := b.call(caller, wire.MethodConfigCommit, wire.ConfigCommit{}, &done); err != nil || done.Revision != number || done.Confirm == "" {
		b.t.Fatalf("config.commit = %+v, %v; want revision %d, to be confirmed", done, err, number)
	}
	return done
}

// text is a configuration as COM gets it.
func (b *box) text(source string) string {
	b.t.Helper()
	var text wire.Text
	if err := b.call(by("anna", 1), wire.MethodConfigGet, wire.ConfigGet{Source: source}, &text); err != nil {
		b.t.Fatalf("config.get(%q) = %v; want no error", source, err)
	}
	return text.Text
}

// has checks which of the two addresses is that of LAN1.
func (b *box) has(address string) {
	b.t.Helper()
	if text := b.text("running"); !strings.Contains(text, "ip address "+address+" ") {
		b.t.Errorf("in force: %q; want LAN1 at %s", text, address)
	}
}
