package com

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"causeway/appliance/com/mux"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// The limits of a try.
const (
	dialLimit      = 30 * time.Second // for all of it until the WebSocket stands
	connectLimit   = 10 * time.Second // for TCP
	handshakeLimit = 15 * time.Second // for TLS
	headerMost     = 16 << 10         // octets of a header of HTTP
)

// suites of TLS 1.2: forward secrecy and AEAD only.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// connection is a WebSocket with COM over TLS over TCP.
type connection struct {
	socket *websocket.Conn
	tcp    net.Conn
	tls    *tls.ConnectionState
	serial string // that the box has named
}

// farewell is how long COM has to answer the close of a WebSocket.
const farewell = time.Second

// close ends it with a close code. A dead line does not hold it up.
func (c *connection) close(code int, reason string) {
	cut := time.AfterFunc(farewell, func() { c.tcp.Close() })
	defer cut.Stop()
	c.socket.Close(websocket.StatusCode(code), reason)
}

// refusal is an answer of HTTP that does not open the WebSocket.
type refusal struct {
	status int
	wait   time.Duration // Retry-After
}

func (r *refusal) Error() string {
	return fmt.Sprintf("COM answers %d %s", r.status, http.StatusText(r.status))
}

// Serial is the serial number of the box.
func (l *Link) Serial() (string, error) {
	text, err := os.ReadFile(l.options.Serial)
	if err != nil {
		return "", fmt.Errorf("the serial number of the box: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// dial makes a connection with a port.
func (l *Link) dial(ctx context.Context, c model.COM, port uint16) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	serial, err := l.Serial()
	if err != nil {
		return nil, err
	}
	made := &connection{serial: serial}
	security, err := l.security(c)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (conn net.Conn, err error) {
			made.tcp, err = l.connect(ctx, address)
			return made.tcp, err
		},
		TLSClientConfig:        security,
		TLSHandshakeTimeout:    handshakeLimit,
		MaxResponseHeaderBytes: headerMost,
	}
	if proxy := c.Proxy(); proxy != "" {
		transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: proxy})
	}
	defer transport.CloseIdleConnections()
	address := url.URL{
		Scheme: "https", Host: net.JoinHostPort(c.Server, strconv.Itoa(int(port))), Path: wire.Path,
		RawQuery: url.Values{"ci": {c.CustomerID}, "sn": {made.serial}}.Encode(),
	}
	socket, response, err := websocket.Dial(ctx, address.String(), &websocket.DialOptions{
		HTTPClient: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Subprotocols: []string{wire.Mux, wire.RPC},
	})
	switch {
	case err == nil:
		made.socket, made.tls = socket, response.TLS
		return made, nil
	case response != nil && response.StatusCode != http.StatusSwitchingProtocols:
		err = &refusal{response.StatusCode, retryAfter(response.Header.Get("Retry-After"), time.Now())}
	}
	return nil, fmt.Errorf("dial %s: %w", address.Host, err)
}

// connect opens the TCP connection with one address of a host, and lets it be
// known. Every try looks the name up again (COM-7).
func (l *Link) connect(ctx context.Context, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses, err := l.options.Lookup(ctx, host)
	if err == nil && len(addresses) == 0 {
		err = errors.New("there is no address")
	}
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", host, err)
	}
	first := slices.MinFunc(addresses, func(a, b netip.Addr) int {
		return cmp.Compare(a.Unmap().BitLen(), b.Unmap().BitLen()) // IPv4 before IPv6
	})
	chosen := net.JoinHostPort(first.String(), port)
	l.mu.Lock()
	l.status.Address = chosen
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	conn, err := l.options.Dial(ctx, "tcp", chosen)
	if err != nil {
		return nil, err
	}
	return conn, mux.Tune(conn)
}

// security is what TLS must be: mutual, exactly 1.2 unless 1.3 is allowed (COM-9).
// Nothing remembers a session, so each has a handshake of its own.
func (l *Link) security(c model.COM) (*tls.Config, error) {
	roots, trusts, err := l.options.Identity.Roots()
	if err != nil {
		return nil, fmt.Errorf("whom to trust: %w", err)
	}
	if roots == nil {
		return nil, errors.New("no authority is trusted")
	}
	own, err := l.options.Identity.Certificates()
	if err == nil && len(own) == 0 {
		err = errors.New("there is none")
	}
	if err != nil {
		return nil, fmt.Errorf("the certificate of the box: %w", err)
	}
	l.mu.Lock()
	shown := own[l.turn%len(own)]
	l.status.Identity, l.status.Trusts = shown.Name, trusts
	l.mu.Unlock()
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: suites,
		ServerName: c.Server, RootCAs: roots, Time: l.options.Now,
		// Not Certificates: crypto/tls would hold one back that none of the
		// authorities that COM names has signed, and the box must be pending with it.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return shown.Certificate, nil },
	}
	if c.TLS13 {
		config.MaxVersion = tls.VersionTLS13
	}
	return config, nil
}

// suspects says whether an error is that COM is not who it should be.
func suspects(err error) bool {
	var invalid *tls.CertificateVerificationError
	return errors.As(err, &invalid)
}

// refuses says whether an error is that COM does not want the box: an alert of
// TLS, an answer of HTTP or a close code.
func refuses(err error) bool {
	var alert *net.OpError
	var answer *refusal
	switch {
	case errors.As(err, &alert) && alert.Op == "remote error": // crypto/tls: of the other side
		return true
	case errors.As(err, &answer):
		return answer.status == http.StatusUnauthorized || answer.status == http.StatusForbidden
	}
	return websocket.CloseStatus(err) == wire.ClosePolicy
}

// retryAfter reads seconds or a date (RFC 9110 §10.2.3).
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(date.Sub(now), 0)
	}
	return 0
}
