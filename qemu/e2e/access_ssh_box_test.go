//go:build e2e

package e2e

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"causeway/qemu/lab"
)

// sshBox is control on this host with users, and OpenSSH on LAN1.
type sshBox struct {
	*lab.OpenSSH
	t       *testing.T
	lab     *lab.Lab
	control *lab.Control
	dir     string // of the client
}

// newSSHBox starts control with a configuration and these users.
func newSSHBox(t *testing.T, users string) *sshBox {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	b := &sshBox{t: t, dir: t.TempDir()}
	if b.lab, err = lab.New(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.lab.Close() })
	box, err := b.lab.Box()
	if err != nil {
		t.Fatal(err)
	}
	if b.OpenSSH, err = b.lab.LAN1.NewOpenSSH(b.dir); err != nil {
		t.Fatal(err)
	}
	config := "hostname box\nfirewall off\nlan LAN1\n ip address 192.168.42.1 255.255.255.0\n exit\nlan LAN2\n ip address 192.168.43.1 255.255.255.0\n exit\n" + users
	for _, key := range [][]string{{"id_ed25519", "ed25519"}, {"id_ecdsa", "ecdsa"}, {"id_rsa", "rsa", "-b", "3072"}} {
		public, err := b.NewKey(key[0], key[1], key[2:]...)
		if err != nil {
			t.Fatal(err)
		}
		if users != "" {
			config += "username alice key " + public
		}
	}
	if b.control, err = box.StartControl(path, config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("control printed:\n%s", b.control.Tail())
		}
		b.control.Close()
	})
	return b
}

// listens reports whether somebody answers at an address and port, from LAN1
// or LAN2.
func listens(from *lab.Namespace, address string) bool {
	err := from.Do(func() error {
		conn, err := net.DialTimeout("tcp", address, 5*time.Second)
		if err == nil {
			conn.Close()
		}
		return err
	})
	return err == nil
}

// await waits until the server is there.
func (b *sshBox) await() {
	b.t.Helper()
	for ctx := within(b.t, time.Minute); !listens(b.lab.LAN1, sshAddress+":22"); time.Sleep(20 * time.Millisecond) {
		if err := errors.Join(ctx.Err(), b.control.Running()); err != nil {
			b.t.Fatalf("SSH is not served: %v", err)
		}
	}
}

// restart kills control and starts it anew.
func (b *sshBox) restart() {
	b.t.Helper()
	b.control.Kill()
	if err := b.control.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.await()
}

// ssh runs ssh with an input.
func (b *sshBox) ssh(login lab.Login, input string, args ...string) (string, error) {
	return b.run(login, input, "ssh", args...)
}

// sftp runs sftp with a batch. It stops at the first command that fails, but
// for those that begin with "-".
func (b *sshBox) sftp(login lab.Login, lines ...string) (string, error) {
	return b.run(login, strings.Join(lines, "\n")+"\n", "sftp", "-b", "-", sshAddress)
}

// run runs one of OpenSSH's programs. A login that fails keeps its seat for a second,
// and there are few for a host: while all are taken, the program is run again.
func (b *sshBox) run(login lab.Login, input, program string, args ...string) (string, error) {
	for ctx := within(b.t, time.Minute); ; time.Sleep(100 * time.Millisecond) {
		command := b.Command(login, program, args...)
		command.Stdin = strings.NewReader(input)
		output, err := b.Output(command)
		if ctx.Err() != nil || !strings.Contains(output, "kex_exchange_identification: ") {
			return output, err
		}
	}
}

// must fails the test unless a program printed what is wanted and succeeded, or
// did not if failure is wanted.
func (b *sshBox) must(what string, output string, err error, fails bool, want ...string) {
	b.t.Helper()
	if (err != nil) != fails {
		b.t.Errorf("%s ended with %v; want failure %t:\n%s", what, err, fails, output)
	}
	for _, w := range want {
		if !strings.Contains(output, w) {
			b.t.Errorf("%s printed\n%s\nwant %q in it", what, output, w)
		}
	}
}

// shell is a terminal that somebody types at.
type shell struct {
	*lab.Process
	in io.WriteCloser
}

// shell logs in at a terminal and is privileged.
func (b *sshBox) shell(login lab.Login) shell {
	b.t.Helper()
	command := b.Command(login, "ssh", "-tt", sshAddress)
	in, err := command.StdinPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	process, err := b.lab.LAN1.Run("ssh", command)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(process.Kill)
	s := shell{process, in}
	b.typed(s, "enable", "box#")
	return s
}

// typed types a line and waits for what is then printed.
func (b *sshBox) typed(s shell, line, pattern string) []string {
	b.t.Helper()
	if _, err := io.WriteString(s.in, line+"\r"); err != nil {
		b.t.Fatal(err)
	}
	match, err := s.Await(within(b.t, time.Minute), pattern)
	if err != nil {
		b.t.Fatal(err)
	}
	return match
}
