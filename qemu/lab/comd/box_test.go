package comd

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/creachadair/jrpc2"

	"causeway/appliance/com/mux"
	"causeway/appliance/com/wire"
)

// name is what boxes reach the server by.
const name = "com.example.com"

// patience is how long what must come may take.
const patience = time.Minute

// world is a server with a listener.
type world struct {
	*Server
	t       testing.TB
	address string
	api     string // URL; empty: there is none
}

// newWorld starts a server.
func newWorld(t testing.TB, options Options) *world {
	t.Helper()
	options.Names = []string{name, "127.0.0.1"}
	options.Log = t.Output()
	server, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	boxes, done := server.Gateway.Server(), make(chan struct{})
	go func() {
		defer close(done)
		boxes.Serve(server.Gateway.Listener(tcp))
	}()
	t.Cleanup(func() {
		boxes.Close()
		<-done
		if err := server.Close(0); err != nil {
			t.Error(err)
		}
	})
	return &world{Server: server, t: t, address: tcp.Addr().String()}
}

// box is a box as the protocol has it.
type box struct {
	*world
	serial, customer string
	key              *ecdsa.PrivateKey
	certificate      tls.Certificate
	subprotocol      string
}

// newBox makes one with a certificate of its own.
func newBox(w *world, serial string) *box {
	w.t.Helper()
	b := &box{world: w, serial: serial, customer: FirstCustomer, subprotocol: wire.Mux}
	b.newKey()
	b.certificate = b.issue(pkix.Name{CommonName: "Causeway " + serial, SerialNumber: serial}, nil, time.Now().AddDate(1, 0, 0))
	return b
}

func (b *box) newKey() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.t.Fatal(err)
	}
	b.key = key
}

// issue makes a certificate of the box's key; without a parent it is its own.
func (b *box) issue(subject pkix.Name, parent *tls.Certificate, to time.Time) tls.Certificate {
	b.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: subject, NotBefore: to.AddDate(-2, 0, 0), NotAfter: to,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	above, key := template, any(b.key)
	if parent != nil {
		above, key = parent.Leaf, parent.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, above, b.key.Public(), key)
	if err != nil {
		b.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: b.key}
}

// request is a certificate request.
func (b *box) request(name string) []byte {
	b.t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, b.key)
	if err != nil {
		b.t.Fatal(err)
	}
	return der
}

// session is the box's end of a link.
type session struct {
	*jrpc2.Client
	box     *box
	conn    *websocket.Conn
	streams *mux.Session // nil with com.v1.rpc
	told    chan string  // methods of notifications
	welcome wire.Welcome
}

// dial brings up the connection.
func (b *box) dial() (*websocket.Conn, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(b.Root())
	transport := &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12,
	}}
	if b.certificate.PrivateKey != nil {
		transport.TLSClientConfig.Certificates = []tls.Certificate{b.certificate}
	}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "wss://"+b.address+wire.Path+"?ci="+b.customer+"&sn="+b.serial, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{b.subprotocol},
	})
	return conn, err
}

// connect brings up the link, and says hello. handle answers what COM calls; nil:
// it calls nothing.
func (b *box) connect(handle jrpc2.Handler) (*session, error) {
	conn, err := b.dial()
	if err != nil {
		return nil, err
	}
	s := &session{box: b, conn: conn, told: make(chan string, 100)}
	channel := mux.Messages(context.Background(), conn)
	if b.subprotocol == wire.Mux {
		if s.streams, err = mux.Server(conn); err != nil {
			return nil, err
		}
		stream, err := s.streams.Open()
		if err != nil {
			return nil, err
		}
		if err := mux.WriteHeader(stream, wire.Header{Service: wire.StreamRPC, Version: 1}); err != nil {
			return nil, err
		}
		if _, err := mux.ReadAnswer(stream); err != nil {
			return nil, err
		}
		channel = mux.Lines(stream)
	}
	s.Client = jrpc2.NewClient(channel, &jrpc2.ClientOptions{OnCallback: handle, OnNotify: func(r *jrpc2.Request) { s.told <- r.Method() }})
	b.t.Cleanup(s.end)
	err = s.call(wire.MethodHello, wire.Hello{
		Versions: []int{1}, Nonce: make([]byte, 16), Serial: b.serial, Customer: b.customer, HostName: "host", Firmware: "1.0", Services: []string{"cli"},
	}, &s.welcome)
	return s, err
}

// mustConnect is connect for who relies on it.
func (b *box) mustConnect(handle jrpc2.Handler) *session {
	b.t.Helper()
	s, err := b.connect(handle)
	if err != nil {
		b.t.Fatalf("%s: connect: %v", b.serial, err)
	}
	return s
}

// end ends the link from the box's side.
func (s *session) end() {
	s.conn.CloseNow()
	s.Client.Close()
	if s.streams != nil {
		s.streams.Close()
	}
}

func (s *session) call(method string, params, result any) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if result == nil {
		result = new(any)
	}
	return s.CallResult(ctx, method, params, result)
}

// wait waits for a notification.
func (s *session) wait(method string) {
	s.box.t.Helper()
	select {
	case got := <-s.told:
		if got != method {
			s.box.t.Errorf("COM tells %s; want %s", got, method)
		}
	case <-time.After(patience):
		s.box.t.Fatalf("COM does not tell %s", method)
	}
}

// enroll gets a certificate of COM and takes it.
func (s *session) enroll() {
	b := s.box
	b.t.Helper()
	b.newKey()
	var answer wire.Enrolled
	if err := s.call(wire.MethodEnroll, wire.Enroll{Request: b.request(b.serial)}, &answer); err != nil {
		b.t.Fatalf("enroll: %v", err)
	}
	block, _ := pem.Decode([]byte(answer.Certificates))
	b.certificate = tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: b.key}
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %v it is still not so: %s", patience, what)
		}
	}
}
