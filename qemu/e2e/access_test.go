//go:build e2e

package e2e

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"causeway/appliance/access"
	"causeway/appliance/clock"
	"causeway/appliance/config"
	"causeway/appliance/model"
	"causeway/qemu/lab"
)

// TestAccessRADIUS has FreeRADIUS say who may log in: with a group, with level
// 15 of Cisco's, and not; then nobody, as it is frozen or has another secret,
// and the user of the box comes in.
func TestAccessRADIUS(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	l, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if _, err := l.Box(); err != nil {
		t.Fatal(err)
	}
	peers, err := lab.OpenPeers(ctx, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.LAN1.RADIUS(peers, t.TempDir(), lab.RADIUS{At: netip.AddrPortFrom(lab.PeerLAN1, 1812), Secret: "geheim", Users: `
olga	Cleartext-Password := "Winter-Wind7", NAS-Identifier == "proxy1"
	Filter-Id = "pfs-readonly"
carl	Cleartext-Password := "Winter-Wind8"
	Cisco-AVPair = "shell:priv-lvl=15"
nemo	Cleartext-Password := "Winter-Wind9"
`})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer server.Kill()

	box, secret := accessTo(t, l.LAN1), "geheim"
	logIn := func(user, password string, want error) (login model.Login) {
		t.Helper()
		hasher := config.NewHasher()
		box.Apply(model.Access{
			Users:  []model.User{{Name: "admin", Password: hasher.Hash("Sommer-Wind7"), Groups: []string{model.GroupPrivileged}}},
			RADIUS: []model.LoginServer{{Host: lab.PeerLAN1.String(), Port: 1812, Key: secret}},
		}, model.GroupPrivileged, "proxy1")
		login, err := box.Password(ctx, user, password, "ssh 192.0.2.7:50122")
		if !errors.Is(err, want) {
			t.Errorf("Password(%s, %s) = %v; want %v: %s", user, password, err, want, server.Output())
		}
		return login
	}
	if r := logIn("olga", "Winter-Wind7", nil).Rights; !r.May(model.RuleExec, "show version") || r.May(model.RuleExec, "reload") {
		t.Errorf("olga has the rights %+v; want to look only", r)
	}
	if r := logIn("carl", "Winter-Wind8", nil).Rights; !r.May(model.RuleExec, "reload") {
		t.Errorf("carl has the rights %+v; want all", r)
	}
	logIn("olga", "Winter-Wind8", access.ErrRefused)
	logIn("nemo", "Winter-Wind9", access.ErrRefused)  // in no group
	logIn("admin", "Sommer-Wind7", access.ErrRefused) // a user of the box while the server answers

	secret = "another"
	logIn("olga", "Winter-Wind7", access.ErrRefused)
	logIn("admin", "Sommer-Wind7", nil)
	secret = "geheim"
	if err := server.Freeze(); err != nil {
		t.Fatal(err)
	}
	logIn("admin", "Sommer-Wind7", nil)
	if err := server.Thaw(); err != nil {
		t.Fatal(err)
	}
	logIn("carl", "Winter-Wind8", nil)
}

// accessTo decides who may log in, for a box in the namespace. Its secrets are
// stored as they are.
func accessTo(t *testing.T, where *lab.Namespace) *access.Access {
	dir := t.TempDir()
	return access.New(access.Options{
		Hasher: config.NewHasher(),
		Open:   func(stored string) (string, error) { return stored, nil },
		Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			address, err := netip.ParseAddr(host)
			return []netip.Addr{address}, err
		},
		Dial: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
			err = where.Do(func() (err error) { // an address needs no goroutine of its own
				conn, err = new(net.Dialer).DialContext(ctx, network, address)
				return err
			})
			return conn, err
		},
		LockFile: filepath.Join(dir, "logins"),
		LogDirs:  []string{dir},
		Uptime:   clock.BootTime,
		Log:      slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
}
