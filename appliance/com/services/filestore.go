package services

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
)

// Store is the file store (COM-21): the one host that files are brought to and
// fetched from on COM's word, over HTTPS. A URL may carry what permits that in its
// query, so it stands in no log and no error.
type Store struct {
	Host  func() string // of the configuration
	Proxy func() string // host and port of the HTTP proxy on the way; empty: none
	TLS   func() (*tls.Config, error)
	Dial  func(ctx context.Context, network, address string) (net.Conn, error)
	Line  Line
}

// silence is how long the store may take to answer, and to take octets.
const silence = time.Minute

// errRedirect refuses to go where the store points to.
var errRedirect error = redirectError{}

type redirectError struct{}

func (redirectError) Error() string { return "the file store names another place" }

// Final says that trying again would not mend it.
func (redirectError) Final() bool { return true }

// check says why a URL is not one of the file store.
func (s *Store) check(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "https" || u.User != nil || u.Fragment != "" || u.Opaque != "":
		return gate.Refuse(wire.CodeNotAllowed, "this is not a URL like https://host/file")
	case u.Hostname() != s.Host() || u.Port() != "" && u.Port() != "443":
		return gate.Refuse(wire.CodeNotAllowed, "%s is not the file store: that is %s", u.Host, s.Host())
	}
	return nil
}

// ask sends a request and gives an answer whose status is 2xx. Whoever asks
// closes its body, which ends with ctx.
func (s *Store) ask(request *http.Request) (*http.Response, error) {
	config, err := s.TLS()
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := s.Dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return impatient{conn}, nil
		},
		TLSClientConfig:        config,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if proxy := s.Proxy(); proxy != "" {
		transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: proxy})
	}
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect }}
	response, err := client.Do(request)
	if err != nil {
		if about := (*url.Error)(nil); errors.As(err, &about) {
			err = about.Err // without the URL
		}
		return nil, err
	}
	if response.StatusCode/100 != 2 {
		response.Body.Close()
		return nil, statusError(response.StatusCode)
	}
	return response, nil
}

// statusError is an answer other than 2xx.
type statusError int

func (e statusError) Error() string {
	return fmt.Sprintf("the file store answers %d %s", int(e), http.StatusText(int(e)))
}

// Final says whether trying again would not mend it.
func (e statusError) Final() bool {
	return e/100 == 4 && e != http.StatusRequestTimeout && e != http.StatusTooManyRequests
}

// Put brings size octets to a URL and gives their SHA-256, in hexadecimal.
func (s *Store) Put(ctx context.Context, address string, content io.Reader, size int64) (sum string, err error) {
	if err := s.check(address); err != nil {
		return "", err
	}
	sent := &hashed{Reader: pacing{ctx, content, s.Line}, sum: sha256.New(), closed: make(chan struct{})}
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, address, sent)
	if err != nil {
		return "", errors.New("this is not a URL")
	}
	if request.ContentLength = size; size == 0 {
		request.Body = http.NoBody
		close(sent.closed)
	}
	request.Header.Set("Content-Type", "application/octet-stream")
	response, err := s.ask(request)
	if err != nil {
		return "", err
	}
	response.Body.Close()
	<-sent.closed // the store may have answered before it had all
	if sent.octets != size {
		return "", fmt.Errorf("the file store answers after %d of %d octets", sent.octets, size)
	}
	return hex.EncodeToString(sent.sum.Sum(nil)), nil
}

// Get asks for the octets of a URL from offset on. It gives the offset that they
// begin at, which is 0 where the store does not know ranges.
func (s *Store) Get(ctx context.Context, address string, offset int64) (content io.ReadCloser, from int64, err error) {
	if err := s.check(address); err != nil {
		return nil, 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, 0, errors.New("this is not a URL")
	}
	if offset > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	response, err := s.ask(request)
	if err != nil {
		return nil, 0, err
	}
	if response.StatusCode == http.StatusPartialContent {
		if _, err := fmt.Sscanf(response.Header.Get("Content-Range"), "bytes %d-", &from); err != nil || from != offset {
			response.Body.Close()
			return nil, 0, errors.New("the file store sends another part than it was asked for")
		}
	}
	return struct {
		io.Reader
		io.Closer
	}{pacing{ctx, response.Body, s.Line}, response.Body}, from, nil
}

// pacing is a reader that leaves a slow line room for others.
type pacing struct {
	ctx context.Context
	io.Reader
	line Line
}

func (r pacing) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p[:min(len(p), wire.Chunk)])
	if err == nil {
		err = r.line.Wait(r.ctx, n)
	}
	return n, err
}

// hashed is the body of a request, which knows what was sent when it is closed.
type hashed struct {
	io.Reader
	sum    hash.Hash
	octets int64
	closed chan struct{}
	once   sync.Once
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	h.sum.Write(p[:n]) // never fails
	h.octets += int64(n)
	return n, err
}

func (h *hashed) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// impatient is a connection that ends when nothing moves in either direction.
type impatient struct{ net.Conn }

func (c impatient) Read(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c impatient) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
