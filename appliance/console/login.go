package console

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"causeway/appliance/link"
	"causeway/appliance/model"
)

// nobody is who types before the login. It can be no user's name.
const nobody = "(nobody)"

// errAgain means that nobody is logged in yet, and is to be asked again.
var errAgain = errors.New("nobody has logged in")

// loginLimit is how long control may take for an answer: passwords are looked
// at one after the other, and RADIUS servers may be asked first.
const loginLimit = 45 * time.Second

// logIn asks who types, until somebody has logged in. Its error is that of the
// terminal.
func (s *Session) logIn(ctx context.Context) error {
	if s.Settings.Login != nil {
		s.login = *s.Settings.Login
		return nil
	}
	for {
		s.login = model.Login{Operator: model.Operator{User: nobody, Origin: s.Origin}}
		err := s.open(ctx)
		if !errors.Is(err, errAgain) && !errors.Is(err, errAbandoned) && !errors.Is(err, errTooLong) {
			return err
		}
	}
}

// open offers what control says the serial port is open for.
func (s *Session) open(ctx context.Context) error {
	if s.hasUser {
		return s.askPassword(ctx)
	}
	state, err := s.access(ctx)
	switch {
	case ctx.Err() != nil:
		return io.EOF
	case err != nil:
		return s.offerRescue(ctx, err)
	case state.NewBox:
		return s.firstBoot(ctx)
	}
	s.hasUser = true
	return errAgain
}

// access asks control whether there is a user. Control has time to come up, and
// more than for the prompt: without it there is nothing but the rescue menu.
func (s *Session) access(ctx context.Context) (state model.AccessState, err error) {
	limit := 3 * s.ControlWait
	for until := time.Now().Add(limit); ; time.Sleep(100 * time.Millisecond) {
		if state, err = s.accessState(ctx, limit); err == nil || ctx.Err() != nil || !time.Now().Before(until) {
			return state, err
		}
	}
}

func (s *Session) accessState(ctx context.Context, limit time.Duration) (state model.AccessState, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err = s.Call(ctx, "control", "control.access.state", nil, &state)
	return state, err
}

// askPassword asks for a user and a password, and control whether they are right.
func (s *Session) askPassword(ctx context.Context) error {
	user, err := s.question("Username: ", lostPassword)
	switch {
	case err != nil:
		return err
	case user == "": // somebody looks what there is
		s.hasUser = false
		return errAgain
	case user == resetWord:
		return s.resetWithoutLogin(ctx)
	}
	password, err := s.Secret("Password: ")
	if err != nil {
		return err
	}
	err = s.checkPassword(ctx, model.LoginRequest{User: user, Password: password, Origin: s.Origin})
	var refused *link.RemoteError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &refused):
		return s.offerRescue(ctx, err)
	}
	s.printf("%% %v\n", refused) // nothing to add to what it says
	return errAgain
}

// checkPassword has control log somebody in.
func (s *Session) checkPassword(ctx context.Context, request model.LoginRequest) error {
	ctx, cancel := context.WithTimeout(ctx, loginLimit)
	defer cancel()
	return s.Call(ctx, "control", "control.access.login", request, &s.login)
}

// leave gives back what the session has, and tells control that it is over
// where control does not know.
func (s *Session) leave(ctx context.Context, err error) {
	s.release(ctx)
	s.screen.history = history{} // it is not for the next one
	if s.Settings.Login != nil {
		return
	}
	why := "hang up"
	if errors.Is(err, errLogout) {
		why = "exit"
	}
	if over := s.isOver(); over != "" {
		why = over
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	// Without an answer control has forgotten the session anyway.
	s.Call(ctx, "control", "control.access.logout", model.Logout{Session: s.login.Session, Why: why}, nil)
}

// awaitEnd ends the session when control says so: its user is no more, or an
// operator cleared it. One that began in an earlier life of control goes on.
func (s *Session) awaitEnd(ctx context.Context) {
	request := model.SessionRequest{Session: s.login.Session, Operator: s.login.Operator}
	for ctx.Err() == nil {
		asking, cancel := context.WithTimeout(ctx, time.Hour)
		var end model.SessionEnd
		err := s.Call(asking, "control", "control.access.ended", request, &end)
		cancel()
		if err == nil {
			s.endSession(end.Why)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(lookInterval):
		}
	}
}

// offerRescue offers what helps a box that nobody can log in to as its control
// does not answer. It goes away when control comes.
func (s *Session) offerRescue(ctx context.Context, cause error) error {
	s.hasUser = false
	s.printf("%% %v\nNobody can log in until it does. What may help:\n", cause)
	asking, stop := context.WithCancel(ctx)
	var awaiting sync.WaitGroup
	awaiting.Go(func() { s.awaitAccess(asking) })
	choice, err := s.chooseRescue("wait")
	stop()
	awaiting.Wait()
	if err == nil && choice > 0 {
		err = s.runRescue(ctx, rescues[choice-1])
	}
	return cmp.Or(err, errAgain)
}

// awaitAccess takes the question away that is asked when control answers.
func (s *Session) awaitAccess(ctx context.Context) {
	ticker := time.NewTicker(logInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if _, err := s.accessState(ctx, patience); err == nil {
			s.in.cancel()
			return
		}
	}
}
