package access

import (
	"strings"
	"testing"
	"time"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

func TestShow(t *testing.T) {
	at := time.Date(2026, 11, 22, 18, 5, 7, 0, time.UTC)
	s := &exectest.Session{Answers: map[string]any{
		"control.access.users": Users{
			Sessions: []Session{
				{ID: 12, User: "admin", Origin: "ttyS0", Since: at, Idle: 3},
				{ID: 4711, User: "name-of-20-letters-x", Origin: "ssh 192.0.2.7:50122", Since: at.AddDate(0, 0, -3), Idle: 86400},
			},
			Accounts: []Account{
				{Name: "admin", Groups: []string{model.GroupPrivileged}, Password: true, Keys: 2},
				{Name: "a.name.of.32.characters.in.whole", Groups: []string{"ops", model.GroupReadOnly}, Keys: 1},
				{Name: "bert"},
				{Name: model.COMAdmin, Groups: []string{model.GroupPrivileged}, BuiltIn: true},
			},
		},
		"control.access.groups": Groups{append(BuiltIn(), model.Group{
			Name: "ops", Rules: []model.Rule{{Permit: true, Kind: model.RuleExec, Words: "show billing"}, {Kind: model.RuleConfigure}}, FilesRead: true,
		})},
		"control.access.log": Log{Entries: []Entry{
			{Time: at, Event: EventLogin, User: "admin", Origin: "ttyS0", Method: methodPassword, Session: 12},
			{Time: at, Event: EventRefused, User: unknownUser, Origin: "ssh 192.0.2.9:1000", Method: methodPassword, Why: errWrong.Error()},
			{Time: at, Event: EventRefused, Why: "too many to tell one by one", Times: 204},
			{Time: at, Event: EventCommand, User: "admin", Origin: "ttyS0", Line: "username bert password ********"},
			{Time: at, Event: EventLogout, User: "admin", Origin: "ttyS0", Session: 12, Why: "idle"},
		}, Problem: "write /harddisk/log/access/access: no space left on device"},
	}}
	for name, line := range map[string]string{
		"show-users": "show users", "show-groups": "show groups", "show-access-log": "show access log",
	} {
		exectest.Golden(t, name, s.Type(t.Context(), t, ExecCommands(), line))
	}
	s.Answers["control.access.users"] = Users{}
	if got := s.Type(t.Context(), t, ExecCommands(), "show users"); !strings.Contains(got, "Nobody is logged in.") {
		t.Errorf("show users = %q; want that nobody is logged in", got)
	}
}

// TestMethods has doors and operators use them over link.
func TestMethods(t *testing.T) {
	b := newBox(t, admin)
	s := &exectest.Session{}
	s.Serve(t, "control", b.Methods())
	call := func(method string, params, result any) error {
		return s.Call(t.Context(), "control", method, params, result)
	}

	var state model.AccessState
	if err := call("control.access.state", struct{}{}, &state); err != nil || state.NewBox {
		t.Errorf("state = %+v, %v; want no new box", state, err)
	}
	var login model.Login
	if err := call("control.access.login", model.LoginRequest{User: "admin", Password: "x", Origin: "ttyS0"}, &login); err == nil || !strings.Contains(err.Error(), ErrRefused.Error()) {
		t.Errorf("login with a wrong password = %v; want %v", err, ErrRefused)
	}
	if err := call("control.access.login", model.LoginRequest{User: "admin", Password: right, Origin: "ttyS0"}, &login); err != nil || login.Session != 101 {
		t.Fatalf("login = %+v, %v; want session 101", login, err)
	}
	ended := make(chan model.SessionEnd)
	go func() {
		var end model.SessionEnd
		if err := call("control.access.ended", model.SessionRequest{Session: login.Session}, &end); err != nil {
			t.Errorf("ended = %v; want no error", err)
		}
		ended <- end
	}()
	if err := call("control.access.active", model.SessionRequest{Session: login.Session}, nil); err != nil {
		t.Errorf("active = %v; want no error", err)
	}
	audit := model.Audit{Operator: login.Operator, Line: "reload"}
	if err := call("control.access.audit", audit, nil); err != nil {
		t.Errorf("audit = %v; want no error", err)
	}
	if got := s.Type(t.Context(), t, ExecCommands(), "clear user session 102"); !strings.Contains(got, "there is no session 102") {
		t.Errorf("clear of another session = %q; want that there is none", got)
	}
	if got := s.Type(t.Context(), t, ExecCommands(), "clear user session 101"); got != "" {
		t.Errorf("clear = %q; want nothing", got)
	}
	if end := <-ended; end.Why != "cleared by console on ttyS0" {
		t.Errorf("the session ended as %q; want by whom it was cleared", end.Why)
	}
	if err := call("control.access.logout", model.Logout{Session: login.Session, Why: "hang up"}, nil); err != nil {
		t.Errorf("logout of a session that is over = %v; want no error", err)
	}
	got := s.Type(t.Context(), t, ExecCommands(), "show access log last 2")
	if want := "command admin on ttyS0: reload\n"; !strings.Contains(got, want) || !strings.Contains(got, "cleared by console on ttyS0\n") || strings.Contains(got, "login") {
		t.Errorf("show access log last 2 = %q; want the last two entries", got)
	}
	if got := s.Type(t.Context(), t, ExecCommands(), "show groups"); !strings.Contains(got, "Group: pfs-readonly (built in)\n") {
		t.Errorf("show groups = %q; want the built-in ones", got)
	}
	if got := s.Type(t.Context(), t, ExecCommands(), "show users"); !strings.Contains(got, "over COM only") || strings.Contains(got, "argon") {
		t.Errorf("show users = %q; want the accounts, and nothing that proves them", got)
	}
}
