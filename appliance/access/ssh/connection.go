package ssh

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"causeway/appliance/model"
)

// The algorithms, the preferred first: what has no known weakness. A key
// exchange that holds against quantum computers comes first; MACs are for the
// CTR ciphers alone. The library counters CVE-2023-48795 (strict key exchange).
var (
	keyExchanges = []string{ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519}
	ciphers      = []string{ssh.CipherAES256GCM, ssh.CipherAES128GCM, ssh.CipherChaCha20Poly1305,
		ssh.CipherAES256CTR, ssh.CipherAES192CTR, ssh.CipherAES128CTR}
	macs     = []string{ssh.HMACSHA512ETM, ssh.HMACSHA256ETM}
	userKeys = []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
)

// Bounds of a login.
const (
	passwordsMost = 3  // tries
	triesMost     = 12 // with the keys that a client tries
	rsaLeast      = 3072
)

// banner is what everybody is told before the login (RFC 4252 §5.4).
const banner = "For authorised users only. What is done here is written down.\n"

// connection is one from its beginning to its end.
type connection struct {
	*Server
	ctx       context.Context // ends with it
	wire      *wire
	seat      *seat
	peer      string // "192.0.2.7:50122"; the origin without the door
	passwords int    // tried
	login     *model.Login
	began     time.Time    // by the monotonic clock
	last      atomic.Int64 // when something last went over a channel: a time.Duration after that
	sessions  atomic.Int32 // that run on its channels
	running   sync.WaitGroup
	why       atomic.Pointer[string] // it was ended by us
}

// serve serves a connection to its end. An error says why it has not come to a
// login.
func (s *Server) serve(ctx context.Context, plain net.Conn, peer string, seat *seat) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer plain.Close()
	defer context.AfterFunc(ctx, func() { plain.Close() })()
	c := &connection{Server: s, ctx: ctx, seat: seat, peer: peer, began: time.Now()}
	c.wire = &wire{Conn: plain, silence: s.silence, lost: c.lost}
	defer c.logout()
	config, err := c.config()
	if err != nil {
		return err
	}
	if err := plain.SetDeadline(time.Now().Add(s.limits.login)); err != nil {
		return err
	}
	conn, channels, requests, err := ssh.NewServerConn(c.wire, config)
	if err != nil {
		return err
	}
	c.wire.watch()
	c.active()
	defer c.running.Wait()
	defer cancel()
	c.running.Go(func() { ssh.DiscardRequests(requests) }) // tcpip-forward and the like
	c.running.Go(func() { c.keepalive(conn) })
	c.running.Go(func() { c.watch() })
	for channel := range channels {
		c.open(channel)
	}
	return nil
}

// config is that of the library for this connection.
func (c *connection) config() (*ssh.ServerConfig, error) {
	key, err := c.HostKey()
	if err != nil {
		return nil, fmt.Errorf("host key: %w", err)
	}
	config := &ssh.ServerConfig{
		Config:                    ssh.Config{KeyExchanges: keyExchanges, Ciphers: ciphers, MACs: macs},
		PublicKeyAuthAlgorithms:   userKeys,
		MaxAuthTries:              triesMost,
		ServerVersion:             "SSH-2.0-Causeway",
		BannerCallback:            func(ssh.ConnMetadata) string { return banner },
		PasswordCallback:          c.password,
		PublicKeyCallback:         c.keyOffered,
		VerifiedPublicKeyCallback: c.keyProven,
	}
	config.AddHostKey(key)
	return config, nil
}

// errRefused is what all clients are told whose login fails.
var errRefused = errors.New("login refused")

func (c *connection) password(who ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
	if c.passwords++; c.passwords > passwordsMost {
		c.wire.Close()
		return nil, errRefused
	}
	login, err := c.Login.Password(c.ctx, who.User(), string(password), "ssh "+c.peer)
	return c.loggedIn(login, err)
}

// keyOffered answers whether a key would do. Its owner has proven nothing yet.
func (c *connection) keyOffered(who ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	if !strong(key) || !c.Login.KeyKnown(who.User(), key) {
		return nil, errRefused
	}
	return nil, nil
}

// strong refuses RSA keys that are too short; other kinds have one length.
func strong(key ssh.PublicKey) bool {
	k, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return false
	}
	r, is := k.CryptoPublicKey().(*rsa.PublicKey)
	return !is || r.N.BitLen() >= rsaLeast
}

func (c *connection) keyProven(who ssh.ConnMetadata, key ssh.PublicKey, _ *ssh.Permissions, _ string) (*ssh.Permissions, error) {
	login, err := c.Login.Key(c.ctx, who.User(), key, "ssh "+c.peer)
	return c.loggedIn(login, err)
}

// loggedIn takes what a login came to.
func (c *connection) loggedIn(login model.Login, err error) (*ssh.Permissions, error) {
	if err != nil {
		return nil, err
	}
	if !c.seat.logIn() {
		c.Login.Logout(login.Session, "too many connections")
		return nil, &ssh.BannerError{Err: errRefused, Message: fmt.Sprintf("%d connections are logged in: no more can be.\n", loggedInMost)}
	}
	c.login = &login
	return nil, nil
}

// end ends the connection, for a reason.
func (c *connection) end(why string) {
	c.why.CompareAndSwap(nil, &why)
	c.wire.Close()
}

// lost is told that the peer has gone.
func (c *connection) lost() {
	if c.sessions.Load() > 0 {
		c.end("hang up")
	}
}

// logout tells that the login is over.
func (c *connection) logout() {
	if c.login == nil {
		return
	}
	why := "exit"
	if ended := c.why.Load(); ended != nil {
		why = *ended
	}
	c.Login.Logout(c.login.Session, why)
}

// active notes that something goes over a channel.
func (c *connection) active() { c.last.Store(int64(time.Since(c.began))) }

// idleGrace is what the console has to end an idle session by itself, and to
// say so.
const idleGrace = 15 * time.Second

// watch ends the connection when its login is over, or nothing has gone over
// its channels for too long.
func (c *connection) watch() {
	idle := time.Duration(c.login.IdleMinutes) * time.Minute
	var look <-chan time.Time // never, if it may be idle for ever
	for {
		if idle > 0 {
			left := time.Until(c.began.Add(time.Duration(c.last.Load()) + idle + idleGrace))
			if left <= 0 {
				c.end("idle")
				return
			}
			look = time.After(left)
		}
		select {
		case <-c.ctx.Done():
			return
		case <-c.Login.Ended(c.login.Session):
			c.end("cleared")
			return
		case <-look:
		}
	}
}

// keepalive asks the peer again and again whether it is there. An answer of any
// kind keeps the wire open.
func (c *connection) keepalive(conn ssh.Conn) {
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-time.After(c.limits.keepalive):
		}
		if _, _, err := conn.SendRequest("keepalive@openssh.com", true, nil); err != nil {
			return
		}
	}
}

// wire is a connection that ends when nothing goes over it for too long, once
// it is watched.
type wire struct {
	net.Conn
	silence time.Duration
	lost    func() // is told of the end, before who reads
	watched atomic.Bool
}

// watch replaces the time for the login.
func (w *wire) watch() {
	w.watched.Store(true)
	w.SetDeadline(time.Now().Add(w.silence))
}

func (w *wire) Read(p []byte) (int, error) {
	if w.watched.Load() {
		w.SetReadDeadline(time.Now().Add(w.silence))
	}
	n, err := w.Conn.Read(p)
	if err != nil {
		w.lost()
	}
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	if w.watched.Load() {
		w.SetWriteDeadline(time.Now().Add(w.silence))
	}
	return w.Conn.Write(p)
}
