package xmlcdr

import (
	"cmp"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"causeway/appliance/model"
)

// target is where files are transferred to.
type target struct {
	user, address, dir string
	hostKey            string // its fingerprint
}

// fingerprint is how ssh-keygen prints that of a key.
var fingerprint = regexp.MustCompile(`^SHA256:[A-Za-z0-9+/]{43}$`)

// CheckTransfer reports what is wrong with where files are to be transferred to.
func CheckTransfer(t model.CDRTransfer) error {
	_, err := parseTarget(t)
	return err
}

func parseTarget(t model.CDRTransfer) (target, error) {
	u, err := url.Parse(t.URL)
	if err != nil {
		return target{}, fmt.Errorf("cdr transfer: %w", err)
	}
	_, hasPassword := u.User.Password()
	switch {
	case u.Scheme != "sftp" || u.User.Username() == "" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || hasPassword:
		return target{}, fmt.Errorf("cdr transfer: %s is not like sftp://user@host/directory/", u.Redacted())
	case !fingerprint.MatchString(t.HostKey):
		return target{}, fmt.Errorf("cdr transfer: %q is no fingerprint of a host key, like SHA256: and 43 characters", t.HostKey)
	}
	return target{
		user:    u.User.Username(),
		address: net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "22")),
		dir:     cmp.Or(u.Path, "/"),
		hostKey: t.HostKey,
	}, nil
}

// silence is how long the other system may take to answer, and to take octets.
const silence = 30 * time.Second

// session is a connection to the target.
type session struct {
	*sftp.Client
	ssh  *ssh.Client
	stop func() bool // no more ends with the context
	dir  string
}

// hostKeys are the kinds of host key, in the order of preference.
var hostKeys = []string{
	ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
}

// connect logs in at the target. The session ends with ctx.
func (t *target) connect(ctx context.Context, password string) (*session, error) {
	answer := func(_, _ string, questions []string, _ []bool) ([]string, error) {
		answers := make([]string, len(questions))
		for i := range answers {
			answers[i] = password
		}
		return answers, nil
	}
	config := &ssh.ClientConfig{
		User:              t.user,
		Auth:              []ssh.AuthMethod{ssh.Password(password), ssh.KeyboardInteractive(answer)},
		HostKeyAlgorithms: hostKeys,
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if seen := ssh.FingerprintSHA256(key); seen != t.hostKey {
				return fmt.Errorf("the host has the %s key %s, not the one that is set", key.Type(), seen)
			}
			return nil
		},
	}
	dialer := net.Dialer{Timeout: silence}
	conn, err := dialer.DialContext(ctx, "tcp", t.address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	c, channels, requests, err := ssh.NewClientConn(impatient{conn}, t.address, config)
	if err != nil {
		stop()
		conn.Close()
		return nil, err
	}
	s := &session{ssh: ssh.NewClient(c, channels, requests), stop: stop, dir: t.dir}
	// Octets that did not get where they should are found: all is read back.
	if s.Client, err = sftp.NewClient(s.ssh, sftp.UseConcurrentWrites(true)); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) close() {
	s.stop()
	s.ssh.Close()
}

// errAltered says that a file is not what it was when it was closed.
var errAltered = errors.New("it does not have the checksum that it was closed with")

// send writes a file under another name, reads it back and renames it. Sum is
// the MD5 that it must have; empty: any.
func (s *session) send(name string, content io.Reader, sum string) error {
	final := path.Join(s.dir, name)
	temporary := final + partSuffix
	sent, err := s.store(temporary, content)
	if err != nil {
		return err
	}
	if sum != "" && sent != sum {
		return errors.Join(errAltered, s.Remove(temporary))
	}
	stored, err := s.Open(temporary)
	if err != nil {
		return err
	}
	defer stored.Close()
	if back, err := sumOf(stored); err != nil || back != sent {
		return cmp.Or(err, fmt.Errorf("the other system has stored it with the MD5 %s instead of %s", back, sent))
	}
	if _, can := s.HasExtension("posix-rename@openssh.com"); can {
		return s.PosixRename(temporary, final)
	}
	if err := s.Remove(final); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.Rename(temporary, final)
}

// store writes a file and gives the MD5 of what was sent.
func (s *session) store(name string, content io.Reader) (sent string, err error) {
	file, err := s.Create(name)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	hash := md5.New()
	if _, err := file.ReadFromWithConcurrency(io.TeeReader(content, hash), 0); err != nil {
		return "", err
	}
	if _, can := s.HasExtension("fsync@openssh.com"); can {
		if err := file.Sync(); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// sendText sends a file whose content is at hand, unless it is there with the
// same length.
func (s *session) sendText(name string, content []byte) error {
	if info, err := s.Stat(path.Join(s.dir, name)); err == nil && info.Size() == int64(len(content)) {
		return nil
	}
	return s.send(name, strings.NewReader(string(content)), "")
}

// impatient is a connection that ends when the other side is silent.
type impatient struct{ net.Conn }

func (c impatient) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c impatient) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
