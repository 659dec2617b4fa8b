//go:build e2e

package e2e

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/qemu/lab"
)

// TestAccessCopy copies files to OpenSSH's server and from there, and from
// OpenSSL's web server, which the box believes once it has fetched the authority.
func TestAccessCopy(t *testing.T) {
	t.Parallel()
	b := newBackupBox(t, "CWY11111111", t.TempDir())
	const there = "sftp://" + lab.SFTPUser + "@192.168.42.2" + lab.SFTPDir + "/"
	stick := filepath.Join(b.control.Dir(), "usb0")
	writePublic(t, filepath.Join(stick, "keys.txt"), strings.Repeat("5551234 gateway\n", 100_000))
	writePublic(t, filepath.Join(b.there, "lines.conf"), "ip host gateway.example.com 192.168.43.2\n")
	const web = "192.168.42.2:8443"
	b.serveFiles(t, web)

	for _, tt := range []struct {
		typed []string
		want  string
	}{
		{[]string{"copy usb0:keys.txt " + there, "y", plantedPassword}, "Host key: " + b.sshd.HostKey},
		{[]string{"copy " + strings.Replace(there, "sftp", "scp", 1) + "keys.txt harddisk:back", "y", plantedPassword}, "Copied scp://"},
		{[]string{"copy running-config " + there + "saved", "y", plantedPassword}, "Copied the running configuration to " + there + "saved"},
		{[]string{"copy " + there + "lines.conf running-config", "y", plantedPassword}, "is in force and saved"},
		{[]string{"copy usb0:keys.txt " + there + "refused", "y", "let me in"}, "unable to authenticate"},
		{[]string{"copy usb0:keys.txt " + there + "refused", "no"}, "not confirmed"},
		{[]string{"copy https://" + web + "/keys.txt harddisk:web"}, "no authority is trusted for files"},
		{[]string{"crypto pki authenticate files " + there + "root.pem", "y", plantedPassword, "y"}, "Authorities added: 1"},
		{[]string{"copy https://" + web + "/keys.txt harddisk:web"}, "Copied https://" + web + "/keys.txt to harddisk:/web"},
	} {
		if output := b.types(tt.typed...); !strings.Contains(output, tt.want) || strings.Contains(output, plantedPassword) {
			t.Errorf("%q prints\n%s\nwant %q, and no password", tt.typed, output, tt.want)
		}
	}
	sent, err := os.ReadFile(filepath.Join(stick, "keys.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, copied := range []string{filepath.Join(b.there, "keys.txt"), filepath.Join(b.control.Dir(), "harddisk", "back"), filepath.Join(b.control.Dir(), "harddisk", "web")} {
		if got, err := os.ReadFile(copied); err != nil || string(got) != string(sent) {
			t.Errorf("%s has %d octets, %v; want the %d that were sent", copied, len(got), err, len(sent))
		}
	}
	if _, err := os.Stat(filepath.Join(b.there, "refused")); err == nil {
		t.Error("a copy that was refused is there")
	}
	if text := b.types("show running-config"); !strings.Contains(text, "ip host gateway.example.com") {
		t.Errorf("the lines that were fetched are not in force:\n%s", text)
	}

	t.Run("Ctrl-C", func(t *testing.T) { b.interruptCopy(t, there) })
	for what, text := range map[string]string{"what control printed": b.control.Tail(), "the access log": b.types("show access log")} {
		if strings.Contains(text, plantedPassword) {
			t.Errorf("a password is in %s:\n%s", what, text)
		}
	}
}

// serveFiles serves the directory of the other system over HTTPS, and puts the
// authority that vouches for that there: root.pem.
func (b *backupBox) serveFiles(t *testing.T, address string) {
	t.Helper()
	ctx := within(t, time.Minute)
	newRoot(t, ctx, b.there)
	openssl(t, ctx, b.there, "req", "-x509", "-CA", "root.pem", "-CAkey", "root.key", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-keyout", "web.key", "-out", "web.pem", "-days", "30", "-subj", "/CN=files", "-addext", "subjectAltName=IP:"+netip.MustParseAddrPort(address).Addr().String(),
		"-addext", "basicConstraints=critical,CA:FALSE")
	command := exec.Command("openssl", "s_server", "-accept", address, "-cert", "web.pem", "-key", "web.key", "-WWW")
	command.Dir = b.there
	server, err := b.lab.LAN1.Run("openssl", command)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	if _, err := server.Await(ctx, "ACCEPT"); err != nil {
		t.Fatal(err)
	}
}

// interruptCopy ends a copy that takes long, with Ctrl-C.
func (b *backupBox) interruptCopy(t *testing.T, there string) {
	huge := filepath.Join(b.control.Dir(), "usb0", "huge")
	writePublic(t, huge, "")
	if err := os.Truncate(huge, 1<<32); err != nil { // it takes no room
		t.Fatal(err)
	}
	operator := b.shell(byKey)
	b.typed(operator, "copy usb0:huge "+there, "Is that its key")
	b.typed(operator, "", "Password of")
	if _, err := io.WriteString(operator.in, plantedPassword+"\r"); err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(b.there, "huge.part")
	awaitFile(t, part, true)
	if _, err := io.WriteString(operator.in, "\x03"); err != nil {
		t.Fatal(err)
	}
	if _, err := operator.Await(within(t, time.Minute), "cancelled: nothing of the copy is left"); err != nil {
		t.Error(err)
	}
	awaitFile(t, part, false)
	if _, err := os.Stat(filepath.Join(b.there, "huge")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file that was given up: %v; want none\n%s", err, operator.Output())
	}
}

// writePublic writes a file that the users of box and server can read.
func writePublic(t *testing.T, name, text string) {
	t.Helper()
	writeText(t, name, text)
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
}

// awaitFile waits until a file is there, or is not.
func awaitFile(t *testing.T, name string, there bool) {
	t.Helper()
	for ctx := within(t, time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(name); (err == nil) == there {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%s: want it there %t", name, there)
		}
	}
}
