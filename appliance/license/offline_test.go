package license

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestOffline: a whole life by files on a stick.
func TestOffline(t *testing.T) {
	l := newLife(t)
	l.down = true
	l.config.License.URL, l.config.License.Offline = "", true
	l.apply(nil)
	stick := func(name string) string { return filepath.Join(l.dir, "usb0", name) }
	carry := func(name string) { // to the server and back
		t.Helper()
		request, err := os.ReadFile(stick(name + ".ela-req"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(stick(name+".ela-resp"), l.server.answer(request), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save := func(kind, name string) error {
		_, err := l.saveRequest(t.Context(), SaveRequest{Kind: kind, Token: "secret-token", File: "usb0:/" + name})
		l.look()
		return err
	}
	bring := func(name string) error {
		_, err := l.importAnswer(t.Context(), ImportRequest{File: "usb0:/" + name})
		l.look()
		return err
	}
	step := func(kind, name string, want State) {
		t.Helper()
		if err := save(kind, name); err != nil {
			t.Fatalf("save %s: %v", kind, err)
		}
		carry(name)
		l.reboot(3 * day) // on its way
		if err := bring(name); err != nil {
			t.Fatalf("import %s: %v", kind, err)
		}
		if got := l.Status().State; got != want {
			t.Fatalf("after %s: %v; want %v", kind, got, want)
		}
	}
	if err := bring("reg"); err == nil {
		t.Error("imported without a request")
	}
	if err := save(KindAuthorize, "early"); err == nil {
		t.Error("an authorisation was asked for without a registration")
	}
	step(KindRegister, "reg", Registered)
	if err := bring("reg"); err == nil {
		t.Error("the answer was imported twice")
	}
	step(KindAuthorize, "auth", Authorized)
	if err := save(KindAuthorize, "auth"); err == nil {
		t.Error("a file was written over")
	}
	l.pass(60 * day)
	l.is(Authorized, true)

	if err := save(KindAuthorize, "late"); err != nil {
		t.Fatal(err)
	}
	carry("late")
	l.pass(31 * day)
	if err := bring("late"); err == nil || !strings.Contains(err.Error(), "30 days") {
		t.Errorf("import after 31 days = %v; want a refusal", err)
	}
	l.is(AuthorizationExpired, true)

	if err := save(KindAuthorize, "first"); err != nil {
		t.Fatal(err)
	}
	if err := save(KindAuthorize, "second"); err != nil {
		t.Fatal(err)
	}
	carry("first")
	if err := bring("first"); err == nil {
		t.Error("the answer to a request that is not the last was believed")
	}
	carry("second")
	if err := bring("second"); err != nil {
		t.Fatal(err)
	}
	l.is(Authorized, true)
	step(KindRenewID, "id", Authorized)
	step(KindDeregister, "leave", Unidentified)
	if l.Status().Evaluation.Left < 90*day-time.Hour {
		t.Errorf("evaluation = %+v", l.Status().Evaluation)
	}
	if text := l.log.String(); strings.Contains(text, "secret-token") {
		t.Errorf("the token is in the log:\n%s", text)
	}
	if kept, err := os.ReadFile(filepath.Join(l.dir, "state")); err != nil || strings.Contains(string(kept), "secret-token") {
		t.Errorf("the token is kept (%v)", err)
	}
}
