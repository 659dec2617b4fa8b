package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// CheckWeb says why a text is not the URL of a file on a web server. One with a
// password, or with what may be as good as one (the query), is refused: it would
// stand in listings and logs.
func CheckWeb(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("this is not a URL like https://host/file")
	}
	return nil
}

// headerMax bounds what a web server says before the file, in octets.
const headerMax = 64 << 10

// Get asks a web server for the file of a URL that CheckWeb has nothing against.
// config says whom to believe. The size is in octets, -1 if the server does not
// say. Whoever asks closes the content, which fails when ctx ends or the server
// is silent, and when it has another size.
func Get(ctx context.Context, address string, config *tls.Config) (content io.ReadCloser, size int64, err error) {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, host string) (net.Conn, error) {
			dialer := net.Dialer{Timeout: silence}
			conn, err := dialer.DialContext(ctx, network, host)
			if err != nil {
				return nil, err
			}
			return impatient{conn}, nil
		},
		TLSClientConfig:        config,
		DisableKeepAlives:      true,
		DisableCompression:     true, // the file as it is there
		MaxResponseHeaderBytes: headerMax,
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, 0, err
	}
	client := http.Client{Transport: transport, CheckRedirect: stayEncrypted}
	response, err := client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, 0, fmt.Errorf("the server answers %s", response.Status)
	}
	return response.Body, response.ContentLength, nil
}

// redirectsMax bounds how often a server may name another place.
const redirectsMax = 5

// stayEncrypted lets a server name other places over HTTPS.
func stayEncrypted(next *http.Request, before []*http.Request) error {
	switch {
	case next.URL.Scheme != "https":
		return fmt.Errorf("the server names a place that is not https: %s", next.URL.Redacted())
	case len(before) > redirectsMax:
		return fmt.Errorf("the server names another place more than %d times", redirectsMax)
	}
	return nil
}
