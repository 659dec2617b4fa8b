package services

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
)

// defaultConfirm is how long a commit waits for its confirmation where COM does
// not say (RFC 6241 §8.4.1).
const defaultConfirm = 10 * time.Minute

// mostConfirm is the longest that it may wait.
const mostConfirm = 24 * time.Hour

// answerFirst is how long the link stays after a commit, so that the answer goes
// before it.
const answerFirst = 2 * time.Second

// Config is the configuration as COM looks at it and changes it, with the
// meaning that NETCONF gives to a candidate, its lock and confirmed commits (RFC
// 6241 §7.5, §8.3, §8.4). A commit is confirmed over a later session than the
// one that it came by, so it has left the box within reach of COM; otherwise
// change.Configuration undoes it.
type Config struct {
	configuration *change.Configuration
	redial        func(reason string)
	committed     chan struct{} // holds one: the link is to be made anew

	changing sync.Mutex      // held by each call that changes something
	holder   *model.Operator // who has the candidate by us; nil: nobody
	session  uint64          // the newest of the link
	over     uint64          // the newest that has ended
	waits    struct {        // the last commit of ours
		revision int
		session  uint64 // the newest when it was done
	}
}

// NewConfig makes the service. redial ends the link and dials at once.
func NewConfig(configuration *change.Configuration, redial func(reason string)) *Config {
	return &Config{configuration: configuration, redial: redial, committed: make(chan struct{}, 1)}
}

// Methods are what COM may call: what a console would let COMAdmin type.
func (c *Config) Methods() []gate.Method {
	methods := []gate.Method{
		{Name: wire.MethodConfigGet, Handle: taking(c.get), Told: told(func(r wire.ConfigGet) string { return r.Source })},
		{Name: wire.MethodConfigDiff, Handle: taking(c.diff), May: gate.MayExec("show configuration diff")},
		{Name: wire.MethodConfigValidate, Handle: taking(c.validate), May: gate.MayExec("configure")},
		{Name: wire.MethodConfigEdit, Handle: taking(c.edit), May: gate.MayExec("configure"), Signed: true,
			// The revision has the lines, without their secrets.
			Told: told(func(r wire.ConfigEdit) string { return fmt.Sprintf("%d lines", len(r.Lines)) })},
		{Name: wire.MethodConfigCommit, Handle: taking(c.commit), May: gate.MayExec("commit"), Signed: true,
			Told: told(func(r wire.ConfigCommit) string { return r.Comment })},
		{Name: wire.MethodConfigConfirm, Handle: taking(c.confirm), May: gate.MayExec("commit"), Signed: true,
			Told: told(func(r wire.ConfigConfirm) string { return strconv.Itoa(r.Revision) })},
		{Name: wire.MethodConfigRollback, Handle: taking(c.rollback), May: mayRollback, Signed: true,
			Told: told(func(r wire.ConfigRollback) string { return strconv.Itoa(r.Revision) })},
		{Name: wire.MethodConfigAbort, Handle: taking(c.abort), May: gate.MayExec("abort"), Signed: true},
	}
	for i := range methods {
		methods[i].Service = model.COMConfig
	}
	return methods
}

// mayRollback permits what may change anything.
func mayRollback(r model.Rights) bool {
	return r.May(model.RuleExec, "rollback") && config.PermitsAll(r) == nil
}

// Connected follows a session of the link until ctx, which ends with it, is
// done. After a commit it has the link made anew. What the session has left in
// the candidate is dropped at its end (RFC 6241 §8.3.5.2).
func (c *Config) Connected(ctx context.Context, s gate.Session) error {
	c.begin(s)
	defer c.drop(s)
	select {
	case <-ctx.Done():
		return nil
	case <-c.committed:
	}
	select {
	case <-ctx.Done():
	case <-time.After(answerFirst):
		c.redial("a commit is to be confirmed over a new session")
		<-ctx.Done()
	}
	return nil
}

// begin notes that a session is there.
func (c *Config) begin(s gate.Session) {
	c.changing.Lock()
	defer c.changing.Unlock()
	c.session = max(c.session, s.Number)
	select {
	case <-c.committed: // before: this is the new session
	default:
	}
}

// drop gives the candidate back without the changes of a session that is over.
func (c *Config) drop(s gate.Session) {
	c.changing.Lock()
	defer c.changing.Unlock()
	c.over = max(c.over, s.Number)
	if c.holder != nil {
		// An error means that an operator has taken it over.
		c.configuration.Abort(context.Background(), change.AbortRequest{Operator: *c.holder})
		c.holder = nil
	}
}

// notAllowed is a refusal of who lacks a right; nil: he has it.
func notAllowed(err error) error {
	if err == nil {
		return nil
	}
	return gate.Refuse(wire.CodeNotAllowed, "%v", err)
}

// coded gives an error of the configuration its code.
func coded(err error) error {
	var conflict *change.ConflictError
	if errors.As(err, &conflict) {
		return gate.Refuse(wire.CodeConflict, "%v", err)
	}
	return err
}

// sources are the configurations that there are to get, by name.
var sources = map[string]struct {
	command string // that shows it on a console
	text    func(context.Context, *change.Configuration) (string, error)
}{
	"running":   {"show running-config", running},
	"startup":   {"show startup-config", startup},
	"candidate": {"show configuration candidate", candidate},
}

func running(_ context.Context, c *change.Configuration) (string, error) {
	return c.InForce().Text, nil
}

func candidate(ctx context.Context, c *change.Configuration) (string, error) {
	answer, err := c.Candidate(ctx)
	return answer.Text, err
}

// startup is the newest revision that stands.
func startup(ctx context.Context, c *change.Configuration) (string, error) {
	history, err := c.History(ctx)
	if err != nil {
		return "", err
	}
	newest := slices.IndexFunc(history.Revisions, change.Revision.Stands)
	if newest < 0 {
		return "", errors.New("none is saved: the box starts with the built-in one")
	}
	answer, err := c.Revision(ctx, change.RevisionRequest{Revision: history.Revisions[newest].Number})
	return answer.Text, err
}

// get gives a configuration without its secrets: nobody has signed for having
// hashes of passwords.
func (c *Config) get(ctx context.Context, caller gate.Caller, r wire.ConfigGet) (wire.Text, error) {
	source, known := sources[cmp.Or(r.Source, "running")]
	if !known {
		return wire.Text{}, gate.Refuse(wire.CodeUnsupported, "there is no configuration %q", r.Source)
	}
	if err := notAllowed(config.PermitsCommand(caller.Login.Rights, source.command)); err != nil {
		return wire.Text{}, err
	}
	text, err := source.text(ctx, c.configuration)
	if err != nil {
		return wire.Text{}, err
	}
	return inMessage(text)
}

// inMessage is the text of a configuration, without its secrets. It goes into a
// message as a whole, or not at all.
func inMessage(text string) (wire.Text, error) {
	text = config.Redact(text)
	if _, whole := cut(text); !whole {
		return wire.Text{}, gate.Refuse(wire.CodeUnsupported, "it has %d octets, and a message has no room for that", len(text))
	}
	return wire.Text{Text: text}, nil
}

// diff gives what the candidate changes.
func (c *Config) diff(ctx context.Context, _ gate.Caller, _ struct{}) (wire.Text, error) {
	after, err := candidate(ctx, c.configuration)
	if err != nil {
		return wire.Text{}, err
	}
	return inMessage(config.Diff(c.configuration.InForce().Text, after))
}

// validate says what the rules of the configuration have against the candidate.
func (c *Config) validate(ctx context.Context, _ gate.Caller, _ struct{}) (wire.ConfigFaults, error) {
	return wire.ConfigFaults{Faults: sentences(c.configuration.Validate(ctx))}, nil
}

// sentences are faults for people, without secrets.
func sentences(faults config.Errors) []string {
	list := make([]string, 0, len(faults)) // [], not null
	for _, fault := range faults {
		list = append(list, config.Redact(fault.Error()))
	}
	return list
}

// edit brings lines into the candidate, all of them or none. A call that outlasts
// its session brings none: nobody would drop them.
func (c *Config) edit(ctx context.Context, caller gate.Caller, r wire.ConfigEdit) (wire.ConfigFaults, error) {
	c.changing.Lock()
	defer c.changing.Unlock()
	if caller.Session.Number <= c.over {
		return wire.ConfigFaults{}, gate.Refuse(wire.CodeConflict, "the session is over, and with it what it brings into the candidate")
	}
	rights, grammar := caller.Login.Rights, c.configuration.Grammar
	fault, err := c.configuration.EditTogether(ctx, change.Lines{
		Operator: caller.Operator, Base: r.BaseRevision, Lines: r.Lines,
		Permits: func(path []string, line string) error {
			err := grammar.Permits(rights, path, line)
			var wrong *config.Error
			if errors.As(err, &wrong) {
				return err // it is no command
			}
			return notAllowed(err)
		},
	})
	switch {
	case err != nil:
		return wire.ConfigFaults{}, coded(err)
	case fault != nil:
		return wire.ConfigFaults{Faults: sentences(config.Errors{fault})}, nil
	}
	c.holder = &caller.Operator
	return wire.ConfigFaults{Faults: []string{}}, nil
}

// Take gives the candidate to the caller, for others who bring something into it.
func (c *Config) Take(ctx context.Context, caller gate.Caller) error {
	_, err := c.edit(ctx, caller, wire.ConfigEdit{})
	return err
}

// abort drops the candidate of the caller.
func (c *Config) abort(ctx context.Context, caller gate.Caller, _ struct{}) (struct{}, error) {
	c.changing.Lock()
	defer c.changing.Unlock()
	if _, err := c.configuration.Abort(ctx, change.AbortRequest{Operator: caller.Operator}); err != nil {
		return struct{}{}, coded(err)
	}
	c.holder = nil
	return struct{}{}, nil
}
