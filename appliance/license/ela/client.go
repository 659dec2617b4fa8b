package ela

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// The limits of an exchange.
const (
	exchangeTime  = time.Minute // for all of it
	handshakeTime = 15 * time.Second
	headerMax     = 16 << 10 // octets of a header of HTTP
)

// Client sends requests to a licence server. Exchanges are months apart: it
// keeps no connection and no nonce between them. It may be used from several
// goroutines.
type Client struct {
	URL   string         // "https://host[:port][/path]", the Paths come below it
	Roots *x509.CertPool // that the server's certificate must lead to
	Proxy string         // "host:port" of an HTTP proxy that is asked to CONNECT; empty: none
	Now   func() time.Time
	// DialContext opens TCP connections; nil: as net.Dialer does.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// Send brings a request to the server and gives its answer, which nobody has
// looked into yet. A refusal is a *ProblemError, a certificate that is not valid
// by Now is ErrTime, all else is that the server cannot be reached.
func (c *Client) Send(ctx context.Context, r Request, s Signer) ([]byte, error) {
	if c.Roots == nil {
		return nil, ErrNoRoots
	}
	base, err := url.Parse(c.URL)
	if err != nil || base.Scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("%w: %q", ErrURL, c.URL)
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	transport := c.transport()
	defer transport.CloseIdleConnections()
	e := exchange{ctx: ctx, now: c.Now, base: strings.TrimSuffix(c.URL, "/"), http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	answer, err := e.send(r, s)
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired { // also: has not begun
		return nil, fmt.Errorf("%w: %w", ErrTime, err)
	}
	return answer, err
}

func (c *Client) transport() *http.Transport {
	transport := &http.Transport{
		DialContext:            c.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots, Time: c.Now},
		TLSHandshakeTimeout:    handshakeTime,
		MaxResponseHeaderBytes: headerMax,
		DisableCompression:     true, // what is not unpacked is not larger than it looks
	}
	if c.Proxy != "" {
		transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: c.Proxy})
		transport.OnProxyConnectResponse = func(_ context.Context, proxy *url.URL, asked *http.Request, response *http.Response) error {
			if response.StatusCode != http.StatusOK {
				return fmt.Errorf("the proxy %s does not connect to %s: %s", proxy.Host, asked.Host, printable(response.Status))
			}
			return nil
		}
	}
	return transport
}

// exchange is a request on its way.
type exchange struct {
	ctx  context.Context
	now  func() time.Time
	base string // address of the server
	http *http.Client
}

// send asks for a nonce and sends the request with it; again with the nonce that
// comes with the refusal of that one, as it can end while it travels (RFC 8555
// §6.5).
func (e *exchange) send(r Request, s Signer) ([]byte, error) {
	_, nonce, err := e.do(http.MethodGet, PathNonce, nil)
	if err != nil {
		return nil, err
	}
	answer, next, err := e.post(r, s, nonce)
	var problem *ProblemError
	if errors.As(err, &problem) && problem.Type == BadNonce {
		answer, _, err = e.post(r, s, next)
	}
	return answer, err
}

func (e *exchange) post(r Request, s Signer, nonce string) (answer []byte, next string, err error) {
	if !nonceForm.MatchString(nonce) {
		return nil, "", fmt.Errorf("the licence server sends no nonce (%s) that can be used", NonceHeader)
	}
	signed, err := r.Sign(s, e.base+r.Path, nonce)
	if err != nil {
		return nil, "", err
	}
	return e.do(http.MethodPost, r.Path, signed)
}

// nonceForm is that of nonces (RFC 8555 §6.5.1).
var nonceForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// do sends a request of HTTP and gives the body of its answer and the nonce that
// came with it, the latter also with a *ProblemError.
func (e *exchange) do(method, path string, body []byte) (answer []byte, nonce string, err error) {
	request, err := http.NewRequestWithContext(e.ctx, method, e.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrURL, err)
	}
	request.Header.Set("User-Agent", "ela/1")
	if body != nil {
		request.Header.Set("Content-Type", MediaType)
	}
	response, err := e.http.Do(request)
	if err != nil {
		return nil, "", err // names the address
	}
	defer response.Body.Close()
	if answer, err = io.ReadAll(io.LimitReader(response.Body, MaxMessage+1)); err != nil {
		return nil, "", fmt.Errorf("read the answer of the licence server: %w", err)
	}
	nonce = response.Header.Get(NonceHeader)
	switch {
	case len(answer) > MaxMessage:
		return nil, nonce, ErrTooLong
	case method == http.MethodGet && (response.StatusCode == http.StatusOK || response.StatusCode == http.StatusNoContent):
		return nil, nonce, nil
	case method == http.MethodPost && response.StatusCode == http.StatusOK && mediaType(response) == MediaType:
		return answer, nonce, nil
	}
	return nil, nonce, problemOf(response, answer, e.now())
}

// mediaType is that of a body, without its parameters; empty: none that can be
// read.
func mediaType(response *http.Response) string {
	name, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return name
}
