package ssh

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
)

func TestPassword(t *testing.T) {
	b := start(t)
	for _, test := range []struct {
		password string
		want     string // how often it is refused
	}{{password, ""}, {"wrong", "unable to authenticate"}, {"", "unable to authenticate"}} {
		client, err := b.dial(user, ssh.Password(test.password))
		if got := fmt.Sprint(err); (err == nil) != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("log in with password %q = %v; want %q", test.password, err, test.want)
		}
		if client != nil {
			client.Close()
		}
	}
	b.noted("logout 1: exit")
}

// A connection has three tries of a password, whatever the client asks for.
func TestPasswordTries(t *testing.T) {
	b := start(t)
	tries := 0
	_, err := b.dial(user, ssh.RetryableAuthMethod(ssh.PasswordCallback(func() (string, error) {
		tries++
		return fmt.Sprint(tries), nil
	}), 10))
	b.mu.Lock()
	defer b.mu.Unlock()
	if refused := len(b.events); err == nil || refused != passwordsMost {
		t.Errorf("log in with 10 passwords = %v after %d; want it refused after %d", err, refused, passwordsMost)
	}
}

func TestKeys(t *testing.T) {
	b := start(t)
	short, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	long, err := rsa.GenerateKey(rand.Reader, rsaLeast)
	if err != nil {
		t.Fatal(err)
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sha1, err := ssh.NewSignerWithAlgorithms(signer(t, long).(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSA})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		key   ssh.Signer
		known bool
		in    bool
	}{
		{"ed25519", newKey(t), true, true},
		{"ed25519 of nobody", newKey(t), false, false},
		{"ecdsa", signer(t, p256), true, true},
		{"a security key that was touched", newToken(t, 1), true, true},
		{"a security key that was not touched", newToken(t, 0), true, false},
		{"rsa of 2048 bits", signer(t, short), true, false},
		{"rsa of 3072 bits", signer(t, long), true, true},
		{"rsa with SHA-1", sha1, true, false},
	} {
		b.mu.Lock()
		b.keys = map[string]bool{user + string(test.key.PublicKey().Marshal()): test.known}
		b.mu.Unlock()
		client, err := b.dial(user, ssh.PublicKeys(test.key))
		if (err == nil) != test.in {
			t.Errorf("log in with %s = %v; want %t", test.name, err, test.in)
		}
		if client != nil {
			client.Close()
		}
	}
	if client, err := b.dial("bob", ssh.PublicKeys(newKey(t))); err == nil {
		client.Close()
		t.Error("bob logs in with the key of alice")
	}
}

// TestTerminal is a shell with a terminal whose size changes.
func TestTerminal(t *testing.T) {
	b := start(t)
	s := b.session(b.client())
	in, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	s.Stdout = &out
	if err := s.RequestPty("xterm", 50, 132, ssh.TerminalModes{ssh.ECHO: 1}); err != nil {
		t.Fatal(err)
	}
	if err := s.Shell(); err != nil {
		t.Fatal(err)
	}
	if err := s.WindowChange(40, 100); err != nil {
		t.Fatal(err)
	}
	if got, want := <-b.sizes, (Size{Width: 100, Height: 40}); got != want {
		t.Errorf("the new size is %v; want %v", got, want)
	}
	if _, err := io.WriteString(in, "one\nexit\n"); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(); err != nil {
		t.Errorf("the shell ends with %v; want status 0", err)
	}
	if got := out.String(); !strings.HasPrefix(got, "alice on ssh 127.0.0.1:") || !strings.HasSuffix(got, "\n<one>\n") {
		t.Errorf("the shell printed %q; want who it is for, and <one>", got)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if got, want := b.terminal.Size, (Size{Width: 132, Height: 50}); !b.terminal.PTY || got != want {
		t.Errorf("the terminal is a PTY: %t, its size %v; want true, %v", b.terminal.PTY, got, want)
	}
}

// TestLines is a shell without a terminal: it ends with its input, and says how.
func TestLines(t *testing.T) {
	b := start(t)
	client := b.client()
	for input, test := range map[string]struct{ printed, ended string }{
		"one\ntwo": {"<one>\n<two>\n", "<nil>"}, "fail\n": {"", "Process exited with status 1"},
	} {
		s := b.session(client)
		s.Stdin = strings.NewReader(input)
		var out bytes.Buffer
		s.Stdout = &out
		if err := s.Shell(); err != nil {
			t.Fatal(err)
		}
		err := s.Wait()
		if _, printed, _ := strings.Cut(out.String(), "\n"); printed != test.printed || fmt.Sprint(err) != test.ended {
			t.Errorf("a shell that reads %q printed %q and ended with %v; want %q, %s", input, printed, err, test.printed, test.ended)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.terminal.PTY {
		t.Error("the shell has a PTY that nobody asked for")
	}
}

func TestFiles(t *testing.T) {
	b := start(t)
	s := b.session(b.client())
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RequestSubsystem("sftp"); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "alice on sftp 127.0.0.1:") {
		t.Errorf("the subsystem printed %q, %v; want who it is for", line, err)
	}
}

// TestRefused asks for all that is not served.
func TestRefused(t *testing.T) {
	b := start(t)
	client := b.client()
	ask := func(name string, payload []byte) func(*ssh.Session) error {
		return func(s *ssh.Session) error {
			ok, err := s.SendRequest(name, true, payload)
			if err == nil && !ok {
				err = errors.New("refused")
			}
			return err
		}
	}
	text := func(s string) []byte { return ssh.Marshal(struct{ Text string }{s}) }
	for name, ask := range map[string]func(*ssh.Session) error{
		"exec":             func(s *ssh.Session) error { return s.Start("show version") },
		"another command":  ask("exec", text("scp -t /")),
		"environment":      func(s *ssh.Session) error { return s.Setenv("LANG", "C") },
		"agent forwarding": ask("auth-agent-req@openssh.com", nil),
		"X11 forwarding":   ask("x11-req", make([]byte, 20)),
		"break":            ask("break", make([]byte, 4)),
		"other subsystem":  func(s *ssh.Session) error { return s.RequestSubsystem("netconf") },
		"damaged pty":      ask("pty-req", text("xterm")),
		"size of nothing":  ask("window-change", make([]byte, 16)),
		"second shell": func(s *ssh.Session) error {
			if err := s.Shell(); err != nil {
				t.Fatal(err)
			}
			return ask("shell", nil)(s)
		},
	} {
		s := b.session(client)
		if err := ask(s); err == nil {
			t.Errorf("%s is served; want it refused", name)
		}
		s.Close()
	}
	for name, open := range map[string]func() error{
		"direct-tcpip":                   func() error { _, err := client.Dial("tcp", b.address); return err },
		"direct-streamlocal@openssh.com": func() error { _, err := client.Dial("unix", "/run/control/link.sock"); return err },
		"x11":                            func() error { _, _, err := client.OpenChannel("x11", nil); return err },
	} {
		var refused *ssh.OpenChannelError
		if err := open(); !errors.As(err, &refused) || refused.Reason != ssh.Prohibited {
			t.Errorf("a channel of %s = %v; want it prohibited", name, err)
		}
	}
	if _, err := client.Listen("tcp", "127.0.0.1:0"); err == nil {
		t.Error("tcpip-forward is served; want it refused")
	}
	if _, err := client.Listen("unix", "/tmp/x"); err == nil {
		t.Error("streamlocal-forward@openssh.com is served; want it refused")
	}
	if nobody, err := b.dial("nobody", ssh.Password(password)); err != nil {
		t.Error(err)
	} else if err := b.session(nobody).RequestSubsystem("sftp"); err == nil {
		t.Error("who may not read files has SFTP; want it refused")
	}
}

// TestTime is what the server waits for, and how long.
func TestTime(t *testing.T) {
	for name, test := range map[string]func(*testing.T, *box, *far){
		"no login": func(t *testing.T, b *box, f *far) {
			if _, err := io.Copy(io.Discard, f); err != nil {
				t.Errorf("the connection ends with %v; want it closed", err)
			}
			took(t, defaultLimits.login)
		},
		"dead peer": func(t *testing.T, b *box, f *far) {
			b.startShell(f.logIn(t))
			time.Sleep(defaultLimits.silence / 2) // a live one answers, with nothing to do
			close(f.stalled)
			f.queue <- nil
			b.noted("shell of 1 ended")
			b.noted("logout 1: hang up")
			took(t, defaultLimits.keepalive+defaultLimits.silence)
		},
		"idle": func(t *testing.T, b *box, f *far) {
			client := f.logIn(t)
			in := b.startShell(client)
			time.Sleep(50 * time.Second)
			if _, err := io.WriteString(in, "still there\n"); err != nil {
				t.Error(err)
			}
			client.Wait()
			b.noted("logout 1: idle")
			took(t, 50*time.Second+idleMinutes*time.Minute+idleGrace)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newPipes()
				b := startOn(t, l)
				test(t, b, l.dial(t))
				b.stop()
			})
		})
	}
}

// took checks how long a bubble is there, to within a keepalive.
func took(t *testing.T, want time.Duration) {
	t.Helper()
	began := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // testing/synctest
	if got := time.Since(began); got < want || got > want+defaultLimits.keepalive {
		t.Errorf("it took %v; want %v", got, want)
	}
}

func TestHangUp(t *testing.T) {
	b := start(t)
	client := b.client()
	b.startShell(client)
	client.Close()
	b.noted("shell of 1 ended")
	b.noted("logout 1: hang up")
}

// An operator ends the session of another, or the user is deleted.
func TestCleared(t *testing.T) {
	b := start(t)
	client := b.client()
	b.startShell(client)
	b.mu.Lock()
	close(b.ended[1])
	b.mu.Unlock()
	if err := client.Wait(); err == nil {
		t.Error("the connection stays")
	}
	b.noted("logout 1: cleared")
}

// A peer that reads nothing holds up itself alone.
func TestSlowReader(t *testing.T) {
	b := start(t)
	slow := b.session(b.client())
	in, err := slow.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := slow.RequestSubsystem("sftp"); err != nil {
		t.Fatal(err)
	}
	stuck := make(chan error, 1)
	go func() { // nobody reads the echo of that
		_, err := in.Write(make([]byte, 16<<20))
		stuck <- err
	}()
	for range 3 {
		client := b.client()
		s := b.session(client)
		s.Stdin = strings.NewReader("exit\n")
		if err := s.Shell(); err != nil {
			t.Fatal(err)
		}
		if err := s.Wait(); err != nil {
			t.Error(err)
		}
	}
	select {
	case err := <-stuck:
		t.Errorf("16 MiB went to who reads nothing: %v", err)
	default:
	}
	b.stop()
	if err := <-stuck; err == nil {
		t.Error("a write to a server that has ended succeeds")
	}
}

// TestServeConn: a connection of another door has logins of its own origin, its
// end is that of its context, and it takes no more seats than one source has.
func TestServeConn(t *testing.T) {
	b := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	near, end := net.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- b.ServeConn(ctx, near, "com anna@partner.example") }()
	s := b.session(newFar(t, end).logIn(t))
	out, err := s.StdoutPipe()
	if err == nil {
		err = s.Shell()
	}
	if err != nil {
		t.Fatal(err)
	}
	const want = "alice on ssh com anna@partner.example\n"
	if line, err := bufio.NewReader(out).ReadString('\n'); line != want || err != nil {
		t.Errorf("the shell says %q, %v; want %q", line, err, want)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ServeConn = %v; want nil", err)
	}
	b.noted("shell of 1 ended")

	for range sourceMost {
		if b.seats.take(netip.AddrPort{}) == nil {
			t.Fatal("no seat is free after the end")
		}
	}
	near, end = net.Pipe()
	if err := b.ServeConn(t.Context(), near, "com anna@partner.example"); err == nil {
		t.Error("ServeConn beside as many as one source may have = nil; want an error")
	}
	if n, err := end.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("Read from it = %d, %v; want that it is closed", n, err)
	}
}
