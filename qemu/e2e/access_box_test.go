//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// newBoxPorts are looked at on a box that nobody has set up.
const newBoxPorts = "20-25,53,67-69,80,123,161,443,830,1812-1813,2022,3799,5060-5061,8080,8443"

// doors is a box to log in to, at the serial port and with OpenSSH of LAN1. At the
// serial port it is machine.User who works; over SSH there are alice, with a key,
// and bob, who may look.
type doors struct {
	*smoke.Box
	ssh *sshBox
}

const bobPassword = "Planted-Word-4711"

// TestAccessBoxes takes two boxes as they leave the factory and sets them up. One
// is then logged in to at all its doors, and searched for what was typed into it;
// with -busy it has all the calls that it can do meanwhile. Other machines are
// not to slow it down: a lock-out lasts a minute.
func TestAccessBoxes(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		disks := []string{newDisk(t, diskSize), newDisk(t, diskSize)}
		boxes := bootNewBoxes(t, image, disks)
		t.Run("a new box is shut", func(t *testing.T) { newBoxShut(t, boxes[0]) })
		t.Run("two boxes show nothing in common", func(t *testing.T) { nothingInCommon(t, boxes) })
		powerOff(t, boxes[1])

		dir := t.TempDir()
		client, err := boxes[0].Lab.LAN1.NewOpenSSH(dir)
		if err != nil {
			t.Fatal(err)
		}
		p := planted{}
		type part struct {
			name string
			try  func(*testing.T, doors)
		}
		parts := []part{{"the same console", sameConsole}, {"files", filesOfBox}, {"brute force", bruteForce}, {"who was here", whoWasHere}, {"secrets", p.plant}}
		if *busyFlag > 0 {
			parts = append(parts, part{"busy", busy})
		}
		for _, part := range parts {
			t.Run(part.name, func(t *testing.T) {
				part.try(t, doors{boxes[0], &sshBox{OpenSSH: client, t: t, lab: boxes[0].Lab, dir: dir}})
			})
		}
		undenied(t, boxes[0])
		powerOff(t, boxes[0])
		t.Run("box keys", func(t *testing.T) {
			if bytes.Equal(boxKey(t, disks[0]), boxKey(t, disks[1])) {
				t.Error("two boxes have the same box key")
			}
		})
		t.Run("secrets on the disk", func(t *testing.T) { p.search(t, disks[0]) })
	})
}

// bootNewBoxes boots boxes that nobody has set up, side by side.
func bootNewBoxes(t *testing.T, image machine.Image, disks []string) []*smoke.Box {
	t.Helper()
	boxes, faults := make([]*smoke.Box, len(disks)), make([]error, len(disks))
	var booting sync.WaitGroup
	for i, disk := range disks {
		booting.Go(func() {
			boxes[i], faults[i] = smoke.Boot(t.Context(), smoke.Setup{Image: image, Disk: disk, NewBox: true})
		})
	}
	booting.Wait()
	for i, box := range boxes {
		if faults[i] != nil {
			t.Error(faults[i])
			continue
		}
		t.Cleanup(func() { endBox(t, box) })
	}
	if t.Failed() {
		t.FailNow()
	}
	return boxes
}

// newBoxShut looks at the ports of a box that has no user.
func newBoxShut(t *testing.T, box *smoke.Box) {
	peers, err := lab.OpenPeers(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	awaitAnswer(t, box.Lab.LAN2, lab.PeerLAN2, lab.BoxLAN2.String())
	scanPorts(t, box.Lab.LAN1, peers, lab.BoxLAN1.Addr(), newBoxPorts, []string{"udp 5060"})
	scanPorts(t, box.Lab.LAN2, peers, lab.BoxLAN2.Addr(), newBoxPorts, []string{"udp 5060"})
}

// saidIdentity is what tells one box from another in show certificates: the serial
// number of the box, those of its certificates, their fingerprints, and that of
// its SSH host key.
var saidIdentity = regexp.MustCompile(`SERIALNUMBER=\w+|\b[0-9a-f]{30,64}\b|SHA256:\S+`)

// nothingInCommon has each box get its first user, and compares what they show.
func nothingInCommon(t *testing.T, boxes []*smoke.Box) {
	of := map[string]int{} // the box that shows it
	for i, box := range boxes {
		expect(t, box, `^Host name .*: `) // the dialogue of the first boot is answered by itself from there
		shown := awaitCommand(t, box, "show certificates", "SHA256:")
		own := map[string]bool{}
		for _, identity := range saidIdentity.FindAllString(shown, -1) {
			if other, found := of[identity]; found && other != i {
				t.Errorf("two boxes show %s", identity)
			}
			of[identity], own[identity] = i, true
		}
		// Its serial number, its host key, and two of each certificate for SIP, the
		// pages and COM.
		if len(own) != 8 {
			t.Errorf("a box shows %v; want 8 such in\n%s", own, shown)
		}
	}
}

// boxKey is the box key on a disk that no machine has.
func boxKey(t *testing.T, disk string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "box.key")
	debugfs(t, volume(t, disk, "bootflash"), "dump /keys/box.key "+file)
	key, err := os.ReadFile(file)
	if err != nil || len(key) != 32 {
		t.Fatalf("the box key has %d octets, %v; want 32", len(key), err)
	}
	return key
}

// sameConsole makes users at the serial port, and types as one of them over SSH.
func sameConsole(t *testing.T, d doors) {
	public, err := d.ssh.NewKey("id_ed25519", "ed25519")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"username alice create", "username alice group pfs-privusers", "username alice key " + strings.TrimSpace(public),
		"username bob create", "username bob group pfs-readonly",
		"license smart activate cusp 10000", // for all the calls that a busy box can do
	} {
		command(t, d.Box, line)
	}
	contains(t, "wr", command(t, d.Box, "wr"), "is in force")
	version, _, _ := strings.Cut(command(t, d.Box, "show version"), "\n")
	hostKey := saidIdentity.FindString(command(t, d.Box, "show certificates ssh"))

	for ctx := within(t, time.Minute); !listens(d.Lab.LAN1, sshAddress+":22"); time.Sleep(50 * time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatal("SSH is not served for a minute once there is a user with a key")
		}
	}
	output, err := d.ssh.ssh(byKey, "show version\nenable\nconfigure terminal\nhostname edge\nusername bob password "+bobPassword+"\ncommit\nend\n",
		"-T", sshAddress)
	d.ssh.must("ssh -T", output, err, false, version, "is in force")
	expectHostName(t, d.Box, "edge")
	output, err = d.ssh.ssh(byKey, "show clock\rexit\r", "-tt", sshAddress)
	d.ssh.must("ssh -tt", output, err, false, "edge>show clock", "UTC")
	known, err := exec.CommandContext(t.Context(), "ssh-keygen", "-l", "-f", filepath.Join(d.ssh.dir, "known_hosts")).CombinedOutput()
	d.ssh.must("ssh-keygen -l", string(known), err, false, hostKey)
	if listens(d.Lab.LAN2, "192.168.43.1:22") {
		t.Error("SSH is served on LAN2; want it on LAN1 alone")
	}
}

// filesOfBox fetches files over SFTP, and tries those that are not for that.
func filesOfBox(t *testing.T, d doors) {
	output, err := d.ssh.sftp(byKey, "get -r /logs logs", "get /config/running-config", "ls -1 /config/revisions")
	d.ssh.must("sftp", output, err, false, ".conf")
	if text, err := os.ReadFile(filepath.Join(d.ssh.dir, "running-config")); !bytes.Contains(text, []byte("hostname edge\n")) {
		t.Errorf("/config/running-config =\n%s\n(%v); want hostname edge", text, err)
	}
	if files, err := filepath.Glob(filepath.Join(d.ssh.dir, "logs", "*", "*")); len(files) == 0 {
		t.Errorf("/logs has no files: %v", err)
	}
	for _, file := range []string{"/etc/passwd", "/logs/../../../etc/passwd", "/proc/1/environ", "/bootflash/keys/box.key",
		"/bootflash/../bootflash/keys/box.key", "/bootflash/certificates/ssh/key.pem"} {
		output, err := d.ssh.sftp(byKey, "get "+file+" stolen")
		d.ssh.must("sftp get "+file, output, err, true)
	}
	if _, err := os.Stat(filepath.Join(d.ssh.dir, "stolen")); err == nil {
		t.Error("sftp brought a file that is not for it")
	}
	output, err = d.ssh.sftp(lab.Login{User: "bob", Password: bobPassword}, "ls")
	d.ssh.must("sftp of who may read no files", output, err, true)
}

// bruteForce shuts both doors with wrong passwords. Somebody who is not there is
// answered like somebody who is, and a restart of control opens nothing.
func bruteForce(t *testing.T, d doors) {
	const tries = 5
	for range tries {
		answers, took := d.tryPasswords(t, "bob", "nobody")
		if took >= time.Minute {
			continue // it may be over by now
		}
		t.Logf("somebody who is there was answered %q, in %v", answers["bob"], took)
		for i, want := range []string{"% login invalid", "Permission denied", "Permission denied", "Permission denied", "% too many failures", "% too many failures"} {
			if there, nobody := answers["bob"][i], answers["nobody"][i]; there != nobody || !strings.Contains(there, want) {
				t.Errorf("answer %d is %q to somebody who is there, and %q to nobody; want %q for both", i, there, nobody, want)
			}
		}
		return
	}
	t.Errorf("the lock-out was over too soon, %d times: this host has too much to do", tries)
}

// tryPasswords tries three wrong passwords for each user, at both doors, and then
// that of bob, before and after a restart of control. took is the time since the
// first user may be locked out.
func (d doors) tryPasswords(t *testing.T, users ...string) (answers map[string][]string, took time.Duration) {
	answers = map[string][]string{}
	said := func(user, answer string) {
		answers[user] = append(answers[user], strings.ReplaceAll(answer, user, "USER"))
	}
	logOut(t, d.Box)
	for _, user := range users {
		said(user, serialLogin(t, d.Box, user, plantedWrong))
		said(user, d.sshLogin(t, user, plantedWrong))
	}
	begin := time.Now()
	for _, user := range users {
		said(user, d.sshLogin(t, user, plantedWrong))
		said(user, d.sshLogin(t, user, bobPassword))
		said(user, serialLogin(t, d.Box, user, bobPassword))
	}
	command(t, d.Box, "service restart control force")
	awaitCommand(t, d.Box, "show users", "alice")
	logOut(t, d.Box)
	for _, user := range users {
		said(user, serialLogin(t, d.Box, user, bobPassword))
	}
	return answers, time.Since(begin)
}

// logOut leaves the serial port to the next.
func logOut(t *testing.T, box *smoke.Box) {
	t.Helper()
	if err := box.Machine.Console.Leave(within(t, 2*time.Minute), "exit"); err != nil {
		t.Fatal(err)
	}
	expect(t, box, `^Username: `)
}

// saidSeconds is how long a lock-out goes on.
var saidSeconds = regexp.MustCompile(` in \S+$`)

// serialLogin logs in where nobody is, and gives the line with % that refuses it.
// Who is let in leaves again.
func serialLogin(t *testing.T, box *smoke.Box, user, password string) string {
	t.Helper()
	keys(t, box, user+"\r", `^Password: `)
	match := keys(t, box, password+"\r", `^(%[^\r\n]*)\s*^Username: |^\S+> `)
	if match.Groups[1] == "" {
		keys(t, box, "exit\r", `^Username: `)
	}
	return saidSeconds.ReplaceAllString(match.Groups[1], "")
}

// sshLogin logs in over SSH with a password, and gives what the client says.
func (d doors) sshLogin(t *testing.T, user, password string) string {
	t.Helper()
	output, err := d.ssh.ssh(lab.Login{User: user, Password: password}, "exit\n", "-T", sshAddress)
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return output
}

// whoWasHere has the box tell who is logged in, who was and who was refused.
func whoWasHere(t *testing.T, d doors) {
	contains(t, "show access log", command(t, d.Box, "show access log last 200"),
		"login alice on ssh 192.168.42.2:", "by key", "login "+machine.User+" on ttyS0", "by password",
		"refused bob on ttyS0", "refused bob on ssh 192.168.42.2:", "refused (unknown) on ttyS0", "locked out")
	contains(t, "show configuration history", command(t, d.Box, "show configuration history"), "alice on ssh 192.168.42.2:", machine.User+" on ttyS0")
	output, err := d.ssh.ssh(byKey, "show users\n", "-T", sshAddress)
	d.ssh.must("show users", output, err, false, " "+machine.User+" ", " ttyS0 ", " alice ", " ssh 192.168.42.2:", "COMAdmin")
}
