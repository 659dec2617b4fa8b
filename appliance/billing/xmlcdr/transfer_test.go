package xmlcdr

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"causeway/appliance/model"
)

// sshServer is another system that takes files over SFTP.
type sshServer struct {
	address     string
	fingerprint string
	dir         string // of the files
	listener    net.Listener

	mu     sync.Mutex
	serve  func(ssh.Channel) error // as SFTP
	octets int                     // after which a connection ends; 0: never
}

const testPassword = "let me in"

func startServer(t *testing.T) *sshServer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sshServer{address: listener.Addr().String(), fingerprint: ssh.FingerprintSHA256(signer.PublicKey()), dir: t.TempDir(), listener: listener}
	s.serve = func(c ssh.Channel) error {
		server, err := sftp.NewServer(c)
		if err != nil {
			return err
		}
		return server.Serve()
	}
	config := &ssh.ServerConfig{PasswordCallback: func(c ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
		if c.User() != "cdr" || string(password) != testPassword {
			return nil, errors.New("refused")
		}
		return nil, nil
	}}
	config.AddHostKey(signer)
	var connections sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		connections.Wait()
	})
	connections.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Go(func() { s.session(conn, config) })
		}
	})
	return s
}

// change changes how connections to come are served.
func (s *sshServer) change(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// session serves one connection.
func (s *sshServer) session(conn net.Conn, config *ssh.ServerConfig) {
	defer conn.Close()
	s.mu.Lock()
	serve := s.serve
	if s.octets > 0 {
		conn = &shortLived{conn, s.octets}
	}
	s.mu.Unlock()
	c, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	defer c.Close()
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		for request := range requests {
			request.Reply(request.Type == "subsystem", nil)
			if request.Type == "subsystem" {
				break
			}
		}
		go ssh.DiscardRequests(requests)
		serve(channel)
		channel.Close()
	}
}

// shortLived is a connection that ends after so many octets.
type shortLived struct {
	net.Conn
	left int
}

func (c *shortLived) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.left -= n; c.left < 0 {
		c.Conn.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// options are those of files that are transferred to the server.
func (s *sshServer) options(t *testing.T) Options {
	return Options{
		Dir: t.TempDir(), Secret: testPassword,
		Settings: model.XMLMethod{Size: 1, Transfer: model.CDRTransfer{
			URL: (&url.URL{Scheme: "sftp", User: url.User("cdr"), Host: s.address, Path: s.dir}).String(), HostKey: s.fingerprint,
		}},
	}
}

// waiting gives files with calls, finished but the last.
func waiting(t *testing.T, o Options) *Files {
	t.Helper()
	f := openTest(t, o)
	appendAll(t, f, records(1, 13)...)
	if status := f.Status(); status.Files != 3 {
		t.Fatalf("Status = %+v; want 3 files", *status)
	}
	return f
}

// transferNow looks twice.
func (f *Files) transferNow(t *testing.T) error {
	t.Helper()
	found, err := f.transferAll(t.Context(), nil)
	if err != nil || len(found) != f.Status().Waiting {
		t.Fatalf("transferAll = %v, %v; want as many as wait: %d", found, err, f.Status().Waiting)
	}
	_, err = f.transferAll(t.Context(), found)
	return err
}

func TestTransfer(t *testing.T) {
	server := startServer(t)
	f := waiting(t, server.options(t))
	last := f.Status().LastFile
	sent := finishedIn(t, f.options.Dir)
	for _, name := range []string{last, last + partSuffix, logNames[0]} { // of a transfer that was cut
		if err := os.WriteFile(filepath.Join(server.dir, name), []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.transferNow(t); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, "on the other system", finishedIn(t, server.dir), sent)
	if status := f.Status(); status.Waiting != 0 || status.Transferred != last || status.TransferProblem != "" {
		t.Errorf("Status = %+v; want %s transferred, none waiting", *status, last)
	}
	if names, want := namesIn(t, f.options.Dir), []string{"billing-0-#-000004.xml.part", "md5checksum1.log"}; !slices.Equal(names, want) {
		t.Errorf("there are %v; want %v", names, want)
	}
	if names, want := namesIn(t, server.dir), []string{"billing-0-#-000001.xml", "billing-0-#-000002.xml", "billing-0-#-000003.xml", "md5checksum1.log"}; !slices.Equal(names, want) {
		t.Errorf("the other system has %v; want %v", names, want)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	o := f.options
	f = openTest(t, o) // the numbers go on although the files are gone
	appendAll(t, f, records(14, 18)...)
	if err := f.transferNow(t); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, "on the other system", finishedIn(t, server.dir), numbers(1, 17))
}

// Run transfers, and what cannot be transferred stays until it can.
func TestRunTransfers(t *testing.T) {
	server := startServer(t)
	server.change(func() { server.octets = 2000 }) // in the middle of it
	o := server.options(t)
	o.look = time.Millisecond
	f := waiting(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error)
	go func() { ran <- f.Run(ctx) }()
	eventually(t, func() bool { return f.Status().TransferProblem != "" })
	server.change(func() { server.octets = 0 })
	eventually(t, func() bool { return f.Status().TransferProblem == "" && f.Status().Waiting == 0 })
	cancel()
	if err := <-ran; err != nil {
		t.Errorf("Run = %v", err)
	}
	wantCalls(t, "here and there", append(finishedIn(t, server.dir), finishedIn(t, o.Dir)...), numbers(1, 13))
}

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not happen")
		}
	}
}

// What is wrong with a transfer leaves the files where they are.
func TestTransferFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		alter func(s *sshServer, o *Options)
		want  string
	}{
		{"another host key", func(_ *sshServer, o *Options) { o.Settings.Transfer.HostKey = "SHA256:" + strings.Repeat("A", 43) }, "the host has the ssh-ed25519 key SHA256:"},
		{"wrong password", func(_ *sshServer, o *Options) { o.Secret = "let me out" }, "unable to authenticate"},
		{"another user", func(s *sshServer, o *Options) {
			o.Settings.Transfer.URL = strings.Replace(o.Settings.Transfer.URL, "cdr@", "root@", 1)
		}, "unable to authenticate"},
		{"no server", func(s *sshServer, _ *Options) { s.listener.Close() }, "connection refused"},
		{"gone at once", func(s *sshServer, _ *Options) { s.octets = 1 }, "handshake failed"},
		{"gone in the middle", func(s *sshServer, _ *Options) { s.octets = 2500 }, "transfer "},
		{"no SFTP", func(s *sshServer, _ *Options) { s.serve = func(ssh.Channel) error { return nil } }, "EOF"},
		{"no directory", func(_ *sshServer, o *Options) { o.Settings.Transfer.URL += "/none" }, "not exist"},
		{"short writes", func(s *sshServer, o *Options) {
			s.serve = func(c ssh.Channel) error {
				handlers := sftp.InMemHandler()
				handlers.FilePut = liar{handlers.FilePut}
				return sftp.NewRequestServer(c, handlers).Serve()
			}
			o.Settings.Transfer.URL = "sftp://cdr@" + s.address + "/"
		}, "has stored it with the MD5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := startServer(t)
			o := server.options(t)
			server.change(func() { c.alter(server, &o) })
			f := waiting(t, o)
			here := finishedIn(t, o.Dir)
			err := f.transferNow(t)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), o.Secret) {
				t.Errorf("transfer = %v; want an error with %q", err, c.want)
			}
			wantCalls(t, "here", finishedIn(t, o.Dir)[:1], here[:1])
			there := finishedIn(t, server.dir)
			left := finishedIn(t, o.Dir)
			for _, call := range here {
				if !slices.Contains(there, call) && !slices.Contains(left, call) {
					t.Errorf("call %s is nowhere", call)
				}
			}
		})
	}
}

// liar says that it has written more than it has.
type liar struct{ sftp.FileWriter }

func (l liar) Filewrite(r *sftp.Request) (io.WriterAt, error) {
	file, err := l.FileWriter.Filewrite(r)
	return shortWriter{file}, err
}

type shortWriter struct{ io.WriterAt }

func (w shortWriter) WriteAt(b []byte, off int64) (int, error) {
	_, err := w.WriterAt.WriteAt(b[:len(b)-1], off)
	return len(b), err
}

// A file that is not what it was stays, and is not in the way of others.
func TestTransferAltered(t *testing.T) {
	server := startServer(t)
	f := waiting(t, server.options(t))
	altered, err := filepath.Glob(filepath.Join(f.options.Dir, "*-000002.xml"))
	if err != nil || len(altered) != 1 {
		t.Fatalf("Glob = %v, %v", altered, err)
	}
	if err := os.WriteFile(altered[0], []byte("altered"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := f.transferNow(t); !errors.Is(err, errAltered) {
		t.Errorf("transfer = %v; want errAltered", err)
	}
	if names, want := namesIn(t, server.dir), []string{"billing-0-#-000001.xml", "billing-0-#-000003.xml", "md5checksum1.log"}; !slices.Equal(names, want) {
		t.Errorf("the other system has %v; want %v", names, want)
	}
	if names, want := namesIn(t, f.options.Dir), []string{"billing-0-#-000002.xml", "billing-0-#-000004.xml.part", "md5checksum1.log"}; !slices.Equal(names, want) {
		t.Errorf("there are %v; want %v", names, want)
	}
}

// What was transferred before a crash and not deleted here goes again, also to
// servers that do not rename onto a file that is there.
func TestTransferAgain(t *testing.T) {
	if err := sftp.SetSFTPExtensions("statvfs@openssh.com"); err != nil {
		t.Fatal(err)
	}
	defer sftp.SetSFTPExtensions("hardlink@openssh.com", "posix-rename@openssh.com", "statvfs@openssh.com")
	server := startServer(t)
	handlers := sftp.InMemHandler()
	server.change(func() {
		server.serve = func(c ssh.Channel) error { return sftp.NewRequestServer(c, handlers).Serve() }
	})
	o := server.options(t)
	o.Settings.Transfer.URL = "sftp://cdr@" + server.address + "/"
	f := waiting(t, o)
	last := filepath.Join(o.Dir, f.Status().LastFile)
	content, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.transferNow(t); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(last); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there after its transfer: %v", last, err)
		}
		if err := os.WriteFile(last, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNextPause(t *testing.T) {
	var pauses []time.Duration
	pause := transferInterval
	for range 8 {
		pause = nextPause(pause, transferInterval, errors.New("no"))
		pauses = append(pauses, pause/time.Second)
	}
	if want := []time.Duration{20, 40, 80, 160, 320, 600, 600, 600}; !slices.Equal(pauses, want) {
		t.Errorf("pauses after failures are %d s; want %d", pauses, want)
	}
	if got := nextPause(pause, transferInterval, nil); got != transferInterval {
		t.Errorf("after success the pause is %v; want %v", got, transferInterval)
	}
}

// A connection on which nothing happens ends.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		for name, do := range map[string]func([]byte) (int, error){"Read": impatient{ours}.Read, "Write": impatient{ours}.Write} {
			start := time.Now()
			if _, err := do(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != silence {
				t.Errorf("%s = %v after %v; want a timeout after %v", name, err, time.Since(start), silence)
			}
		}
	})
}

func TestParseTarget(t *testing.T) {
	key := "SHA256:" + strings.Repeat("A", 43)
	for _, c := range []struct {
		url, key string
		want     target // zero: an error
	}{
		{"sftp://cdr@192.0.2.1/cdr/", key, target{"cdr", "192.0.2.1:22", "/cdr/", key}},
		{"sftp://cdr@[2001:db8::1]:2222", key, target{"cdr", "[2001:db8::1]:2222", "/", key}},
		{"sftp://a%40b@host.example/a%20b", key, target{"a@b", "host.example:22", "/a b", key}},
		{"sftp://cdr@192.0.2.1/", "", target{}},
		{"sftp://cdr@192.0.2.1/", key + "A", target{}},
		{"sftp://cdr@192.0.2.1/", "MD5:" + strings.Repeat("A", 43), target{}},
		{"sftp://192.0.2.1/cdr", key, target{}},
		{"sftp://cdr:secret@192.0.2.1/cdr", key, target{}},
		{"sftp://cdr@/cdr", key, target{}},
		{"sftp://cdr@192.0.2.1/?x", key, target{}},
		{"scp://cdr@192.0.2.1/", key, target{}},
		{"sftp://cdr@192.0.2.1:port/", key, target{}},
		{"", key, target{}},
	} {
		got, err := parseTarget(model.CDRTransfer{URL: c.url, HostKey: c.key})
		if got != c.want || (err == nil) != (c.want != target{}) || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("parseTarget(%s, %s) = %+v, %v; want %+v", c.url, c.key, got, err, c.want)
		}
		if _, openErr := Open(Options{Dir: t.TempDir(), Settings: model.XMLMethod{Transfer: model.CDRTransfer{URL: c.url, HostKey: c.key}}}); fmt.Sprint(openErr) != fmt.Sprint(err) && c.url != "" {
			t.Errorf("Open with %s = %v; want %v", c.url, openErr, err)
		}
	}
}
