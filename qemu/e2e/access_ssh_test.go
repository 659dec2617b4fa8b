//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/sys/unix"

	"causeway/qemu/lab"
	"causeway/qemu/machine"
)

const (
	sshAddress  = "192.168.42.1"
	sshPassword = "Horse-battery-7"
)

// byKey and byPassword are how alice logs in.
var (
	byKey      = lab.Login{User: "alice", Key: "id_ed25519"}
	byPassword = lab.Login{User: "alice", Password: sshPassword}
)

// TestAccessSSH has OpenSSH and ssh-audit try a box on this host.
func TestAccessSSH(t *testing.T) {
	t.Parallel()
	b := newSSHBox(t, "username alice create\nusername alice password "+sshPassword+"\nusername alice group pfs-privusers\n"+
		"username mallory create\nusername mallory password "+sshPassword+"\nusername mallory group pfs-readonly\n")
	b.await()
	for _, part := range []struct {
		name string
		try  func(*testing.T, *sshBox)
	}{
		{"terminal", sshTerminal}, {"keys", sshKeys}, {"lines", sshLines}, {"refused", sshRefused}, {"files", sshFiles},
		{"outside", sshOutside}, {"opens", sshOpens}, {"audit", sshAudit}, {"sessions", sshSessions}, {"one LAN", sshOneLAN}, {"restart", sshRestart}, {"brute force", sshBruteForce},
	} {
		t.Run(part.name, func(t *testing.T) {
			here := *b
			here.t = t
			part.try(t, &here)
		})
	}
}

// TestAccessSSHNewBox: without a user nothing listens, firewall or not.
func TestAccessSSHNewBox(t *testing.T) {
	t.Parallel()
	b := newSSHBox(t, "")
	for ctx := within(t, time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if err := errors.Join(ctx.Err(), b.control.Running()); err != nil {
			t.Fatalf("control does not come up: %v", err)
		}
		if listens(b.lab.Home, "127.0.0.1:53") { // another subject is up
			break
		}
	}
	if listens(b.lab.LAN1, sshAddress+":22") {
		t.Error("a new box serves SSH")
	}
}

// sshTerminal types on a terminal, after a login by password.
func sshTerminal(t *testing.T, b *sshBox) {
	output, err := b.ssh(byPassword, "enable\rshow running-config | include host\rexit\r", "-tt", sshAddress)
	b.must("ssh -tt", output, err, false, "For authorised users only", "box>", "box#", "hostname box\r\n")
	if strings.Contains(output, sshPassword) {
		t.Errorf("the password is in what ssh printed:\n%s", output)
	}
}

func sshKeys(_ *testing.T, b *sshBox) {
	for _, key := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
		output, err := b.ssh(lab.Login{User: "alice", Key: key}, "exit\n", "-T", sshAddress)
		b.must("ssh with "+key, output, err, false, "box>")
		output, err = b.ssh(lab.Login{User: "mallory", Key: key}, "exit\n", "-T", sshAddress)
		b.must("ssh with the key of another", output, err, true, "Permission denied")
	}
}

func sshLines(_ *testing.T, b *sshBox) {
	output, err := b.ssh(byKey, "show users\nno such command\n", "-T", sshAddress)
	b.must("ssh -T", output, err, false, "ssh 192.168.42.2:", "% no is not a command here")
}

// sshRefused asks for what is not served.
func sshRefused(_ *testing.T, b *sshBox) {
	for _, try := range []struct {
		args []string
		want string
	}{
		{[]string{sshAddress, "show version"}, "exec request failed"},
		{[]string{"-s", sshAddress, "netconf"}, "subsystem request failed"},
		{[]string{"-W", "127.0.0.1:53", sshAddress}, "administratively prohibited"},
		{[]string{"-N", "-o", "ExitOnForwardFailure=yes", "-R", "8080:127.0.0.1:80", sshAddress}, "remote port forwarding failed"},
		{[]string{"-N", "-o", "ExitOnForwardFailure=yes", "-R", "/tmp/x:127.0.0.1:80", sshAddress}, "remote port forwarding failed"},
		{[]string{"-N", "-w", "0:0", "-o", "ExitOnForwardFailure=yes", sshAddress}, "unnel"},
	} {
		output, err := b.ssh(byKey, "", try.args...)
		b.must(fmt.Sprintf("ssh %q", try.args), output, err, true, try.want)
	}
	output, err := b.ssh(lab.Login{User: "alice", Password: "Wrong-password-1"}, "", "-T", sshAddress)
	b.must("ssh with a wrong password", output, err, true, "Permission denied (password,publickey).")
	output, err = b.ssh(lab.Login{User: "nobody", Password: "Wrong-password-1"}, "", "-T", sshAddress)
	b.must("ssh of nobody", output, err, true, "Permission denied (password,publickey).")
	output, err = b.sftp(lab.Login{User: "mallory", Password: sshPassword}, "ls")
	b.must("sftp of who may read no files", output, err, true, "subsystem request failed")
}

// sshFiles sends and fetches files.
func sshFiles(t *testing.T, b *sshBox) {
	text := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	if err := os.WriteFile(filepath.Join(b.dir, "sent"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := b.sftp(byPassword, "ls -1", "mkdir /harddisk/d", "put sent /harddisk/d/file", "put -p sent /harddisk/d/file", "ls -l /harddisk/d",
		"rename /harddisk/d/file /harddisk/d/other", "get /harddisk/d/other got", "get /config/running-config", "get /CUSP/log/sml.log", "cd /usb0", "put sent")
	b.must("sftp", output, err, false, "config\n", "opt\n", "1048576")
	if got, err := os.ReadFile(filepath.Join(b.dir, "got")); !bytes.Equal(got, text) || err != nil {
		t.Errorf("got %d octets, %v; want what was sent", len(got), err)
	}
	if running, err := os.ReadFile(filepath.Join(b.dir, "running-config")); !bytes.Contains(running, []byte("hostname box\n")) || bytes.Contains(running, []byte(sshPassword)) || err != nil {
		t.Errorf("running-config is %s, %v; want the configuration, without the password", running, err)
	}
	if sml, err := os.ReadFile(filepath.Join(b.dir, "sml.log")); len(sml) == 0 || err != nil {
		t.Errorf("sml.log is %q, %v; want the licence log", sml, err)
	}
	output, err = b.run(byKey, "", "scp", "-p", "sent", sshAddress+":/harddisk/d/copy")
	b.must("scp to the box", output, err, false)
	output, err = b.run(byKey, "", "scp", "-p", "-r", sshAddress+":/harddisk/d", ".")
	b.must("scp from the box", output, err, false)
	if got, err := os.ReadFile(filepath.Join(b.dir, "d", "copy")); !bytes.Equal(got, text) || err != nil {
		t.Errorf("scp brought %d octets, %v; want what was sent", len(got), err)
	}
	output, err = b.sftp(byKey, "rm /harddisk/d/*", "rmdir /harddisk/d", "-rm /bootflash/control/alarms.db", "-put sent /config/running-config")
	b.must("sftp", output, err, false, `remote delete /bootflash/control/alarms.db: Permission denied`, `dest open "/config/running-config": Permission denied`)
}

// sshOutside tries ways out of the tree, and what must not be opened.
func sshOutside(t *testing.T, b *sshBox) {
	stick := filepath.Join(b.control.Dir(), "usb0")
	err := errors.Join(os.Symlink("/etc/passwd", filepath.Join(stick, "link")), os.Symlink("/etc", filepath.Join(stick, "dir")),
		unix.Mkfifo(filepath.Join(stick, "pipe"), 0o666), unix.Mknod(filepath.Join(stick, "null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"/etc/passwd", "/../../../../etc/passwd", "/usb0/../../etc/passwd", "/usb0/link", "/usb0/dir/passwd",
		"/usb0/pipe", "/usb0/null", "/bootflash/keys/box.key", "/bootflash/certificates/ssh/key.pem"} {
		output, err := b.sftp(byKey, "get "+file+" stolen")
		b.must("sftp get "+file, output, err, true)
	}
	output, err := b.sftp(byKey, "ln -s /etc/passwd /usb0/new")
	b.must("sftp ln -s", output, err, true, "Operation unsupported")
	if text, _ := os.ReadFile(filepath.Join(b.dir, "stolen")); len(text) > 0 { // sftp may leave an empty file
		t.Errorf("got %s", text)
	}
}

// sshOpens opens a file 10,000 times, through OpenSSH's ssh.
func sshOpens(t *testing.T, b *sshBox) {
	if err := os.WriteFile(filepath.Join(b.control.Dir(), "usb0", "file"), []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	command := b.Command(byKey, "ssh", "-s", sshAddress, "sftp")
	in, out, err := b.Pipe(command)
	if err != nil {
		t.Fatal(err)
	}
	client, err := sftp.NewClientPipe(out, in)
	if err != nil {
		t.Fatal(err)
	}
	open := 0
	for range 10_000 {
		if _, err := client.Open("/usb0/file"); err == nil {
			open++
		} else if !strings.Contains(err.Error(), "are open already") {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.control.PID()))
	if err != nil {
		t.Fatal(err)
	}
	used, err := lab.Usage(b.control.PID())
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	command.Wait()
	t.Logf("opens=%d files=%d memory_kb=%d", open, len(files), used.MemoryKB)
	// Of the memory, 19 MiB are those of the last password.
	const mostOpen, mostFiles, mostMemory = 32, 200, 128 << 10
	if open != mostOpen || len(files) > mostFiles || used.MemoryKB > mostMemory {
		t.Errorf("of 10,000 opens %d went well, control has %d descriptors and %d KB; want %d, %d and %d at most",
			open, len(files), used.MemoryKB, mostOpen, mostFiles, mostMemory)
	}
}

// sshAudit has ssh-audit look at the algorithms: it finds no fault. There are
// two that Debian's is too old for.
func sshAudit(t *testing.T, b *sshBox) {
	output, err := b.Output(exec.Command("ssh-audit", "--no-colors", sshAddress))
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	newer := regexp.MustCompile(`^\(kex\) (mlkem768x25519-sha256|kex-strict-s-v00@openssh.com) +-- \[warn\] unknown algorithm`)
	for line := range strings.Lines(output) {
		if (strings.Contains(line, "[fail]") || strings.Contains(line, "[warn]")) && !newer.MatchString(line) {
			t.Errorf("ssh-audit: %s", line)
		}
	}
	if want := "(enc) aes256-gcm@openssh.com"; !strings.Contains(output, want) {
		t.Errorf("ssh-audit printed\n%s(%v)\nwant %s in it", output, err, want)
	}
}

// sshSessions ends sessions in each way that others end them.
func sshSessions(t *testing.T, b *sshBox) {
	operator := b.shell(byKey)
	gone := b.shell(byPassword)
	b.typed(gone, "configure terminal", `box\(config\)#`)
	b.typed(operator, "configure terminal", "alice on ssh .* holds the candidate")
	b.typed(operator, "no", "")
	gone.Kill() // a hang-up gives the candidate back
	for ctx := within(t, time.Minute); !strings.Contains(operator.Output(), "hang up"); time.Sleep(50 * time.Millisecond) {
		b.typed(operator, "show access log last 1", "")
		if ctx.Err() != nil {
			t.Fatalf("a hang-up does not end a session:\n%s", operator.Output())
		}
	}
	b.typed(operator, "configure terminal", `box\(config\)#`)
	b.typed(operator, "username bob create", "")
	b.typed(operator, "username bob password "+sshPassword, "")
	b.typed(operator, "username bob group pfs-privusers", "")
	b.typed(operator, "commit", "Revision 2 is in force")
	bob := lab.Login{User: "bob", Password: sshPassword}

	cleared := b.shell(bob)
	number := b.typed(operator, "do show users", `(\d+) +bob +ssh `)[1]
	b.typed(operator, "do clear user session "+number, "")
	if _, err := cleared.Await(within(t, time.Minute), "closed by remote host"); err != nil {
		t.Errorf("clear user session: %v", err)
	}

	deleted := b.shell(bob)
	b.typed(operator, "no username bob", "")
	b.typed(operator, "commit", "Revision 3 is in force")
	if _, err := deleted.Await(within(t, time.Minute), "closed by remote host"); err != nil {
		t.Errorf("the session of a user who is deleted: %v", err)
	}
	b.typed(operator, "end", "")
}

// sshOneLAN: with the firewall off, SSH is at the LAN alone where it should be.
func sshOneLAN(t *testing.T, b *sshBox) {
	if listens(b.lab.LAN2, "192.168.43.1:22") {
		t.Error("SSH is served on LAN2; want it on LAN1 alone")
	}
}

// sshRestart: the host key stays when control starts anew.
func sshRestart(_ *testing.T, b *sshBox) {
	b.restart()
	output, err := b.ssh(byKey, "exit\n", "-T", "-o", "StrictHostKeyChecking=yes", sshAddress)
	b.must("ssh after a restart of control", output, err, false, "box>")
}

// sshBruteForce tries passwords: then even the right one is refused, while the
// key still opens. It is kept over a restart of control.
func sshBruteForce(_ *testing.T, b *sshBox) {
	for i := range 3 {
		output, err := b.ssh(lab.Login{User: "alice", Password: fmt.Sprint("Wrong-password-", i)}, "", "-T", sshAddress)
		b.must("ssh with a wrong password", output, err, true, "Permission denied")
	}
	b.restart()
	output, err := b.ssh(byPassword, "", "-T", sshAddress)
	b.must("ssh with the right password, locked out", output, err, true, "Permission denied")
	output, err = b.ssh(byKey, "exit\n", "-T", sshAddress)
	b.must("ssh with the key, locked out", output, err, false, "box>")
}

// ssh logs in to a machine by IPv6, and by IPv4 sends and fetches a file.
func (n network) ssh(t *testing.T) {
	dir := t.TempDir()
	client, err := n.Lab.LAN1.NewOpenSSH(dir)
	if err != nil {
		t.Fatal(err)
	}
	b := &sshBox{OpenSSH: client, t: t}
	login := lab.Login{User: machine.User, Password: machine.Password}
	output, err := b.ssh(login, "show users\nexit\n", "-T", box6.String())
	b.must("ssh", output, err, false, machine.User, "ssh [2001:db8:42::2]:")
	text := []byte("sent\n")
	if err := os.WriteFile(filepath.Join(dir, "sent"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	output, err = b.sftp(login, "put sent /harddisk/sent", "get /harddisk/sent got", "rm /harddisk/sent", "ls /logs")
	b.must("sftp", output, err, false, "/logs/messages")
	if got, err := os.ReadFile(filepath.Join(dir, "got")); !bytes.Equal(got, text) || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, text)
	}
}
