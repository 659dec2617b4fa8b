package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// text is a result as it is sent, or the error.
func text(result any, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	sent, err := json.Marshal(result)
	if err != nil {
		return "error: " + err.Error()
	}
	return string(sent)
}

// TestUnsigned: what only reads needs no signature, and is written down once.
func TestUnsigned(t *testing.T) {
	b := newBox(t)
	params := json.RawMessage(`{"b":2,"a":1,"_m":{"actor":"anna@partner.example"}}`)
	for range 3 {
		if got, want := text(b.Call(t.Context(), link1, "look", params)), `{"text":"com anna@partner.example {\"a\":1,\"b\":2}"}`; got != want {
			t.Errorf("look = %s; want %s", got, want)
		}
	}
	if got, want := text(b.Call(t.Context(), Session{Number: 2}, "look", nil)), `{"text":"com {}"}`; got != want {
		t.Errorf("look without parameters = %s; want %s", got, want)
	}
	if got, want := b.door.said(), "com anna@partner.example: look\ncom: look"; got != want {
		t.Errorf("the log has\n%s\nwant\n%s", got, want)
	}
	if list := b.Sessions(); len(list) > 0 {
		t.Errorf("Sessions = %+v; want nobody", list)
	}
	for _, test := range []struct {
		method, params string
		before         func()
		want           int
	}{
		{"change", `{}`, nil, wire.CodeNotAllowed},
		{"files", `{}`, nil, wire.CodeDisabled},
		{"loook", `{}`, nil, wire.CodeMethod},
		{"look", `{"_m":1}`, nil, wire.CodeParams},
		{"look", `{"_m":{"sig":"e30..e30"}}`, nil, wire.CodeNotAllowed}, // a bad one is no good
		{"look", `{}`, func() { b.door.rights = model.Rights{} }, wire.CodeNotAllowed},
		{"look", `{}`, func() { b.subscribed = false }, wire.CodeSubscribed},
		{wire.MethodSessionList, `{}`, func() { b.config.COM.Services = nil; b.Apply(&b.config) }, wire.CodeDisabled},
	} {
		if test.before != nil {
			test.before()
		}
		_, err := b.Call(t.Context(), link1, test.method, json.RawMessage(test.params))
		if code(err) != test.want {
			t.Errorf("%s %s = %v; want code %d", test.method, test.params, err, test.want)
		}
		if log := b.door.said(); !strings.HasPrefix(log, "refused com: "+test.method+": ") {
			t.Errorf("%s %s: the log has\n%s\nwant the refusal", test.method, test.params, log)
		}
	}
	services := b.Status().Services
	if c := services[3]; c.Name != model.COMConfig || c.Done != 4 || c.Refused != 4 || c.Last.IsZero() {
		t.Errorf("Status = %+v; want 4 calls and 4 refusals of config", services)
	}
}

// TestSignedRead: who signs is in, even if he only reads.
func TestSignedRead(t *testing.T) {
	b := newBox(t)
	for _, idem := range []string{idem1, idem1, idem2} { // it does no harm again
		got := text(b.Call(t.Context(), link1, "look", with(t, "{}", b.meta(b.anna, b.signed("look", "{}", idem)))))
		if want := `{"text":"com anna@partner.example via anna {}"}`; got != want {
			t.Errorf("look = %s; want %s", got, want)
		}
	}
	if list := b.Sessions(); len(list) != 1 || list[0].Operator != "anna" || list[0].What != whatCalls {
		t.Errorf("Sessions = %+v; want the calls of anna", list)
	}
	const want = "login 1 com anna@partner.example via anna\ncom anna@partner.example via anna: look"
	if got := b.door.said(); got != want {
		t.Errorf("the log has\n%s\nwant\n%s", got, want)
	}
	b.Disconnected(link1)
	if list := b.Sessions(); len(list) > 0 {
		t.Errorf("Sessions without the link = %+v; want nobody", list)
	}
	if got := text(b.change("{}", idem2)); got != `{"text":"done 1"}` { // it came before the link was lost
		t.Errorf("change = %s; want it done", got)
	}
	eventually(t, "the end of what came late", func() string {
		if list := b.Sessions(); len(list) > 0 {
			return fmt.Sprintf("%+v are in", list)
		}
		return ""
	})
}

// TestRepeated: a signed call is done once, and its result is given again.
func TestRepeated(t *testing.T) {
	b := newBox(t)
	const once = `{"text":"done 1"}`
	again := func(what, want string, session Session, by signer, params string) {
		t.Helper()
		s := b.signed("change", params, idem1)
		s.Session = session.ID
		if got := text(b.Call(t.Context(), session, "change", with(t, params, b.meta(by, s)))); !strings.Contains(got, want) {
			t.Errorf("%s = %s; want %s", what, got, want)
		}
	}
	again("the first call", once, link1, b.anna, `{"a":1}`)
	again("a repetition", once, link1, b.anna, `{"a":1}`)
	again("one over another session", once, Session{2, "second"}, b.anna, `{"a":1}`)
	again("one with other parameters", "used for another call", link1, b.anna, `{"a":2}`)
	again("one of another operator", "used for another call", link1, b.bert, `{"a":1}`)
	b.stopped()
	b.start()
	again("one after control started anew", once, link1, b.anna, `{"a":1}`)
	if done := b.done(); len(done) != 1 || done[0] != `com anna@partner.example via anna {"a":1}` {
		t.Errorf("done were %q; want the first call alone", done)
	}
	const want = `login 1 com anna@partner.example via anna
com anna@partner.example via anna: change
refused com anna@partner.example via anna: change: this idem was used for another call
refused com anna@partner.example via bert: change: this idem was used for another call
logout 1 control ends, 7 octets in, 17 out`
	if got := b.door.said(); got != want {
		t.Errorf("the log has\n%s\nwant\n%s", got, want)
	}
}

// TestOutcomes: what a handler says is said again, errors as well.
func TestOutcomes(t *testing.T) {
	for _, test := range []struct {
		name        string
		result      any
		err         error
		want, again string
		code        int
	}{
		{"a result", wire.Text{Text: "<x>"}, nil, `{"text":"\u003cx\u003e"}`, `{"text":"\u003cx\u003e"}`, 0},
		{"nothing", nil, nil, "null", "null", 0},
		{"a refusal", nil, Refuse(wire.CodeConflict, "somebody else has it"), "error: somebody else has it", "error: somebody else has it", wire.CodeConflict},
		{"an error", nil, errors.New("no space left on device"), "error: no space left on device", "error: no space left on device", 0},
		{"a long result", strings.Repeat("x", 64<<10), nil, `"` + strings.Repeat("x", 64<<10) + `"`, "error: this is done already; its result was too long to be kept", wire.CodeReplay},
		{"one too long", strings.Repeat("x", 256<<10), nil, "error: the result of change has 262146 octets, and no more than 261120 may be sent", "error: the result of change has 262146 octets, and no more than 261120 may be sent", 0},
	} {
		b := newBox(t)
		b.handle = func(context.Context, Caller, json.RawMessage) (any, error) { return test.result, test.err }
		if got := text(b.change("{}", idem1)); got != test.want {
			t.Errorf("%s: change = %.100s; want %.100s", test.name, got, test.want)
		}
		result, err := b.change("{}", idem1)
		if got := text(result, err); got != test.again || code(err) != test.code {
			t.Errorf("%s: change again = %.100s (%d); want %.100s (%d)", test.name, got, code(err), test.again, test.code)
		}
		if n := len(b.done()); n != 1 {
			t.Errorf("%s: done %d times; want once", test.name, n)
		}
	}
}

// TestLinkLost: what has begun goes on without the link, and its result waits
// for who asks again.
func TestLinkLost(t *testing.T) {
	b := newBox(t)
	begun, finish := make(chan context.Context, 1), make(chan bool)
	b.handle = func(ctx context.Context, _ Caller, _ json.RawMessage) (any, error) {
		begun <- ctx
		<-finish
		return wire.Text{Text: "finished"}, ctx.Err()
	}
	ctx, lose := context.WithCancelCause(t.Context())
	params := with(t, "{}", b.meta(b.anna, b.signed("change", "{}", idem1)))
	answered := make(chan error)
	go func() {
		_, err := b.Call(ctx, link1, "change", params)
		answered <- err
	}()
	<-begun
	lose(errors.New("the link is lost"))
	b.Disconnected(link1)
	if err := <-answered; err == nil || err.Error() != "the link is lost" {
		t.Errorf("Call = %v; want that the link is lost", err)
	}
	if _, err := b.change("{}", idem1); code(err) != wire.CodeBusy {
		t.Errorf("the call again, while it runs = %v; want code %d", err, wire.CodeBusy)
	}
	finish <- true
	eventually(t, "the result", func() string {
		if got := text(b.change("{}", idem1)); got != `{"text":"finished"}` {
			return got
		}
		return ""
	})
	eventually(t, "the session", func() string {
		if len(b.Sessions()) > 0 {
			return "the operator of a link that is down is in"
		}
		return ""
	})
	if log := b.door.said(); !strings.Contains(log, "logout 1 the link is down, 2 octets in, 19 out") {
		t.Errorf("the log has\n%s\nwant the end of session 1", log)
	}
}

// TestMostCalls: more are refused than may run, and none of these has begun.
func TestMostCalls(t *testing.T) {
	b := newBox(t)
	for range mostCalls {
		b.places <- struct{}{}
	}
	if _, err := b.change("{}", idem1); code(err) != wire.CodeBusy {
		t.Errorf("change = %v; want code %d", err, wire.CodeBusy)
	}
	if _, err := b.Call(t.Context(), link1, "look", nil); code(err) != wire.CodeBusy {
		t.Errorf("look = %v; want code %d", err, wire.CodeBusy)
	}
	<-b.places
	if got := text(b.change("{}", idem1)); got != `{"text":"done 1"}` {
		t.Errorf("change, when there is room = %s; want it done", got)
	}
}

// TestSessionMethods: operators of COM see each other, and may end sessions.
func TestSessionMethods(t *testing.T) {
	b := newBox(t)
	if got := text(b.change("{}", idem1)); got != `{"text":"done 1"}` {
		t.Fatalf("change = %s; want it done", got)
	}
	want := `{"sessions":[{"number":1,"actor":"anna@partner.example","operator":"anna","what":"calls","since":"2026-11-23T02:00:00Z","in":2,"out":17}]}`
	if got := text(b.Call(t.Context(), link1, wire.MethodSessionList, nil)); got != want {
		t.Errorf("session.list = %s; want %s", got, want)
	}
	kill := func(params, idem string) string {
		s := b.signed(wire.MethodSessionKill, params, idem)
		s.Actor = "bert@partner.example"
		return text(b.Call(t.Context(), link1, wire.MethodSessionKill, with(t, params, b.meta(b.bert, s))))
	}
	if got := kill(`{"number":9}`, idem1[:35]+"8"); !strings.Contains(got, "there is no session 9") {
		t.Errorf("session.kill of none = %s; want that there is none", got)
	}
	if got := kill(`{"number":1}`, idem1[:35]+"9"); got != "{}" {
		t.Errorf("session.kill = %s; want it done", got)
	}
	if log, want := b.door.said(), "logout 1 cleared by COMAdmin on com bert@partner.example via bert, 2 octets in, 17 out"; !strings.Contains(log, want) {
		t.Errorf("the log has\n%s\nwant\n%s", log, want)
	}
}
