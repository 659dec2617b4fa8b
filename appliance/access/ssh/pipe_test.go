package ssh

import (
	"net"
	"testing"

	"golang.org/x/crypto/ssh"
)

// pipes is a listener whose connections are within the process, so that time
// can be that of a synctest bubble.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accepted:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return peer }

// peer is where all of them come from.
var peer = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 50122}

type fromPeer struct{ net.Conn }

func (fromPeer) RemoteAddr() net.Addr { return peer }

// dial gives the other end. Its peer may stop to answer: stall.
func (p *pipes) dial(t *testing.T) *far {
	near, end := net.Pipe()
	p.accepted <- fromPeer{near}
	return newFar(t, end)
}

func newFar(t *testing.T, end net.Conn) *far {
	f := &far{Conn: end, queue: make(chan []byte, 1000), stalled: make(chan struct{}), over: make(chan struct{})}
	go f.send()
	t.Cleanup(func() { close(f.over); f.Close() })
	return f
}

// far is an end whose writes do not wait for who reads: both ends of SSH begin
// with one.
type far struct {
	net.Conn
	queue         chan []byte
	stalled, over chan struct{}
}

func (f *far) send() {
	for {
		select {
		case data := <-f.queue:
			if _, err := f.Conn.Write(data); err != nil {
				return
			}
		case <-f.stalled:
			return
		case <-f.over:
			return
		}
	}
}

func (f *far) Write(p []byte) (int, error) {
	select {
	case f.queue <- append([]byte(nil), p...):
		return len(p), nil
	case <-f.over:
		return 0, net.ErrClosed
	}
}

func (f *far) Read(p []byte) (int, error) {
	select {
	case <-f.stalled:
		<-f.over
	default:
	}
	return f.Conn.Read(p)
}

// logIn logs in over it.
func (f *far) logIn(t *testing.T) *ssh.Client {
	t.Helper()
	conn, channels, requests, err := ssh.NewClientConn(f, "box", &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.Password(password)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return ssh.NewClient(conn, channels, requests)
}
