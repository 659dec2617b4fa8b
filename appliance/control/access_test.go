package control

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"causeway/appliance/access"
	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
	"causeway/appliance/network"
)

// TestLogin types the first user as an operator does, and goes through a
// restart and the rescue menu: who could log in before still can, nobody else
// can, and a name that is locked out stays so.
func TestLogin(t *testing.T) {
	const password = "Sommer-Wind7"
	b := newBox(t)
	g, err := config.New(network.Commands(), access.Commands(nil))
	if err != nil {
		t.Fatal(err)
	}
	b.options.Grammar = g
	proxy := b.process("proxy")
	stop := b.start()
	newBox := func() bool {
		var state model.AccessState
		if err := b.ask("access.state", struct{}{}, &state); err != nil {
			t.Fatal(err)
		}
		return state.NewBox
	}
	logIn := func(password string) (login model.Login, err error) {
		err = b.ask("access.login", model.LoginRequest{User: "admin", Password: password, Origin: "ttyS0"}, &login)
		return login, err
	}
	if !newBox() {
		t.Error("a box without users is no new box; want one")
	}
	if _, err := logIn(password); err == nil || !strings.Contains(err.Error(), "there is no user yet") {
		t.Errorf("login on a new box = %v; want that there is no user", err)
	}

	if err := b.ask("configure", change.ConfigureRequest{Operator: alice}, nil); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"username admin create", "username admin password " + password, "username admin group pfs-privusers"} {
		var edited change.Edited
		if err := b.ask("edit", change.EditRequest{Operator: alice, Line: line}, &edited); err != nil || edited.Fault != nil {
			t.Fatal(line, err, edited.Fault)
		}
	}
	var committed change.Committed
	if err := b.ask("commit", change.CommitRequest{Operator: alice}, &committed); err != nil || committed.Revision != 1 {
		t.Fatalf("commit = %+v, %v; want revision 1", committed, err)
	}
	proxy.set(func() { // it does not log anybody in
		if !strings.Contains(proxy.prepared.Text, "username admin password") || proxy.id == model.RevisionID(proxy.revision) {
			t.Errorf("proxy runs with %s, %q; want the users in it, and the name of the whole", proxy.id, proxy.revision)
		}
		text, err := os.ReadFile(filepath.Join(b.options.ConfigDir, "revisions", "000001.conf"))
		_, kept, _ := strings.Cut(string(text), "$argon2id$")
		if hash, _, _ := strings.Cut(kept, "\n"); err != nil || hash == "" || strings.Contains(proxy.revision, hash) {
			t.Errorf("proxy has the hash %q, %v; want another in its place", hash, err)
		}
	})
	if login, err := logIn(password); err != nil || newBox() || login.Operator.User != "admin" {
		t.Errorf("login = %+v, %v, on a new box: %t; want admin", login, err, newBox())
	}

	stop()
	choice := filepath.Join(b.options.Run, "init", "configuration")
	if err := os.MkdirAll(filepath.Dir(choice), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(choice, []byte("built-in"), 0o640); err != nil {
		t.Fatal(err)
	}
	stop = b.start()
	if status, err := b.status(); err != nil || status.ConfigSource != change.SourceBuiltIn || newBox() {
		t.Errorf("status = %+v, %v, on a new box: %t; want the built-in configuration, and no new box", status, err, newBox())
	}
	if _, err := logIn(password); err != nil {
		t.Errorf("login under the built-in configuration = %v; want none", err)
	}
	for range 3 {
		if _, err := logIn("wrong"); err == nil || !strings.Contains(err.Error(), access.ErrRefused.Error()) {
			t.Errorf("login with a wrong password = %v; want %v", err, access.ErrRefused)
		}
	}
	stop()
	b.start()
	if _, err := logIn(password); err == nil || !strings.Contains(err.Error(), "too many failures") {
		t.Errorf("login after three failures and a restart = %v; want too many failures", err)
	}
	if strings.Contains(b.printed(), password) {
		t.Errorf("the log has the password:\n%s", b.printed())
	}
	revision := filepath.Join(b.options.ConfigDir, "revisions", "000001.conf")
	if info, err := os.Stat(revision); err != nil || info.Mode() != 0o600 {
		t.Errorf("the revision is %v, %v; want it for control alone", info, err)
	}
	text, err := os.ReadFile(revision)
	if err != nil || strings.Contains(string(text), password) || !strings.Contains(string(text), "username admin password $argon2id$") {
		t.Errorf("the revision is %q, %v; want the hash of the password alone", text, err)
	}
}
