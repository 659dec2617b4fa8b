package access

import (
	"context"
	"fmt"
	"slices"
	"time"

	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Methods are what the doors in other processes call, and operators ask.
func (a *Access) Methods() link.Methods {
	return link.Methods{
		"control.access.state": link.ForOperators(func(context.Context, struct{}) (model.AccessState, error) {
			return a.State(), nil
		}),
		"control.access.login": link.ForOperators(func(ctx context.Context, r model.LoginRequest) (model.Login, error) {
			return a.Password(ctx, r.User, r.Password, r.Origin)
		}),
		"control.access.logout": link.ForOperators(func(_ context.Context, r model.Logout) (struct{}, error) {
			a.Logout(r.Session, r.Why)
			return struct{}{}, nil
		}),
		"control.access.audit": link.ForOperators(func(_ context.Context, r model.Audit) (struct{}, error) {
			a.Audit(r)
			return struct{}{}, nil
		}),
		"control.access.active": link.ForOperators(func(_ context.Context, r model.SessionRequest) (struct{}, error) {
			a.Active(r.Session)
			return struct{}{}, nil
		}),
		"control.access.ended": link.ForOperators(a.awaitEnd),
		"control.access.clear": link.ForOperators(a.clear),
		"control.access.users": link.ForOperators(func(context.Context, struct{}) (Users, error) { return a.Users(), nil }),
		"control.access.groups": link.ForOperators(func(context.Context, struct{}) (Groups, error) {
			access, _ := a.current()
			return Groups{slices.Concat(builtIn, access.Groups)}, nil
		}),
		"control.access.log": link.ForOperators(func(_ context.Context, q LogQuery) (Log, error) { return a.readLog(q) }),
	}
}

// awaitEnd answers when a session ends. One that an earlier life of control
// began is taken over.
func (a *Access) awaitEnd(ctx context.Context, r model.SessionRequest) (model.SessionEnd, error) {
	access, _ := a.current()
	s, err := a.sessions.know(r, &access)
	if err != nil {
		return model.SessionEnd{}, err
	}
	if why := a.outdated(s); why != "" {
		a.end(s.ID, why)
	}
	select {
	case <-s.over:
		return model.SessionEnd{Why: s.why}, nil
	case <-ctx.Done():
		return model.SessionEnd{}, context.Cause(ctx)
	}
}

// Clear asks for the end of a session.
type Clear struct {
	Session  uint64         `json:"session"`
	Operator model.Operator `json:"operator"`
}

func (a *Access) clear(_ context.Context, r Clear) (struct{}, error) {
	if !a.end(r.Session, "cleared by "+r.Operator.String()) {
		return struct{}{}, fmt.Errorf("there is no session %d: show users lists them", r.Session)
	}
	return struct{}{}, nil
}

// Users is the answer of control.access.users.
type Users struct {
	Sessions []Session `json:"sessions"`
	Accounts []Account `json:"accounts"`
}

// Account is somebody who may log in; never with what proves it.
type Account struct {
	Name     string   `json:"name"`
	Groups   []string `json:"groups"`
	Password bool     `json:"password"`
	Keys     int      `json:"keys"`
	BuiltIn  bool     `json:"built_in"` // COMAdmin
	Locked   int      `json:"locked"`   // seconds; 0: not locked out
}

// Users tells who is logged in, and who may be.
func (a *Access) Users() Users {
	access, _ := a.current()
	locked := a.lockout.locked()
	var all Users
	for _, s := range a.sessions.list() {
		all.Sessions = append(all.Sessions, s.Session)
	}
	for _, u := range access.Users {
		left := locked[nameKey(u.Name)]
		all.Accounts = append(all.Accounts, Account{
			Name: u.Name, Groups: u.Groups, Password: u.Password != "", Keys: len(u.Keys),
			Locked: int((left + time.Second - 1) / time.Second),
		})
	}
	all.Accounts = append(all.Accounts, Account{Name: model.COMAdmin, Groups: a.comGroups(), BuiltIn: true})
	return all
}

// Groups is the answer of control.access.groups: the built-in ones first.
type Groups struct {
	Groups []model.Group `json:"groups"`
}

// LogQuery asks for the newest entries of the access log, 1000 at the most.
type LogQuery struct {
	Last int `json:"last"`
}

// Log is the answer: the entries, oldest first.
type Log struct {
	Entries []Entry `json:"entries"`
	Problem string  `json:"problem"` // why there may be gaps
}

func (a *Access) readLog(q LogQuery) (Log, error) {
	entries, err := a.journal.last(min(max(1, q.Last), queryMost))
	if len(entries) > 0 {
		err = nil // better some than none
	}
	return Log{entries, a.journal.trouble()}, err
}
