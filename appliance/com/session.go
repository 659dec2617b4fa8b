package com

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/creachadair/jrpc2"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/mux"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

const (
	welcomeLimit = 30 * time.Second
	// Between two heartbeats.
	shortestBeat = 10 * time.Second
	longestBeat  = 5 * time.Minute
)

// session is a connection with JSON-RPC in it, from hello to its end. It is the Peer
// of the companions.
type session struct {
	link     *Link
	config   model.COM
	over     *connection
	streams  *mux.Session // nil: there are none (wire.RPC)
	client   *jrpc2.Client
	end      context.CancelCauseFunc
	is       gate.Session
	welcomed chan struct{} // closed with the welcome; is is set then
}

// try dials once, and holds the session as long as it lasts. end ends both.
func (l *Link) try(ctx context.Context, end context.CancelCauseFunc, c model.COM, port uint16) (o outcome) {
	made, err := l.dial(ctx, c, port)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		var answer *refusal
		if errors.As(err, &answer) {
			o.asked = answer.wait
		}
		o.err, o.refused = err, refuses(err)
		return o
	}
	s := &session{link: l, config: c, over: made, end: end, welcomed: make(chan struct{})}
	began := time.Now()
	if o.welcomed, o.err = s.hold(ctx); o.welcomed {
		o.lasted = time.Since(began)
	}
	var away sentAway
	if errors.As(o.err, &away) {
		o.asked = away.wait
	}
	o.refused = refuses(o.err) || !o.welcomed && isCode(o.err, wire.CodeNotAllowed)
	return o
}

// isCode says whether an error is a refusal with a code.
func isCode(err error, code int) bool {
	var refused *gate.Error
	return errors.As(err, &refused) && refused.Code == code
}

// hold makes a session of the connection and holds it until either side ends it. The
// connection is closed, and all that ran beside has ended, when it returns.
func (s *session) hold(ctx context.Context) (welcomed bool, err error) {
	var beside sync.WaitGroup
	defer func() {
		s.end(err) // unless it has ended
		err = s.cause(ctx)
		s.over.close(closeCode(err), "")
		if s.client != nil {
			s.client.Close()
		}
		if s.streams != nil {
			s.streams.Close()
		}
		beside.Wait()
	}()
	if err := s.open(ctx); err != nil {
		return false, err
	}
	welcome, err := s.hello(ctx)
	if err != nil {
		return false, err
	}
	beat := s.interval(welcome)
	s.link.up(s, welcome, beat)
	close(s.welcomed)
	run := func(what string, part func(context.Context) error) {
		beside.Go(func() {
			if err := part(ctx); err != nil && ctx.Err() == nil {
				s.link.options.Log.Warn("beside the link to COM", "part", what, "error", err)
			}
		})
	}
	run("heartbeat", func(ctx context.Context) error { return s.beat(ctx, beat) })
	if s.streams != nil {
		run("streams", s.accept)
	} else {
		run("keep alive", s.keepAlive)
	}
	if welcome.Enroll {
		run("enrolment", s.enroll)
	}
	for _, companion := range s.link.options.Companions {
		run("companion", func(ctx context.Context) error { return companion(ctx, s.is, s) })
	}
	<-ctx.Done()
	return true, nil
}

// cause is why the session ends. What COM has said in its close frame is worth
// more than that a stream is over.
func (s *session) cause(ctx context.Context) error {
	err := context.Cause(ctx)
	if s.streams != nil && mux.IsClosed(err) {
		return cmp.Or(s.streams.Err(), err)
	}
	return err
}

// closeCode tells COM why the session ends.
func closeCode(err error) int {
	switch {
	case errors.Is(err, mux.ErrUndecodable):
		return wire.CloseUndecodable
	case errors.Is(err, mux.ErrTooLong):
		return wire.CloseTooLong
	case errors.Is(err, errTooManyStreams), errors.Is(err, mux.ErrPings):
		return wire.ClosePolicy
	}
	return closeNormal
}

// closeNormal is the close code of a session that just ends (RFC 6455 §7.4.1).
const closeNormal = 1000

// open begins JSON-RPC in the way that COM has chosen.
func (s *session) open(ctx context.Context) error {
	switch chosen := s.over.socket.Subprotocol(); chosen {
	case wire.RPC:
		s.talk(mux.Messages(context.Background(), s.over.socket)) // until it is closed: with a code
		return nil
	case wire.Mux:
	default:
		return fmt.Errorf("COM speaks neither %s nor %s", wire.Mux, wire.RPC)
	}
	var err error
	if s.streams, err = mux.Server(s.over.socket); err != nil {
		return err
	}
	stream, err := s.streams.Open()
	if err != nil {
		return err
	}
	stream.SetDeadline(time.Now().Add(welcomeLimit)) // of yamux: never fails
	stop := context.AfterFunc(ctx, func() { s.streams.Close() })
	defer stop()
	if err := mux.WriteHeader(stream, wire.Header{Service: wire.StreamRPC, Version: 1, ID: "1"}); err != nil {
		return fmt.Errorf("begin the first stream: %w", err)
	}
	answer, err := mux.ReadAnswer(stream)
	switch {
	case err != nil:
		return fmt.Errorf("begin the first stream: %w", err)
	case answer.Error != nil:
		return &gate.Error{Code: answer.Error.Code, Message: printable(answer.Error.Message)}
	case !answer.OK:
		return errors.New("COM does not take the first stream")
	}
	stream.SetDeadline(time.Time{})
	s.talk(mux.Lines(stream))
	return nil
}

// hello says who the box is, and makes the session ID of what both sides and TLS
// have contributed.
func (s *session) hello(ctx context.Context) (w wire.Welcome, err error) {
	material, err := s.over.tls.ExportKeyingMaterial(wire.Exporter, nil, wire.ExportedLength)
	if err != nil {
		return w, fmt.Errorf("bind the session to TLS: %w", err) // COM does not do RFC 7627
	}
	h := s.link.options.Hello()
	h.Versions, h.Features, h.Nonce = []int{1}, []string{}, make([]byte, wire.NonceLength)
	h.Serial, h.Customer, h.Services = s.over.serial, s.config.CustomerID, append([]string{}, s.config.Services...)
	rand.Read(h.Nonce) // never fails (crypto/rand)
	ctx, cancel := context.WithTimeout(ctx, welcomeLimit)
	defer cancel()
	if err := s.Call(ctx, wire.MethodHello, h, &w); err != nil {
		return w, err
	}
	if w.Version != 1 || len(w.Nonce) != wire.NonceLength {
		return w, fmt.Errorf("%w: a welcome of version %d with a nonce of %d octets", mux.ErrUndecodable, w.Version, len(w.Nonce))
	}
	s.is.ID = wire.SessionID(h.Nonce, w.Nonce, material)
	return w, nil
}

// interval is that of heartbeats: what the configuration says, else what COM asks
// for.
func (s *session) interval(w wire.Welcome) time.Duration {
	if s.config.HeartbeatSeconds > 0 {
		return time.Duration(s.config.HeartbeatSeconds) * time.Second
	}
	if w.Heartbeat <= 0 {
		return model.DefaultHeartbeat
	}
	return min(max(time.Duration(min(w.Heartbeat, math.MaxInt32))*time.Second, shortestBeat), longestBeat)
}

// up notes that there is a session, and numbers it. Numbers grow by the uptime
// of the box, so that they do not begin anew with control.
func (l *Link) up(s *session, w wire.Welcome, beat time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number = max(l.number+1, uint64(l.options.Uptime()/time.Second))
	s.is.Number = l.number
	now := &l.status
	now.State, now.Since, now.Tries, now.Failure, now.Suspect, now.Refused = Connected, time.Now(), 0, "", "", ""
	if w.Pending {
		now.State = Pending
	}
	now.Session, now.ID, now.Protocol = s.is.Number, s.is.ID, s.over.socket.Subprotocol()
	now.TLS = tls.VersionName(s.over.tls.Version) + ", " + tls.CipherSuiteName(s.over.tls.CipherSuite)
	now.Peer = printable(s.over.tls.PeerCertificates[0].Subject.String())
	now.Heartbeat, now.Beats = beat, 0
	now.Counters["sessions"]++
	l.options.Log.Info("the link to COM is up", "session", s.is.Number, "address", now.Address, "protocol", now.Protocol, "identity", now.Identity, "pending", w.Pending)
}

// tally counts something for Status.
func (l *Link) tally(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Counters[what]++
}

// beat sends heartbeats.
func (s *session) beat(ctx context.Context, every time.Duration) error {
	for sequence := uint64(1); ctx.Err() == nil; sequence++ {
		h := s.link.options.Heartbeat(ctx)
		h.Sequence = sequence
		if err := s.Notify(ctx, wire.MethodHeartbeat, h); err != nil {
			return err
		}
		s.link.mu.Lock()
		s.link.status.Beats = sequence
		s.link.mu.Unlock()
		const part = 0.1 // of the interval it may be early or late
		wait(ctx, time.Duration(float64(every)*(1-part+2*part*s.link.random())))
	}
	return nil
}

// wait waits, but for no longer than ctx lasts.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// keepAlive tries a line without streams; one with them yamux tries.
func (s *session) keepAlive(ctx context.Context) error {
	for {
		if wait(ctx, mux.KeepAlive); ctx.Err() != nil {
			return nil
		}
		if _, err := s.Ping(ctx); err != nil {
			s.end(fmt.Errorf("the line is silent: %w", err))
			return nil
		}
	}
}

// Ping implements Peer.
func (s *session) Ping(ctx context.Context) (time.Duration, error) {
	if s.streams != nil {
		return s.streams.Ping()
	}
	ctx, cancel := context.WithTimeout(ctx, welcomeLimit)
	defer cancel()
	began := time.Now()
	err := s.over.socket.Ping(ctx)
	return time.Since(began), err
}

// issuedEvery is how often COM may issue a certificate: each is a key, some files
// and a dial at once.
const issuedEvery = time.Hour

var errIssued = fmt.Errorf("COM has issued a certificate less than %v ago, and wants to issue another one", issuedEvery)

// enroll has COM issue a certificate for a new key. The next session shows it.
func (s *session) enroll(ctx context.Context) error {
	uptime := s.link.options.Uptime()
	s.link.mu.Lock()
	early := uptime < s.link.enrols
	s.link.mu.Unlock()
	if early {
		return errIssued
	}
	identity := s.link.options.Identity
	request, err := identity.Request(s.over.serial)
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	var issued wire.Enrolled
	if err := s.Call(ctx, wire.MethodEnroll, wire.Enroll{Request: request}, &issued); err != nil {
		return err
	}
	if err := identity.Import([]byte(issued.Certificates)); err != nil {
		return fmt.Errorf("the certificate that COM has issued: %w", err)
	}
	own, err := identity.Certificates()
	if err != nil {
		return err
	}
	s.link.mu.Lock()
	s.link.turn, s.link.enrols = len(own)-1, uptime+issuedEvery
	s.link.mu.Unlock()
	s.link.Redial("COM has issued a certificate, which the next session shows")
	return nil
}
