package ssh

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"causeway/appliance/model"
)

// box is a server on a loopback address, and who decides about its logins.
type box struct {
	*Server
	t       *testing.T
	address string
	stop    func() // ends the server and waits for it

	mu       sync.Mutex
	keys     map[string]bool // by user and the key's wire form
	ended    map[uint64]chan struct{}
	events   []string
	sizes    chan Size
	terminal Terminal // of the last shell
}

const user, password = "alice", "correct horse"

const idleMinutes = 3

// newKey makes a signer of an ed25519 key.
func newKey(t *testing.T) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer(t, private)
}

func signer(t *testing.T, private crypto.PrivateKey) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start runs a server that has a user.
func start(t *testing.T) *box {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, l)
}

func startOn(t *testing.T, l net.Listener) *box {
	t.Helper()
	b := &box{t: t, keys: map[string]bool{}, ended: map[uint64]chan struct{}{}, sizes: make(chan Size)}
	host := newKey(t)
	b.Server = New(Options{
		HostKey: func() (ssh.Signer, error) { return host, nil },
		Login:   b, Shell: b.shell, Files: b.files,
		Listen: func(model.Port, uint16) (net.Listener, error) { return l, nil },
		Log:    slog.New(slog.DiscardHandler),
	})
	b.failed = 0
	b.address = l.Addr().String()
	b.Apply(model.Access{Users: []model.User{{Name: user}}})
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- b.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-over; err != nil {
			t.Errorf("Run = %v; want nil when its context ends", err)
		}
	})
	t.Cleanup(b.stop)
	return b
}

func (b *box) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, fmt.Sprintf(format, args...))
}

// noted waits until that was noted.
func (b *box) noted(event string) {
	b.t.Helper()
	for wait := time.Now().Add(3 * time.Minute); ; time.Sleep(time.Millisecond) {
		b.mu.Lock()
		events := slices.Clone(b.events)
		b.mu.Unlock()
		if slices.Contains(events, event) {
			return
		}
		if time.Now().After(wait) {
			b.t.Fatalf("what happened is %q; want %q among it", events, event)
		}
	}
}

func (b *box) begin(user, origin string) model.Login {
	b.mu.Lock()
	defer b.mu.Unlock()
	session := uint64(len(b.ended) + 1)
	b.ended[session] = make(chan struct{})
	return model.Login{
		Session: session, Operator: model.Operator{User: user, Origin: origin},
		Rights: model.Rights{FilesRead: user != "nobody"}, IdleMinutes: idleMinutes,
	}
}

func (b *box) Password(_ context.Context, name, word, origin string) (model.Login, error) {
	if word != password {
		b.note("refused %s", name)
		return model.Login{}, errors.New("wrong")
	}
	return b.begin(name, origin), nil
}

func (b *box) KeyKnown(user string, key ssh.PublicKey) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.keys[user+string(key.Marshal())]
}

func (b *box) Key(_ context.Context, user string, key ssh.PublicKey, origin string) (model.Login, error) {
	if !b.KeyKnown(user, key) {
		return model.Login{}, errors.New("wrong")
	}
	return b.begin(user, origin), nil
}

func (b *box) Active(uint64)                     {}
func (b *box) Logout(session uint64, why string) { b.note("logout %d: %s", session, why) }

func (b *box) Ended(session uint64) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended[session]
}

// shell answers each line with itself, until one that is "exit".
func (b *box) shell(ctx context.Context, t Terminal, login model.Login) error {
	b.mu.Lock()
	b.terminal = t
	b.mu.Unlock()
	fmt.Fprintf(t.Out, "%s on %s\n", login.Operator.User, login.Operator.Origin)
	lines := make(chan string)
	go func() {
		defer close(lines)
		in := bufio.NewScanner(t.In)
		for in.Scan() {
			lines <- in.Text()
		}
	}()
	defer b.note("shell of %d ended", login.Session)
	defer func() { // as of the console, a read is left until the channel is closed
		go func() {
			for range lines {
			}
		}()
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case size := <-t.Resize:
			b.sizes <- size
		case line, more := <-lines:
			if !more || line == "exit" {
				return nil
			}
			if line == "fail" {
				return errors.New("failed")
			}
			fmt.Fprintf(t.Out, "<%s>\n", line)
		}
	}
}

// files sends back what it gets, after who asks.
func (b *box) files(_ context.Context, channel io.ReadWriteCloser, login model.Login) error {
	fmt.Fprintf(channel, "%v\n", login.Operator)
	_, err := io.Copy(channel, channel)
	return err
}

// dial logs in by these methods.
func (b *box) dial(user string, methods ...ssh.AuthMethod) (*ssh.Client, error) {
	return ssh.Dial("tcp", b.address, &ssh.ClientConfig{
		User: user, Auth: methods, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: time.Minute,
	})
}

// client logs in, and out at the end of the test.
func (b *box) client() *ssh.Client {
	b.t.Helper()
	client, err := b.dial(user, ssh.Password(password))
	if err != nil {
		b.t.Fatalf("log in: %v", err)
	}
	b.t.Cleanup(func() { client.Close() })
	return client
}

// session opens a session channel.
func (b *box) session(client *ssh.Client) *ssh.Session {
	b.t.Helper()
	s, err := client.NewSession()
	if err != nil {
		b.t.Fatalf("open a session: %v", err)
	}
	return s
}

// startShell opens a session channel and starts a shell, which reads what is
// written to in.
func (b *box) startShell(client *ssh.Client) (in io.WriteCloser) {
	b.t.Helper()
	s := b.session(client)
	in, err := s.StdinPipe()
	if err == nil {
		err = s.Shell()
	}
	if err != nil {
		b.t.Fatalf("start a shell: %v", err)
	}
	return in
}
