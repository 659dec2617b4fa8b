package backup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/appliance/storage/files"
	"causeway/appliance/storage/remote"
	"causeway/appliance/storage/remote/remotetest"
)

// A backup goes to another system and comes back from there.
func TestRemote(t *testing.T) {
	server := remotetest.Start(t)
	key := ageKey(t)
	b := newBox(t, "CWY11111111")
	text := "hostname cube\nbackup recipient " + key.public + "\n"
	b.commit(text)
	login := remote.Login{Password: remotetest.Password, HostKey: server.HostKey}
	if host, err := b.host(t.Context(), HostRequest{placeOf(t, server.URL())}); err != nil || host.Known {
		t.Errorf("host = %+v, %v; want it unknown", host, err)
	}
	made, err := b.now(t.Context(), NowRequest{Operator: admin, To: server.URL(), Login: login})
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(server.Dir); err != nil || len(entries) != 1 || entries[0].Name() != made.Name {
		t.Errorf("the other system has %v, %v; want %s alone", entries, err, made.Name)
	}
	opened, err := b.read(t.Context(), ReadRequest{From: made.file(), Login: login, Secret: key.private})
	if err != nil || opened.Manifest.HostName != "cube" {
		t.Errorf("read = %+v, %v; want the backup", opened, err)
	}

	// What is wrong is told, and leaves nothing there.
	for _, test := range []struct {
		name  string
		to    string
		login remote.Login
		want  string
	}{
		{"no login", server.URL(), remote.Login{}, "is not configured"},
		{"wrong password", server.URL(), remote.Login{Password: "let me out", HostKey: server.HostKey}, "unable to authenticate"},
		{"no host key", server.URL(), remote.Login{Password: remotetest.Password}, "is no fingerprint"},
		{"another host key", server.URL(), remote.Login{Password: remotetest.Password, HostKey: "SHA256:" + strings.Repeat("A", 43)}, "not the one that is set"},
		{"no directory", server.URL() + "/none", login, "not exist"},
	} {
		b.ahead += time.Minute
		_, err := b.now(t.Context(), NowRequest{Operator: admin, To: test.to, Login: test.login})
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "let me out") {
			t.Errorf("%s: now = %v; want an error with %q", test.name, err, test.want)
		}
	}
	b.ahead += time.Minute
	server.EndAfter(3000)
	if _, err := b.now(t.Context(), NowRequest{Operator: admin, To: server.URL(), Login: login}); err == nil {
		t.Error("now over a connection that breaks = nil; want an error")
	}
	server.EndAfter(0)
	if whole, err := filepath.Glob(filepath.Join(server.Dir, "*.age")); err != nil || len(whole) != 1 {
		t.Errorf("the other system has %v, %v; want the first backup alone", whole, err)
	}
	if made := b.snapshot().Made; len(made) != 1 {
		t.Errorf("the box knows of %+v; want the first backup alone", made)
	}

	// Where the schedule goes nobody is asked.
	b.commit(text + "backup schedule daily 02:30 " + server.URL() + " keep 1 password " + remotetest.Password + " host-key " + server.HostKey + "\n")
	if host, err := b.host(t.Context(), HostRequest{placeOf(t, server.URL()+"/other")}); err != nil || !host.Known {
		t.Errorf("host = %+v, %v; want it known", host, err)
	}
	for range 3 {
		b.ahead += 24 * time.Hour
		if err := b.scheduled(t.Context(), server.URL()); err != nil {
			t.Fatal(err)
		}
	}
	if whole, err := filepath.Glob(filepath.Join(server.Dir, "*.age")); err != nil || len(whole) != 2 {
		t.Errorf("the other system has %v, %v; want the newest of the schedule and the first backup", whole, err)
	}
}

func placeOf(t *testing.T, text string) files.Place {
	t.Helper()
	p, err := files.ParsePlace(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Where nothing can be written nothing is left, and no backup is known of.
func TestRefusedPlace(t *testing.T) {
	b := newBox(t, "CWY11111111")
	if _, err := b.now(t.Context(), NowRequest{Operator: admin, To: "bootflash:control", Passphrase: phrase}); err == nil || !strings.Contains(err.Error(), "belongs to the box") {
		t.Errorf("now to a directory of the box = %v; want it refused", err)
	}
	if _, err := b.now(t.Context(), NowRequest{Operator: admin, To: "usb0:a/b", Passphrase: phrase}); err == nil {
		t.Error("now to a directory in one that is not there = nil; want an error")
	}
	if left := b.stick(); len(left) != 0 || len(b.snapshot().Made) != 0 {
		t.Errorf("there are %q, and the box knows of %+v; want nothing", left, b.snapshot().Made)
	}
}
