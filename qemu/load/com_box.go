package load

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	randv2 "math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/coder/websocket"
	"github.com/creachadair/jrpc2"

	"causeway/appliance/com/mux"
	"causeway/appliance/com/wire"
	"causeway/qemu/lab/comd"
)

// comBox is a box without all that is not the link: it dials COM as a box does,
// with a certificate of its own, and has its heart beat. It answers nothing.
type comBox struct {
	fleet    *comFleet
	serial   string
	source   netip.Addr // of its connections
	identity tls.Certificate
}

// newCOMBox makes a box that COM knows, with a certificate of COM.
func newCOMBox(f *comFleet, server *comd.Server, number int) (*comBox, error) {
	// A serial number as boxes have them: 11 characters (L-38).
	b := &comBox{fleet: f, serial: fmt.Sprintf("LOAD%07d", number), source: netip.AddrFrom4([4]byte{127, 0, 1, byte(number)})}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: b.serial}}, key)
	if err != nil {
		return nil, err
	}
	if err := server.Preregister(b.serial, comd.FirstCustomer); err != nil {
		return nil, err
	}
	issued, err := server.Certify(b.serial, request)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(issued))
	if block == nil {
		return nil, fmt.Errorf("COM has issued %q to %s; want a certificate", issued, b.serial)
	}
	b.identity = tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}
	return b, nil
}

// comSession is the link of a box.
type comSession struct {
	streams *mux.Session
	rpc     *jrpc2.Client
	welcome wire.Welcome
}

// close ends it.
func (s *comSession) close() {
	s.streams.Close() // ends what the client reads
	s.rpc.Close()
}

// comDialLimit is how long a box waits for all from its dial to its welcome.
const comDialLimit = 30 * time.Second

// dial makes a link, through all that a box does: TLS 1.2 with both certificates
// verified, WebSocket, streams, hello.
func (b *comBox) dial(ctx context.Context, at netip.AddrPort) (*comSession, error) {
	ctx, cancel := context.WithTimeout(ctx, comDialLimit)
	defer cancel()
	to := url.URL{Scheme: "wss", Host: at.String(), Path: wire.Path, RawQuery: url.Values{"ci": {comd.FirstCustomer}, "sn": {b.serial}}.Encode()}
	once := &http.Transport{DisableKeepAlives: true, DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return b.handshake(ctx, at)
	}}
	conn, _, err := websocket.Dial(ctx, to.String(), &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: once}, Subprotocols: []string{wire.Mux}, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, err
	}
	s := &comSession{}
	if s.streams, err = mux.Server(conn); err != nil {
		return nil, errors.Join(err, conn.CloseNow())
	}
	if err := s.greet(ctx, b.serial); err != nil {
		return nil, errors.Join(err, s.streams.Close())
	}
	return s, nil
}

// handshake connects.
func (b *comBox) handshake(ctx context.Context, at netip.AddrPort) (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(b.source, 0))}
	var conn net.Conn
	err := b.fleet.where.Do(func() (err error) {
		conn, err = dialer.DialContext(ctx, "tcp", at.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	secured := tls.Client(conn, &tls.Config{
		MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, ServerName: comName,
		RootCAs: b.fleet.roots, Certificates: []tls.Certificate{b.identity},
	})
	if err := errors.Join(mux.Tune(conn), secured.HandshakeContext(ctx)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secured, nil
}

// greet opens the first stream and says hello over it.
func (s *comSession) greet(ctx context.Context, serial string) error {
	stream, err := s.streams.Open()
	if err != nil {
		return err
	}
	if err := mux.WriteHeader(stream, wire.Header{Service: wire.StreamRPC, Version: 1, ID: "1"}); err != nil {
		return err
	}
	if answer, err := mux.ReadAnswer(stream); err != nil || !answer.OK {
		return fmt.Errorf("the first stream was answered with %+v: %w", answer, errors.Join(err))
	}
	s.rpc = jrpc2.NewClient(mux.Lines(stream), nil)
	nonce := make([]byte, wire.NonceLength)
	rand.Read(nonce)
	err = s.rpc.CallResult(ctx, wire.MethodHello, wire.Hello{
		Versions: []int{1}, Nonce: nonce, Serial: serial, Customer: comd.FirstCustomer, HostName: serial,
		Firmware: "load", Model: "CAUSEWAY load", Boot: serial, Revision: 1, Time: time.Now().UTC(),
	}, &s.welcome)
	if err != nil {
		return err
	}
	return s.rpc.CallResult(ctx, wire.MethodLicenseCheck, struct{}{}, &wire.License{})
}

// What a box waits between two tries: a random part of it more, twice as long
// after each.
const (
	comFirstWait   = 5 * time.Second
	comLongestWait = 15 * time.Minute
	comLasted      = time.Minute // a session that did begins the waits anew
)

// run has the box connected until ctx ends, on two ports in turn.
func (b *comBox) run(ctx context.Context) {
	wait := comFirstWait
	for try := 0; ; try++ {
		began := time.Now()
		if s, err := b.dial(ctx, b.fleet.server[try%len(b.fleet.server)]); err == nil {
			b.fleet.linked(1)
			b.beat(ctx, s)
			s.close()
			b.fleet.linked(-1)
		} else if ctx.Err() == nil {
			b.fleet.refused(fmt.Errorf("%s: %w", b.serial, err))
		}
		if time.Since(began) > comLasted {
			wait = comFirstWait
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait + randv2.N(wait)):
		}
		wait = min(2*wait, comLongestWait)
	}
}

// beat has the heart beat until the session or ctx ends. Behind each beat, a word
// is sent that COM returns when it has dealt with the beat: messages of a
// session are dealt with one after the other.
func (b *comBox) beat(ctx context.Context, s *comSession) {
	began := time.Now()
	every := time.Duration(s.welcome.Heartbeat) * time.Second
	next := time.NewTimer(randv2.N(every)) // else those that came together beat together
	defer next.Stop()
	for sequence := uint64(1); ; sequence++ {
		select {
		case <-ctx.Done():
			return
		case <-s.streams.Done():
			return
		case <-next.C:
		}
		next.Reset(every - every/10 + randv2.N(every/5))
		sent := time.Now()
		err := s.rpc.Notify(ctx, wire.MethodHeartbeat, wire.Heartbeat{Sequence: sequence, Uptime: int64(time.Since(began).Seconds()), State: wire.StateProxyUp | wire.StateCalls})
		if err == nil {
			_, err = s.rpc.Call(ctx, wire.MethodLineEcho, map[string]string{"data": "beat"})
		}
		if err != nil {
			return
		}
		b.fleet.beaten(time.Since(sent))
	}
}
