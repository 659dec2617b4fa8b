//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway/qemu/lab"
)

// What must not be seen, and what opens a backup.
const (
	plantedPassword = "planted-sftp-password"
	backupPhrase    = "correct-horse-battery"
)

var madeBackup = regexp.MustCompile(`Backup of \d+ octets made:\s+\S+/(causeway-\w+-\w+\.tar\.age)`)

// backupBox is a box on this host that saves itself on another system, which
// OpenSSH's server is.
type backupBox struct {
	*sshBox
	peers *lab.Peers
	sshd  *lab.Sshd
	there string // directory of the other system's files
}

// newBackupBox starts a box with that serial number, and the other system with
// its files and host key in dir.
func newBackupBox(t *testing.T, serial, dir string) *backupBox {
	t.Helper()
	b := &backupBox{there: filepath.Join(dir, "files")}
	var err error
	if b.peers, err = lab.OpenPeers(t.Context(), t.Output()); err != nil {
		t.Fatal(err)
	}
	b.sshBox = newSSHBox(t, "username alice create\nusername alice password "+sshPassword+"\nusername alice group pfs-privusers\n")
	if b.sshd, err = b.lab.LAN1.Sshd(within(t, time.Minute), b.peers, dir, netip.MustParseAddrPort("192.168.42.2:22"), plantedPassword); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.sshd.Kill)
	writeText(t, filepath.Join(b.control.Dir(), "run", "init", "serial"), serial+"\n")
	b.await()
	return b
}

// types types lines on a terminal, at the prompt #. Alice logs in with her
// password, which the backup takes along; her keys are others on each box.
func (b *backupBox) types(lines ...string) string {
	b.t.Helper()
	output, err := b.ssh(byPassword, "enable\r"+strings.Join(lines, "\r")+"\rexit\r", "-tt", sshAddress)
	b.must("ssh -tt", output, err, false)
	for _, secret := range []string{backupPhrase, "AGE-SECRET-KEY"} {
		if strings.Contains(output, secret) {
			b.t.Errorf("%s is on the screen:\n%s", secret, output)
		}
	}
	return output
}

// backUp has a backup made and gives its name.
func (b *backupBox) backUp(lines ...string) string {
	b.t.Helper()
	output := b.types(lines...)
	made := madeBackup.FindStringSubmatch(output)
	if made == nil {
		b.t.Fatalf("no backup was made:\n%s", output)
	}
	return made[1]
}

// TestAccessBackup saves a box on the stick and on another system, opens both with
// the age tool, and restores one on another box, which then can do what the first
// one could: log in at the other system with a secret that it never was told.
func TestAccessBackup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := newBackupBox(t, "CWY11111111", dir)
	stick := filepath.Join(first.control.Dir(), "usb0")

	identity := filepath.Join(t.TempDir(), "identity")
	first.age(t, "", "age-keygen", "-o", identity)
	recipient := strings.TrimSpace(first.age(t, "", "age-keygen", "-y", identity))
	first.types("configure terminal", "backup schedule daily 02:30 sftp://"+lab.SFTPUser+"@192.168.42.2"+lab.SFTPDir+"/ keep 3 password "+plantedPassword+
		" host-key "+first.sshd.HostKey, "commit", "end")
	onStick := filepath.Join(stick, first.backUp("backup now usb0:", backupPhrase, backupPhrase))
	first.types("configure terminal", "backup recipient "+recipient, "commit", "end")
	there := filepath.Join(first.there, first.backUp("backup now"))

	for _, file := range []string{onStick, there} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{plantedPassword, backupPhrase, "hostname", "username", "CWY11111111"} {
			if bytes.Contains(content, []byte(word)) {
				t.Errorf("%q stands in %s", word, filepath.Base(file))
			}
		}
	}
	for what, archive := range map[string]string{
		"the key":        first.age(t, "", "age", "--decrypt", "-i", identity, there),
		"the passphrase": first.age(t, backupPhrase, "age", "--decrypt", onStick),
	} {
		files := untar(t, archive)
		if text := files["configuration.conf"]; !strings.Contains(text, "password "+plantedPassword+" host-key") || strings.Contains(text, "sealed:") {
			t.Errorf("with %s age gives the configuration\n%s\nwant its secret in plain text", what, text)
		}
		if text := files["manifest.json"]; !strings.Contains(text, `"serial": "CWY11111111"`) || !strings.Contains(text, "host key of SSH") {
			t.Errorf("with %s age gives the manifest\n%s", what, text)
		}
	}

	second := newBackupBox(t, "CWY22222222", dir)
	content, err := os.ReadFile(onStick)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(second.control.Dir(), "usb0", "x.age"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	output := second.types("backup restore usb0:x.age", backupPhrase, "y", "configure terminal", "commit", "end", "show running-config | include backup")
	if !strings.Contains(output, "Box: CWY11111111 (box)") || !strings.Contains(output, "is in force and saved") || strings.Contains(output, plantedPassword) {
		t.Errorf("the other box printed\n%s\nwant the backup of the first one in force", output)
	}
	again := second.backUp("backup now", backupPhrase, backupPhrase)
	if _, err := os.Stat(filepath.Join(second.there, again)); err != nil || !strings.Contains(again, "CWY22222222") {
		t.Errorf("the backup of the second box %s is not on the other system: %v", again, err)
	}
	for _, b := range []*backupBox{first, second} {
		for what, text := range map[string]string{"what control printed": b.control.Tail(), "the access log": b.types("show access log"), "show backup": b.types("show backup")} {
			if strings.Contains(text, plantedPassword) {
				t.Errorf("a secret is in %s:\n%s", what, text)
			}
		}
	}
}

// age runs age or age-keygen of Debian and gives what it writes. A passphrase is
// typed on a terminal, since nothing else will do.
func (b *backupBox) age(t *testing.T, passphrase, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command, err := b.peers.Command(ctx, program, args...)
	if err != nil {
		t.Fatal(err)
	}
	var output, errors bytes.Buffer
	command.Stdout, command.Stderr = &output, &errors
	if passphrase != "" {
		defer typeAt(t, command, passphrase)()
	}
	if err := command.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, errors.String())
	}
	return output.String()
}

// typeAt gives a command a terminal on which a line is typed. The terminal is to
// be closed.
func typeAt(t *testing.T, command *exec.Cmd, line string) (closeIt func()) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	command.Stdin = terminal
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if _, err := master.WriteString(line + "\n"); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, master) // until it is closed
	return func() {
		terminal.Close()
		master.Close()
	}
}

// untar gives the files of an archive.
func untar(t *testing.T, archive string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for r := tar.NewReader(strings.NewReader(archive)); ; {
		header, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(text)
	}
}
