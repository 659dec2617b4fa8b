// Package remote is files on other systems, over SFTP (draft-ietf-secsh-filexfer-02):
// where finished CDR files and backups go, and what operators copy. Files are
// fetched over HTTPS as well (https.go).
//
// In come a URL such as sftp://user@192.0.2.1/cdr/, the password of the user and
// the fingerprint of the host key that is expected. Out comes a Session, through
// which a file arrives whole or not at all. A host with another key is not told
// the password.
package remote

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net"
	"net/url"
	"path"
	"regexp"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// Place is a directory or a file on another system.
type Place struct {
	User    string
	Address string // host and port
	Path    string // "/" if the URL has none
}

// Parse reads a URL with user and host. scp: is another name for sftp:, which
// OpenSSH's scp has spoken since its release 9.0. A password in the URL is
// refused: it would stand in listings and logs.
func Parse(text string) (Place, error) {
	u, err := url.Parse(text)
	if err != nil { // which repeats the text, with a password if there is one
		return Place{}, errors.New("this is not a URL like sftp://user@host/directory/")
	}
	if _, hasPassword := u.User.Password(); hasPassword || u.Scheme != "sftp" && u.Scheme != "scp" || u.User.Username() == "" ||
		u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return Place{}, fmt.Errorf("%s is not like sftp://user@host/directory/", u.Redacted())
	}
	return Place{u.User.Username(), net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "22")), cmp.Or(u.Path, "/")}, nil
}

// Login is how another system is logged in to.
type Login struct {
	Password string `json:"password"`
	HostKey  string `json:"host_key"` // fingerprint
}

// fingerprint is how ssh-keygen prints that of a key.
var fingerprint = regexp.MustCompile(`^SHA256:[A-Za-z0-9+/]{43}$`)

// CheckHostKey says why a text is not the fingerprint of a host key.
func CheckHostKey(text string) error {
	if !fingerprint.MatchString(text) {
		return fmt.Errorf("%q is no fingerprint of a host key, like SHA256: and 43 characters", text)
	}
	return nil
}

// silence is how long the other system may take to answer, and to take octets.
const silence = 30 * time.Second

// hostKeys are the kinds of host key, in the order of preference.
var hostKeys = []string{
	ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
}

// Session is a connection to another system. Its owner closes it.
type Session struct {
	client *sftp.Client
	ssh    *ssh.Client
	stop   func() bool // no more ends with the context
	dir    string
}

// Connect logs in. hostKey is the fingerprint of the key that the host must
// have. The session ends with ctx.
func (p Place) Connect(ctx context.Context, password, hostKey string) (*Session, error) {
	answer := func(_, _ string, questions []string, _ []bool) ([]string, error) {
		answers := make([]string, len(questions))
		for i := range answers {
			answers[i] = password
		}
		return answers, nil
	}
	config := &ssh.ClientConfig{
		User: p.User,
		// The password last: its refusal is told as one, also by a host that has no
		// questions to ask although it offers to.
		Auth:              []ssh.AuthMethod{ssh.KeyboardInteractive(answer), ssh.Password(password)},
		HostKeyAlgorithms: hostKeys,
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if seen := ssh.FingerprintSHA256(key); seen != hostKey {
				return fmt.Errorf("the host has the %s key %s, not the one that is set", key.Type(), seen)
			}
			return nil
		},
	}
	client, stop, err := p.dial(ctx, config)
	if err != nil {
		return nil, p.unreached(err)
	}
	s := &Session{ssh: client, stop: stop, dir: p.Path}
	// Octets that did not get where they should are found: all is read back.
	if s.client, err = sftp.NewClient(client, sftp.UseConcurrentWrites(true)); err != nil {
		s.Close()
		return nil, p.unreached(err)
	}
	return s, nil
}

// unreached says why there is no connection.
func (p Place) unreached(err error) error { return fmt.Errorf("connect to %s: %w", p.Address, err) }

// errSeen ends a handshake once the host key is known.
var errSeen = errors.New("the host key was seen")

// HostKey asks the host for its key, and gives the fingerprint. Whether it is the
// right one, somebody else has to know.
func (p Place) HostKey(ctx context.Context) (seen string, err error) {
	client, stop, err := p.dial(ctx, &ssh.ClientConfig{
		User:              p.User,
		HostKeyAlgorithms: hostKeys,
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			seen = ssh.FingerprintSHA256(key)
			return errSeen
		},
	})
	if err == nil { // no handshake is without a host key
		stop()
		client.Close()
	}
	if seen == "" {
		return "", p.unreached(err)
	}
	return seen, nil
}

// dial makes an SSH connection that ends with ctx until stop is called.
func (p Place) dial(ctx context.Context, config *ssh.ClientConfig) (client *ssh.Client, stop func() bool, err error) {
	dialer := net.Dialer{Timeout: silence}
	conn, err := dialer.DialContext(ctx, "tcp", p.Address)
	if err != nil {
		return nil, nil, err
	}
	stop = context.AfterFunc(ctx, func() { conn.Close() })
	c, channels, requests, err := ssh.NewClientConn(impatient{conn}, p.Address, config)
	if err != nil {
		stop()
		conn.Close()
		return nil, nil, err
	}
	return ssh.NewClient(c, channels, requests), stop, nil
}

// Close ends the connection.
func (s *Session) Close() {
	s.stop()
	s.ssh.Close()
}

// PartSuffix ends the name of a file while it is sent.
const PartSuffix = ".part"

// Send writes a file of the directory under another name, reads it back and
// renames it. An error of content is given as it is. When it fails, or ctx ends,
// nothing is left of the file if the session goes on.
func (s *Session) Send(ctx context.Context, name string, content io.Reader) (err error) {
	final := path.Join(s.dir, name)
	temporary := final + PartSuffix
	defer func() {
		if err != nil {
			s.client.Remove(temporary) // else the next one takes its place
		}
	}()
	read := &digested{Reader: until(ctx, content.Read), hash: sha256.New()}
	if err := s.store(temporary, read); err != nil {
		return cmp.Or(read.err, err)
	}
	stored, err := s.client.Open(temporary)
	if err != nil {
		return err
	}
	defer stored.Close()
	back := sha256.New()
	if _, err := io.Copy(until(ctx, back.Write), stored); err != nil {
		return err
	}
	if string(back.Sum(nil)) != string(read.hash.Sum(nil)) {
		return errors.New("the other system has stored something else than was sent")
	}
	if _, can := s.client.HasExtension("posix-rename@openssh.com"); can {
		return s.client.PosixRename(temporary, final)
	}
	if err := s.client.Remove(final); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.client.Rename(temporary, final)
}

// octets are read or written by calling it.
type octets func([]byte) (int, error)

func (o octets) Read(b []byte) (int, error)  { return o(b) }
func (o octets) Write(b []byte) (int, error) { return o(b) }

// until does the same as do as long as ctx lasts.
func until(ctx context.Context, do octets) octets {
	return func(b []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return do(b)
	}
}

// digested notes what is read, and what is wrong with it.
type digested struct {
	io.Reader
	hash hash.Hash
	err  error // but io.EOF
}

func (d *digested) Read(b []byte) (int, error) {
	n, err := d.Reader.Read(b)
	d.hash.Write(b[:n])
	if err != io.EOF {
		d.err = err
	}
	return n, err
}

// store writes a file.
func (s *Session) store(name string, content io.Reader) (err error) {
	file, err := s.client.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.ReadFromWithConcurrency(content, 0); err != nil {
		return err
	}
	if _, can := s.client.HasExtension("fsync@openssh.com"); can {
		return file.Sync()
	}
	return nil
}

// Stat tells of a file of the directory.
func (s *Session) Stat(name string) (fs.FileInfo, error) {
	return s.client.Stat(path.Join(s.dir, name))
}

// Open opens a file of the directory for reading. io.Copy has several pieces under
// way at once.
func (s *Session) Open(name string) (io.ReadCloser, error) {
	return s.client.Open(path.Join(s.dir, name))
}

// Remove removes a file of the directory.
func (s *Session) Remove(name string) error { return s.client.Remove(path.Join(s.dir, name)) }

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
