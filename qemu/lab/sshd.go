package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Sshd is OpenSSH's server: a system that files are sent to over SFTP. It has one
// user, and a password file of its own.
type Sshd struct {
	*Process
	HostKey string // its fingerprint
}

// Who may log in at an Sshd, and where that user's files are there.
const (
	SFTPUser = "store"
	SFTPDir  = "/srv"
)

// sshdUser and sshdGroup are nobody's.
const sshdUser, sshdGroup = 65534, 65534

// Sshd starts the server in the namespace at that address. dir is for its files,
// and has its host key from before if there was one; the user's, SFTPDir to the
// server, are in dir/files.
func (n *Namespace) Sshd(ctx context.Context, peers *Peers, dir string, at netip.AddrPort, password string) (*Sshd, error) {
	file := func(name string) string { return filepath.Join(dir, name) }
	hostKey, err := sshdHostKey(file("host"))
	if err != nil {
		return nil, fmt.Errorf("prepare sshd: %w", err)
	}
	hashed, err := exec.CommandContext(ctx, "openssl", "passwd", "-6", password).Output()
	if err != nil {
		return nil, fmt.Errorf("prepare sshd: hash the password: %w", err)
	}
	for name, text := range map[string]string{
		"config": fmt.Sprintf("ListenAddress %s\nHostKey %s\nPidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication yes\n"+
			"Subsystem sftp internal-sftp\nForceCommand internal-sftp\n", at, file("host")),
		"passwd": fmt.Sprintf("root:x:0:0::/root:/bin/sh\nsshd:x:%[1]d:%[2]d::/run/sshd:/bin/sh\n%[3]s:x:%[1]d:%[2]d::%[4]s:/bin/sh\n",
			sshdUser, sshdGroup, SFTPUser, SFTPDir),
		"shadow": SFTPUser + ":" + strings.TrimSpace(string(hashed)) + ":19000:0:99999:7:::\n",
		// The server wants files of the machine that are not this machine's.
		"start": fmt.Sprintf("set -e\nmount --bind %s /etc/passwd\nmount --bind %s /etc/shadow\nmount --bind %s %s\nmount -t tmpfs none /run\nmkdir -m 0755 /run/sshd\nexec \"$@\"\n",
			file("passwd"), file("shadow"), file("files"), SFTPDir),
	} {
		err = errors.Join(err, os.WriteFile(file(name), []byte(text), 0o600))
	}
	err = errors.Join(err, os.Chmod(file("passwd"), 0o644), os.MkdirAll(file("files"), 0o700), os.Chown(file("files"), sshdUser, sshdGroup))
	if err != nil {
		return nil, fmt.Errorf("prepare sshd: %w", err)
	}
	command, err := peers.Command(ctx, "sshd", "-D", "-e", "-f", file("config"))
	if err != nil {
		return nil, err
	}
	inside := exec.CommandContext(ctx, "unshare", append([]string{"--mount", "sh", file("start"), command.Path}, command.Args[1:]...)...)
	inside.Env = command.Env
	process, err := n.Run("sshd", inside)
	if err != nil {
		return nil, err
	}
	if _, err := process.Await(ctx, `Server listening on`); err != nil {
		process.Kill()
		return nil, err
	}
	return &Sshd{process, hostKey}, nil
}

// sshdHostKey makes a host key unless there is one, and gives its fingerprint.
func sshdHostKey(file string) (string, error) {
	if _, err := os.Stat(file); err != nil {
		if output, err := exec.Command("ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f", file).CombinedOutput(); err != nil {
			return "", fmt.Errorf("ssh-keygen: %w: %s", err, output)
		}
	}
	text, err := os.ReadFile(file + ".pub")
	if err != nil {
		return "", err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return "", err
	}
	return ssh.FingerprintSHA256(key), nil
}
