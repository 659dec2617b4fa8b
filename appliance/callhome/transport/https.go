package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"causeway/appliance/callhome/message"
)

// The bounds of an answer, in octets.
const (
	headerMost = 16 << 10
	answerMost = 64 << 10
)

// LongestWait bounds what a destination may ask for (Later).
const LongestWait = 24 * time.Hour

// refusals are the answers by which a server says that the message itself is
// what it does not want.
var refusals = []int{
	http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity,
}

// post sends a message over HTTPS.
func (t *Transport) post(ctx context.Context, to Destination, m *message.Message) error {
	where, err := url.Parse(to.URL)
	if err != nil {
		return errors.New("the destination is not a URL") // what it is may be as good as a password
	}
	wrap := func(err error) error { return fmt.Errorf("send to %s: %w", where.Host, err) }
	config, err := t.security(to.Mode, where.Hostname())
	if err != nil {
		return wrap(err)
	}
	body, err := t.form(m, to.Format)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit(body.text))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, bytes.NewReader(body.text))
	if err != nil {
		return errors.New("the destination is not a URL")
	}
	request.Header.Set("Content-Type", body.mediaType)
	request.Header.Set("User-Agent", t.program())
	client := http.Client{
		Transport: &http.Transport{
			DialContext: t.connect, Proxy: by(to.Proxy), OnProxyConnectResponse: connected,
			TLSClientConfig: config, TLSHandshakeTimeout: connectLimit,
			DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: headerMost,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		if about := (*url.Error)(nil); errors.As(err, &about) {
			err = about.Err // without the URL
		}
		return wrap(err)
	}
	defer response.Body.Close()
	if err := outcome(response, time.Now()); err != nil {
		return wrap(err)
	}
	return nil
}

// connect opens a TCP connection with a host.
func (t *Transport) connect(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	return t.options.Dial(ctx, network, address)
}

// by is the way through a proxy, if there is one.
func by(proxy string) func(*http.Request) (*url.URL, error) {
	if proxy == "" {
		return nil
	}
	return http.ProxyURL(&url.URL{Scheme: "http", Host: proxy})
}

// connected looks at what a proxy says to CONNECT.
func connected(_ context.Context, proxy *url.URL, _ *http.Request, response *http.Response) error {
	switch response.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusProxyAuthRequired:
		return fmt.Errorf("the proxy %s answers %s: proxies with authentication are not supported", proxy.Host, status(response))
	}
	return fmt.Errorf("the proxy %s answers %s", proxy.Host, status(response))
}

func status(response *http.Response) string {
	return fmt.Sprintf("%d %s", response.StatusCode, http.StatusText(response.StatusCode))
}

// outcome says what an answer means. The first words of its body are told: they
// are for whoever looks into why.
func outcome(response *http.Response, now time.Time) error {
	if response.StatusCode/100 == 2 {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, answerMost)) // half an answer says something, too
	err := fmt.Errorf("the server answers %s", status(response))
	if words := quote(string(body)); words != "" {
		err = fmt.Errorf("%w: %s", err, words)
	}
	if slices.Contains(refusals, response.StatusCode) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if after := retryAfter(response.Header.Get("Retry-After"), now); after > 0 {
		return &Later{After: after, Err: err}
	}
	return err
}

// retryAfter reads seconds or a date (RFC 9110 §10.2.3); 0: there is none.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, LongestWait)
	}
	if date, err := http.ParseTime(text); err == nil {
		return min(max(date.Sub(now), 0), LongestWait)
	}
	return 0
}
