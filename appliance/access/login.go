package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"causeway/appliance/model"
)

// ErrRefused is the answer to a name and a password that do not fit, whatever
// is wrong with them.
var ErrRefused = errors.New("login invalid")

// ErrNewBox is the answer to everybody while the box has no user.
var ErrNewBox = errors.New("there is no user yet: the first one is made at the serial port")

// LockedError is the answer while a name is locked out.
type LockedError struct{ Left time.Duration }

// Error says how long it lasts.
func (e *LockedError) Error() string {
	return fmt.Sprintf("too many failures: try again in %v", max(time.Second, e.Left.Round(time.Second)))
}

// Password logs somebody in at the door that origin names, as Operator.Origin
// has it. It waits for its turn: passwords are checked one after the other. An
// error is ErrRefused, a *LockedError, ErrNewBox, or that of ctx.
func (a *Access) Password(ctx context.Context, user, password, origin string) (model.Login, error) {
	access, host := a.current()
	if len(access.Users) == 0 {
		return model.Login{}, ErrNewBox
	}
	if err := a.lockout.begin(user); err != nil {
		a.journal.add(Entry{Event: EventRefused, User: a.nameInLog(&access, user), Origin: origin, Why: "locked out"})
		return model.Login{}, err
	}
	found, err := a.check(ctx, &access, attempt{user, password, origin, host})
	kept := a.lockout.end(user, err)
	switch {
	case errors.Is(err, errWrong):
		a.journal.add(Entry{Event: EventRefused, User: a.nameInLog(&access, user), Origin: origin, Method: found.method, Why: err.Error()})
		kept.wait(ctx)
		return model.Login{}, ErrRefused
	case err != nil:
		return model.Login{}, err
	}
	return a.open(&access, user, origin, found), nil
}

// Key logs somebody in who has proven to have the private part of a key. Keys
// are not guessed, so nobody is locked out with one.
func (a *Access) Key(_ context.Context, user string, key ssh.PublicKey, origin string) (model.Login, error) {
	access, _ := a.current()
	if !hasKey(&access, user, key) {
		a.journal.add(Entry{Event: EventRefused, User: a.nameInLog(&access, user), Origin: origin, Method: methodKey, Why: "not a key of this user"})
		return model.Login{}, ErrRefused
	}
	return a.open(&access, user, origin, proof{methodKey, access.User(user).Groups}), nil
}

// attempt is what somebody tries.
type attempt struct{ user, password, origin, host string }

// proof is how somebody has shown who he is, and which groups he is in by that.
type proof struct {
	method string
	groups []string
}

// The methods, as the log has them.
const (
	methodPassword = "password"
	methodKey      = "key"
	methodRADIUS   = "RADIUS"
	methodCOM      = "COM"
)

// errWrong is an attempt that counts as a failure. What wraps it says more, for
// the log.
var errWrong = errors.New("wrong password")

// check finds out whether a password is right: it asks the RADIUS servers, and
// where none of them answers, the users of the box.
func (a *Access) check(ctx context.Context, access *model.Access, t attempt) (proof, error) {
	if t.password == "" { // a server may take it for an anonymous bind (RFC 4513 §5.1.2)
		return proof{method: methodPassword}, errWrong
	}
	if len(access.RADIUS) > 0 && mayBeAsked(t.user) {
		groups, err := a.radius.ask(ctx, access.RADIUS, t)
		switch {
		case err == nil && len(known(access, groups)) == 0:
			return proof{method: methodRADIUS}, fmt.Errorf("%w: the RADIUS server names no group of this box", errWrong)
		case !errors.Is(err, errNoAnswer):
			return proof{methodRADIUS, groups}, err
		}
		a.options.Log.Warn("no RADIUS server answers, the users of the box count", "error", err)
	}
	local := proof{method: methodPassword}
	stored := "" // of nobody: it takes as long, and no password fits
	if u := access.User(t.user); u != nil {
		stored, local.groups = u.Password, u.Groups
	}
	switch right, err := a.options.Hasher.Verify(ctx, stored, t.password); {
	case err != nil:
		return local, err
	case !right:
		return local, errWrong
	case len(known(access, local.groups)) == 0:
		return local, fmt.Errorf("%w: the user is in no group", errWrong)
	}
	return local, nil
}

// mayBeAsked says whether a RADIUS server may let somebody in under a name. It
// stands in logs and prompts then, and COMAdmin has another door (COM-17).
func mayBeAsked(user string) bool {
	const longest = 64
	unseen := func(r rune) bool { return r <= ' ' || r > '~' }
	return user != "" && len(user) <= longest && !strings.ContainsFunc(user, unseen) && !strings.EqualFold(user, model.COMAdmin)
}

// open begins the session of somebody who has logged in.
func (a *Access) open(access *model.Access, user, origin string, by proof) model.Login {
	s := a.sessions.begin(Session{User: user, Origin: origin, Method: by.method, Groups: by.groups}, known(access, by.groups))
	entry := Entry{Event: EventLogin, User: user, Origin: origin, Method: by.method, Session: s.ID}
	a.journal.add(entry)
	if a.options.LoggedIn != nil {
		a.options.LoggedIn(entry)
	}
	if why := a.outdated(s); why != "" { // it was changed meanwhile
		a.end(s.ID, why)
	}
	return model.Login{
		Session:     s.ID,
		Operator:    model.Operator{User: user, Origin: origin},
		Rights:      rights(s.groups),
		IdleMinutes: access.Idle(),
	}
}

// unknownUser stands for the name of a user that the box does not know.
const unknownUser = "(unknown)"

// nameInLog is what is written down for a name that somebody tried.
func (a *Access) nameInLog(access *model.Access, user string) string {
	if access.User(user) != nil {
		return user
	}
	return unknownUser
}
