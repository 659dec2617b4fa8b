package web

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// The commands that this part is, for the rights to them.
const (
	showUsersCommand    = "show users"
	clearSessionCommand = "clear user session SESSION"
)

// operators are the sessions of those who have logged in, and who may. A session is
// ended by its button.
type operators struct{}

// users is what control.access.users answers, as far as it stands here.
type users struct {
	Sessions []struct {
		ID     uint64        `json:"id"`
		User   string        `json:"user"`
		Origin string        `json:"origin"` // as in model.Operator
		Since  time.Time     `json:"since"`
		Idle   time.Duration `json:"idle"` // in seconds
	} `json:"sessions"`
	Accounts []struct {
		Name     string   `json:"name"`
		Groups   []string `json:"groups"`
		Password bool     `json:"password"`
		Keys     int      `json:"keys"`
		BuiltIn  bool     `json:"built_in"` // comes over COM alone
		Locked   int      `json:"locked"`   // seconds; 0: not locked out
	} `json:"accounts"`
}

func (operators) name() string         { return "sessions" }
func (operators) every() time.Duration { return processesTime }
func (operators) permits(rights model.Rights) error {
	return config.PermitsCommand(rights, showUsersCommand)
}

// ask asks who is logged in, and who may be.
func (operators) ask(ctx context.Context, v *visit) (all users, err error) {
	err = v.Call(ctx, "control", "control.access.users", struct{}{}, &all)
	for i := range all.Sessions {
		all.Sessions[i].Idle *= time.Second
	}
	return all, err
}

func (p operators) show(ctx context.Context, v *visit) (view, error) {
	all, err := p.ask(ctx, v)
	return view{template: "operators", data: struct {
		users
		Form form
		Mine uint64
		May  bool
	}{all, v.form(p), v.login.Session, config.PermitsCommand(v.login.Rights, clearSessionCommand) == nil}}, err
}

func (p operators) list(ctx context.Context, v *visit) (heading []string, rows [][]string, err error) {
	all, err := p.ask(ctx, v)
	for _, s := range all.Sessions {
		rows = append(rows, []string{strconv.FormatUint(s.ID, 10), s.User, s.Origin, v.clock(s.Since), fmt.Sprint(s.Idle.Seconds())})
	}
	return []string{"Session", "User", "From", "Since", "Idle (s)"}, rows, err
}

// take ends a session.
func (operators) take(ctx context.Context, v *visit) (answer, error) {
	if err := config.PermitsCommand(v.login.Rights, clearSessionCommand); err != nil {
		return answer{}, err
	}
	session, err := strconv.ParseUint(v.request.PostForm.Get("session"), 10, 31)
	if err != nil {
		return answer{}, fmt.Errorf("%q is no number of a session", v.request.PostForm.Get("session"))
	}
	v.note(ctx, strings.Replace(clearSessionCommand, "SESSION", strconv.FormatUint(session, 10), 1))
	request := struct {
		Session  uint64         `json:"session"`
		Operator model.Operator `json:"operator"`
	}{session, v.operator()}
	err = v.Call(ctx, "control", "control.access.clear", request, nil)
	return answer{notice: fmt.Sprintf("Session %d is ended.", session)}, err
}
