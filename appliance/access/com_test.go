package access

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/model"
)

// TestCOMAdmin: who comes over COM is seen, ended and written down like others,
// and has the rights of one group.
func TestCOMAdmin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, "group ops permit exec show\n"+admin)
		const origin = "com anna@partner.example via anna"
		enter := func() model.Login {
			t.Helper()
			login, err := b.COMAdmin(origin)
			if want := (model.Operator{User: model.COMAdmin, Origin: origin}); err != nil || login.Operator != want {
				t.Errorf("COMAdmin = %+v, %v; want %v", login, err, want)
			}
			return login
		}
		may := func(reload, show bool) {
			t.Helper()
			if r := b.COMRights(); r.May(model.RuleExec, "reload") != reload || r.May(model.RuleExec, "show version") != show {
				t.Errorf("COMRights = %+v; want reload %v, show %v", r, reload, show)
			}
		}
		login := enter()
		may(true, true)
		if r := login.Rights; !r.May(model.RuleExec, "reload") {
			t.Errorf("COMAdmin may do %+v; want all", r)
		}
		users := b.Users()
		if s := users.Sessions; len(s) != 1 || s[0].User != model.COMAdmin || s[0].Origin != origin || s[0].Method != methodCOM {
			t.Errorf("Users = %+v; want the session of COMAdmin", s)
		}
		access, _ := b.current()
		b.Apply(access, model.GroupPrivileged, "proxy2") // what does not concern it
		if _, err := b.clear(t.Context(), Clear{Session: login.Session, Operator: model.Operator{User: "admin", Origin: "ttyS0"}}); err != nil {
			t.Errorf("clear = %v; want nil", err)
		}
		<-b.Ended(login.Session)

		login = enter()
		b.Apply(access, "ops", "proxy1") // com group ops
		<-b.Ended(login.Session)
		may(false, true)
		if accounts := b.Users().Accounts; accounts[len(accounts)-1].Groups[0] != "ops" {
			t.Errorf("Accounts = %+v; want COMAdmin in ops", accounts)
		}
		b.Apply(access, "gone", "proxy1")
		may(false, false)
		if login, err := b.COMAdmin(origin); err == nil || !strings.Contains(err.Error(), "gone") {
			t.Errorf("COMAdmin of a group that is not there = %+v, %v; want a refusal", login, err)
		}
		for range 2 {
			b.Refuse(model.Audit{Operator: model.Operator{User: model.COMAdmin, Origin: "com"}, Line: "cli.exec"}, "cli is switched off on this box")
		}
		time.Sleep(time.Second)
		b.wantEntries(
			"login COMAdmin on "+origin+" by COM, session 101",
			"logout COMAdmin on "+origin+", session 101: cleared by admin on ttyS0",
			"login COMAdmin on "+origin+" by COM, session 102",
			"logout COMAdmin on "+origin+", session 102: what the user may do was changed",
			"refused COMAdmin on com: cli is switched off on this box: cli.exec",
			"refused COMAdmin on com: cli is switched off on this box: cli.exec",
		)
	})
}
