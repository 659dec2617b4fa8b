package radius

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"layeh.com/radius"

	"causeway/appliance/model"
)

const toyKey = "cisco"

// toy is a server in memory. Its sockets belong to the network of a test.
type toy struct {
	t       *testing.T
	address netip.AddrPort
	key     string

	mu sync.Mutex
	// behave gives what comes back on a request, the n-th of all (from 0); nil: an
	// acknowledgement.
	behave  func(n int, request []byte) [][]byte
	refuses bool // nobody is at the port
	got     []datagram
}

// datagram is what a toy got.
type datagram struct {
	at     time.Time
	socket int // counted over the network
	octets []byte
}

func (d *datagram) id() byte   { return d.octets[1] }
func (d *datagram) code() byte { return d.octets[0] }

// requests are the datagrams with a code.
func (s *toy) requests(code radius.Code) []datagram {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.got), func(d datagram) bool { return radius.Code(d.code()) != code })
}

func (s *toy) set(behave func(n int, request []byte) [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behave = behave
}

func (s *toy) handle(socket int, b []byte) (answers [][]byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuses {
		return nil, syscall.ECONNREFUSED
	}
	if !radius.IsAuthenticRequest(b, []byte(s.key)) {
		s.t.Errorf("request %x is not authentic", b)
	}
	s.got = append(s.got, datagram{time.Now(), socket, slices.Clone(b)})
	if s.behave == nil {
		return [][]byte{response(b, radius.CodeAccountingResponse, s.key)}, nil
	}
	return s.behave(len(s.got)-1, s.got[len(s.got)-1].octets), nil
}

// acknowledge is the behaviour of a server that works.
func acknowledge(_ int, request []byte) [][]byte {
	return [][]byte{response(request, radius.CodeAccountingResponse, toyKey)}
}

// silence is the behaviour of a server that is not there.
func silence(int, []byte) [][]byte { return nil }

// onlyStatusServer is the behaviour of a server that lost its database.
func onlyStatusServer(n int, request []byte) [][]byte {
	if radius.Code(request[0]) == radius.CodeStatusServer {
		return acknowledge(n, request)
	}
	return nil
}

// noStatusServer is the behaviour of a server that knows only RFC 2866.
func noStatusServer(n int, request []byte) [][]byte {
	if radius.Code(request[0]) == radius.CodeStatusServer {
		return nil
	}
	return acknowledge(n, request)
}

// response encodes an answer with attributes, by another implementation than ours.
func response(request []byte, code radius.Code, key string, attributes ...*radius.AVP) []byte {
	p := radius.Packet{Code: code, Identifier: request[1], Secret: []byte(key), Attributes: attributes}
	copy(p.Authenticator[:], request[4:20])
	b, err := p.Encode()
	if err != nil {
		panic(err)
	}
	return b
}

// toys is a network in memory.
type toys struct {
	mu      sync.Mutex
	servers map[netip.AddrPort]*toy
	sockets int
}

// newToys makes a network of n servers, 192.0.2.1 and on, and the client's
// configuration for them, by rising priority.
func newToys(t *testing.T, n int) (*toys, []*toy, Options) {
	network := &toys{servers: map[netip.AddrPort]*toy{}}
	var servers []*toy
	client := model.RADIUSClient{Name: "set1"}
	for i := range n {
		a := netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})
		s := &toy{t: t, address: netip.AddrPortFrom(a, 1813), key: toyKey}
		network.servers[s.address] = s
		servers = append(servers, s)
		client.Servers = append(client.Servers, model.RADIUSServer{Name: a.String(), Address: a, Priority: i + 1})
	}
	return network, servers, Options{
		Client:     client,
		Keys:       func(string) string { return toyKey },
		NASAddress: netip.MustParseAddr("192.0.2.100"),
		Log:        slog.New(slog.NewTextHandler(io.Discard, nil)),
		Dial:       network.dial,
	}
}

func (n *toys) dial(_ context.Context, _ string, _ netip.Addr, to netip.AddrPort) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.servers[to]
	if s == nil {
		return nil, &net.OpError{Op: "dial", Net: "udp", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}
	}
	n.sockets++
	return &toySocket{server: s, number: n.sockets, in: make(chan []byte, 1<<14), closed: make(chan struct{})}, nil
}

// toySocket is a connected UDP socket.
type toySocket struct {
	net.Conn // not used
	server   *toy
	number   int
	in       chan []byte
	once     sync.Once
	closed   chan struct{}
}

func (c *toySocket) Write(b []byte) (int, error) {
	answers, err := c.server.handle(c.number, b)
	for _, a := range answers {
		c.in <- a
	}
	return len(b), err
}

func (c *toySocket) Read(b []byte) (int, error) {
	select {
	case a := <-c.in:
		return copy(b, a), nil
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

func (c *toySocket) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

// start makes a client and runs it until the test ends.
func start(t testing.TB, o Options) *Client {
	t.Helper()
	c := New(o)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error)
	go func() { ran <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ran; !errors.Is(err, context.Canceled) {
			t.Errorf("Run() = %v; want %v", err, context.Canceled)
		}
		status := c.Status()
		if status.UnderWay != 0 {
			t.Errorf("%d exchanges did not come back", status.UnderWay)
		}
		for _, s := range status.Servers { // each packet sent ended in one way
			answered := s.Responses - s.MalformedAnswers - s.BadAuthenticators - s.UnknownTypes - s.Dropped
			if s.Requests+s.Retransmissions != answered+s.Timeouts || s.Pending != 0 {
				t.Errorf("counters do not add up: %+v", s)
			}
		}
	})
	return c
}

// account sends a record and wants an error.
func account(t *testing.T, c *Client, want error) {
	t.Helper()
	if err := c.Account(t.Context(), "session", vsa("record")); !errors.Is(err, want) {
		t.Errorf("Account() = %v; want %v", err, want)
	}
}

// vsa is an attribute of vendor 4491.
func vsa(value string) []byte {
	return append([]byte{26, byte(8 + len(value)), 0, 0, 0x11, 0x8b, 1, byte(2 + len(value))}, value...)
}
