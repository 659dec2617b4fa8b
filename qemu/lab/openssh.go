package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// OpenSSH is the client side of OpenSSH in a namespace: ssh, sftp, scp, with a
// home of their own and nothing of this host's settings.
type OpenSSH struct {
	where *Namespace
	dir   string // keys, and the host keys that were seen
}

// NewOpenSSH makes one whose files are in dir, which the caller removes.
func (n *Namespace) NewOpenSSH(dir string) (*OpenSSH, error) {
	// Passwords are asked for by a program, since there is no terminal.
	const ask = "#!/bin/sh\nprintf '%s\\n' \"$PASSWORD\"\n"
	if err := os.WriteFile(filepath.Join(dir, "ask"), []byte(ask), 0o700); err != nil {
		return nil, fmt.Errorf("make an OpenSSH client: %w", err)
	}
	return &OpenSSH{n, dir}, nil
}

// NewKey makes a key of a type that ssh-keygen knows, with more of its
// arguments, and gives its public part.
func (o *OpenSSH) NewKey(name, kind string, args ...string) (public string, err error) {
	file := filepath.Join(o.dir, name)
	args = append([]string{"-q", "-N", "", "-C", "", "-f", file, "-t", kind}, args...)
	if output, err := exec.Command("ssh-keygen", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("ssh-keygen: %w: %s", err, output)
	}
	text, err := os.ReadFile(file + ".pub")
	return string(text), err
}

// Login is how a client logs in.
type Login struct {
	User     string
	Password string // empty: with the key
	Key      string // the name of NewKey
}

// Command is one of OpenSSH's programs, as in "sftp", "-b", "-", with what it
// needs to log in.
func (o *OpenSSH) Command(login Login, program string, args ...string) *exec.Cmd {
	options := []string{"-F", "none", "-o", "User=" + login.User, "-o", "IdentityAgent=none", "-o", "IdentitiesOnly=yes",
		"-o", "StrictHostKeyChecking=accept-new", "-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "UserKnownHostsFile=" + filepath.Join(o.dir, "known_hosts"), "-o", "ConnectTimeout=20"}
	if login.Password == "" {
		options = append(options, "-i", filepath.Join(o.dir, login.Key), "-o", "PreferredAuthentications=publickey")
	} else {
		options = append(options, "-o", "PreferredAuthentications=password", "-o", "NumberOfPasswordPrompts=1", "-o", "PubkeyAuthentication=no",
			"-o", "BatchMode=no") // sftp -b turns it on
	}
	command := exec.Command(program, append(options, args...)...)
	command.Dir = o.dir
	command.Env = append(os.Environ(), "SSH_ASKPASS_REQUIRE=force", "SSH_ASKPASS="+filepath.Join(o.dir, "ask"), "PASSWORD="+login.Password)
	return command
}

// Output runs a command to its end, and gives what it printed. The error is an
// *exec.ExitError when the program failed.
func (o *OpenSSH) Output(command *exec.Cmd) (string, error) {
	var output lockedBuffer
	command.Stdout, command.Stderr = &output, &output
	if err := o.where.Start(command); err != nil {
		return "", fmt.Errorf("start %s: %w", command.Path, err)
	}
	err := command.Wait()
	return output.String(), err
}

// Pipe starts a command whose input and output the caller writes and reads.
func (o *OpenSSH) Pipe(command *exec.Cmd) (in io.WriteCloser, out io.ReadCloser, err error) {
	in, errIn := command.StdinPipe()
	out, errOut := command.StdoutPipe()
	if err := errors.Join(errIn, errOut, o.where.Start(command)); err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", command.Path, err)
	}
	return in, out, nil
}
