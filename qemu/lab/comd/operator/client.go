package operator

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"

	"causeway/appliance/com/mux"
	"causeway/appliance/com/wire"
	"causeway/qemu/lab/comd/api"
)

// Client is an operator at the API of COM.
type Client struct {
	URL   string // https://HOST:PORT
	Token string
	Key   *Key   // nil: nothing is signed
	Actor string // who acts in the operator's name; empty: he himself
	http  *http.Client
}

// NewClient makes a client that trusts a root (PEM).
func NewClient(url, token string, root []byte, key *Key) (*Client, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		return nil, errors.New("the root has no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	return &Client{URL: url, Token: token, Key: key, http: &http.Client{Transport: transport}}, nil
}

// Close ends its idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Error is a refusal. Code is one of wire, of JSON-RPC or of HTTP.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *Error) Error() string { return fmt.Sprintf("%s (%d)", e.Message, e.Code) }

// longestAnswer is that of the API, in octets: ten thousand boxes have room.
const longestAnswer = 64 << 20

// Do makes one call of the API. body and answer may be nil.
func (c *Client) Do(ctx context.Context, method, path string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.Token)
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err = io.ReadAll(io.LimitReader(response.Body, longestAnswer))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if response.StatusCode != http.StatusOK {
		refusal := &Error{Code: response.StatusCode, Message: strings.TrimSpace(string(text))}
		json.Unmarshal(text, refusal) // what is not ours stands there as it came
		return refusal
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	return nil
}

// boxPath is the path of a box.
func boxPath(serial string) string { return "/boxes/" + url.PathEscape(serial) }

// Box shows a box.
func (c *Client) Box(ctx context.Context, serial string) (b api.Box, err error) {
	err = c.Do(ctx, http.MethodGet, boxPath(serial), nil, &b)
	return b, err
}

// Session is the ID of the session that a box has now (wire.Signed.Session).
func (c *Client) Session(ctx context.Context, serial string) (string, error) {
	box, err := c.Box(ctx, serial)
	if err == nil && (box.State == nil || box.State.Session == "") {
		err = fmt.Errorf("box %s is not connected", serial)
	}
	if err != nil {
		return "", err
	}
	return box.State.Session, nil
}

// AwaitOther waits until a box has another session than that one.
func (c *Client) AwaitOther(ctx context.Context, serial, session string) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		if now, err := c.Session(ctx, serial); err == nil && now != session {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("box %s has not come back: %w", serial, ctx.Err())
		case <-ticker.C:
		}
	}
}

// lifetime is how long what is signed holds.
const lifetime = 2 * time.Minute

// sign signs for the session that the box has now. Without an idem it is a new
// order.
func (c *Client) sign(ctx context.Context, serial, method, idem string, params any) (json.RawMessage, *wire.Meta, error) {
	if c.Key == nil {
		return nil, nil, fmt.Errorf("%s: want a key to sign with", method)
	}
	session, err := c.Session(ctx, serial)
	if err != nil {
		return nil, nil, err
	}
	return c.Key.Sign(Order{
		Box: serial, Session: session, Method: method, Params: params, Actor: c.Actor, Idem: idem, Expires: time.Now().Add(lifetime),
	})
}

// Call has a box do something. A key signs it.
func (c *Client) Call(ctx context.Context, serial, method string, params, answer any) error {
	return c.call(ctx, serial, method, "", params, answer)
}

func (c *Client) call(ctx context.Context, serial, method, idem string, params, answer any) error {
	signed, meta, err := c.sign(ctx, serial, method, idem, params)
	if err != nil {
		return err
	}
	if signed, err = withMeta(signed, meta); err != nil {
		return err
	}
	return c.Send(ctx, serial, method, signed, answer)
}

// CallThrough is Call of what may cost the box its session before it has
// answered, such as another address. Over the next one it is asked again: the box
// knows the order by its idem, and gives what came of it.
func (c *Client) CallThrough(ctx context.Context, serial, method string, params, answer any) error {
	idem := newUUID()
	for {
		session, err := c.Session(ctx, serial)
		if err != nil {
			return err
		}
		if err = c.call(ctx, serial, method, idem, params, answer); err == nil {
			return nil
		}
		if now, unknown := c.Session(ctx, serial); unknown == nil && now == session {
			return err
		}
		if away := c.AwaitOther(ctx, serial, session); away != nil {
			return fmt.Errorf("%w; %w", err, away)
		}
	}
}

// Send has a box do something, with parameters as they are.
func (c *Client) Send(ctx context.Context, serial, method string, params json.RawMessage, answer any) error {
	return c.Do(ctx, http.MethodPost, boxPath(serial)+"/call", api.Call{Method: method, Params: params}, answer)
}

// Open opens a stream to a box. A key signs it.
func (c *Client) Open(ctx context.Context, serial, service string, params any) (io.ReadWriteCloser, wire.Answer, error) {
	signed, meta, err := c.sign(ctx, serial, "stream."+service, "", params)
	if err != nil {
		return nil, wire.Answer{}, err
	}
	return c.OpenHeader(ctx, serial, wire.Header{Service: service, Version: 1, ID: newUUID(), Params: signed, Meta: meta})
}

// OpenHeader opens a stream with a header as it is.
func (c *Client) OpenHeader(ctx context.Context, serial string, header wire.Header) (io.ReadWriteCloser, wire.Answer, error) {
	conn, response, err := websocket.Dial(ctx, c.URL+boxPath(serial)+"/stream", &websocket.DialOptions{
		HTTPClient: c.http, HTTPHeader: http.Header{"Authorization": {"Bearer " + c.Token}}, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, wire.Answer{}, refusalIn(response, err)
	}
	stream := websocket.NetConn(ctx, conn, websocket.MessageBinary)
	answer, err := begin(stream, header)
	if err != nil {
		return nil, answer, errors.Join(err, conn.CloseNow())
	}
	return stream, answer, nil
}

// begin says what a stream is for and reads what the box says to that.
func begin(stream io.ReadWriter, header wire.Header) (wire.Answer, error) {
	if err := mux.WriteHeader(stream, header); err != nil {
		return wire.Answer{}, err
	}
	answer, err := mux.ReadAnswer(stream)
	if err == nil && answer.Error != nil {
		err = &Error{answer.Error.Code, answer.Error.Message}
	}
	return answer, err
}

// refusalIn is what an answer that is no WebSocket says, or else the error.
func refusalIn(response *http.Response, err error) error {
	if response == nil {
		return err
	}
	refusal := &Error{}
	if text, readErr := io.ReadAll(io.LimitReader(response.Body, 4<<10)); readErr != nil || json.Unmarshal(text, refusal) != nil || refusal.Code == 0 {
		return err
	}
	return refusal
}
