//go:build e2e

package e2e

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"causeway/appliance/model"
	"causeway/qemu/lab"
	"causeway/qemu/machine"
)

// What is typed into the box and must not be found again, beside passwords.
const (
	plantedWrong      = "Planted-Wrong-0815" // a password that is none
	plantedName       = "Planted-Name-1234"  // a password where the user is asked for
	plantedLogin      = "planted-login-secret"
	plantedAccounting = "planted-accounting-secret"
	plantedBackup     = "planted-backup-passphrase"
)

// planted are secrets that were typed into a box, by what they are.
type planted map[string]string

// private names the key that was imported: it is in the file for it, and nowhere
// else.
const private = "private key"

// plant has alice type secrets over SSH, so that echoes do not come by the serial
// port, has the box show all that it shows there, and kills what has seen them.
func (p planted) plant(t *testing.T, d doors) {
	identity := filepath.Join(newAuthority(t, "planted").write(t, lab.BoxLAN2.Addr()), model.IdentityFile)
	pem, err := os.ReadFile(identity)
	if err != nil {
		t.Fatal(err)
	}
	// The second line of a key on P-256 begins within its secret number.
	p[private] = strings.Split(string(pem), "\n")[2]
	for what, secret := range map[string]string{
		"password of the first user": machine.Password, "password": bobPassword, "wrong password": plantedWrong,
		"password in the place of a name": plantedName, "secret of logins": plantedLogin, "secret of billing": plantedAccounting,
		"passphrase of backups": plantedBackup,
	} {
		p[what] = secret
	}
	d.sshLogin(t, plantedName, plantedName)

	lines := "enable\nconfigure terminal\nbackup passphrase " + plantedBackup + "\naaa login radius 192.0.2.10 key " + plantedLogin + `
sbc planted
sbe
radius accounting set1
server moon
address ipv4 192.168.43.2
key ` + plantedAccounting + `
exit
exit
exit
exit
commit
end
crypto pki import radius pem
` + string(pem) + ".\nbackup now\ndir harddisk:backup\nshow running-config\nshow certificates radius\n"
	output, err := d.ssh.ssh(byKey, lines, "-T", sshAddress)
	d.ssh.must("ssh -T", output, err, false, "is in force", "In force:", ".age", "aaa login radius 192.0.2.10", "CN=SIP")
	p.absent(t, "what SSH printed", []byte(output))

	for _, service := range []string{"proxy", "billing", "control"} {
		command(t, d.Box, "service restart "+service+" force")
	}
	awaitCommand(t, d.Box, "show certificates radius", "CN=SIP")
	for _, line := range []string{
		"show running-config", "show configuration history", "show users", "show certificates", "show access log last 1000", "show logging", "show tech-support",
	} {
		contains(t, line, command(t, d.Box, line), "\n")
	}
	transcript := d.Machine.Console.Transcript()
	contains(t, "the serial port", transcript, "aaa login radius 192.0.2.10 key ") // it would be seen
	p.absent(t, "what the serial port printed", []byte(transcript))
}

// absent wants no secret in a text.
func (p planted) absent(t *testing.T, where string, text []byte) {
	t.Helper()
	for what, secret := range p {
		if at := bytes.Index(text, []byte(secret)); at >= 0 {
			t.Errorf("the %s is in %s: …%q", what, where, text[max(0, at-200):at+len(secret)])
		}
	}
}

// search looks for secrets on a disk that no machine has, in what was deleted,
// too. Only the file of the imported key may have it.
func (p planted) search(t *testing.T, disk string) {
	content, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(content, []byte("aaa login radius 192.0.2.10 key ")) {
		t.Error("the disk does not have the configuration in plain text; want it where secrets are looked for")
	}
	volumes, err := machine.Volumes(disk)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range volumes {
		if v.Name == "harddisk" {
			p.absent(t, "the volume harddisk", content[v.Start:v.Start+v.Size])
		}
	}
	key := p[private]
	delete(p, private)
	p.absent(t, "the disk", content)

	bootflash := t.TempDir()
	debugfs(t, volume(t, disk, "bootflash"), "rdump / "+bootflash)
	found := 0
	err = filepath.WalkDir(bootflash, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if !bytes.Contains(text, []byte(key)) {
			return err
		}
		found++
		if file, _ := filepath.Rel(bootflash, path); filepath.Dir(file) != filepath.Join("certificates", string(model.ForRADIUS)) {
			t.Errorf("the %s is in bootflash:%s", private, file)
		}
		return err
	})
	if err != nil || found == 0 {
		t.Errorf("the %s is in %d files of bootflash (%v); want it in that of the certificate", private, found, err)
	}
}
