package com

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"time"
	"unicode"

	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Status tells how the link stands.
func (l *Link) Status() Status {
	serial, _ := l.Serial() // a dial says what is wrong
	l.mu.Lock()
	defer l.mu.Unlock()
	s, c := l.status, l.config
	s.Serial, s.Customer, s.Server, s.Proxy = serial, c.CustomerID, c.Server, c.Proxy()
	s.Counters = maps.Clone(s.Counters)
	if l.options.Line != nil {
		s.Line = l.options.Line()
	}
	return s
}

// Conditions are what should not be.
func (l *Link) Conditions() []model.Condition { return l.Status().Conditions() }

// Methods are those of control about the link itself.
func (l *Link) Methods() link.Methods {
	return link.Methods{
		"control.com.status": func(context.Context) (Status, error) { return l.Status(), nil },
		"control.com.redial": link.ForOperators(func(_ context.Context, r RedialRequest) (Status, error) {
			l.mu.Lock()
			config := l.config
			l.mu.Unlock()
			if state := l.ready(config); state != Dialling {
				return Status{}, errors.New("the link " + whyNot[state])
			}
			l.options.Log.Info("the link to COM is dialled anew", "by", r.Operator)
			l.Redial("by " + r.Operator.String())
			return l.Status(), nil
		}),
	}
}

// whyNot says why the link does not dial.
var whyNot = map[State]string{
	Unset:     "is not set up: type com customer-id and com server in the configuration",
	Off:       "is shut down: type no com shutdown in the configuration",
	Secondary: "is the primary's: this system has com role secondary",
	Clockless: "waits until the clock follows a time server",
	Untrusted: "trusts nobody: see crypto pki authenticate com",
}

// stand notes a state in which the link does not dial.
func (l *Link) stand(s State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.status.State == s {
		return
	}
	l.status = Status{State: s, Since: time.Now(), Counters: l.status.Counters, Failure: l.status.Failure}
	l.options.Log.Info("no link to COM: it " + whyNot[s])
}

// begin notes that a try begins.
func (l *Link) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.State, l.status.Since, l.status.Next = Dialling, time.Now(), time.Time{}
	l.status.Counters["tries"]++
}

// count notes what came of a try, and when the next one is.
func (l *Link) count(o outcome, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, now := l.status, time.Now()
	l.status = Status{
		State: Waiting, Since: now, Next: now.Add(wait), Tries: before.Tries + 1, Failure: printable(o.err.Error()),
		Suspect: before.Suspect, Refused: before.Refused,
		Address: before.Address, Identity: before.Identity, Trusts: before.Trusts, Counters: before.Counters,
	}
	if o.welcomed {
		l.status.Tries = 0
	}
	switch {
	case suspects(o.err):
		l.status.Suspect = l.status.Failure
	case o.refused:
		l.status.Refused = l.status.Failure
		l.status.Counters["refused"]++
		l.turn++
	}
	level := slog.LevelWarn
	if _, meant := o.err.(intended); meant {
		level = slog.LevelInfo
	}
	l.options.Log.Log(context.Background(), level, "no link to COM", "why", l.status.Failure, "address", l.status.Address, "next_in", wait.Round(time.Second))
}

// printable is text, of strangers perhaps, that terminals and logs can take in
// one line.
func printable(text string) string {
	const most = 300
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return ' '
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
