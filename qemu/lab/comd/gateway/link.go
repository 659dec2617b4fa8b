package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/creachadair/jrpc2"

	"causeway/appliance/com/mux"
	"causeway/appliance/com/wire"
	"causeway/qemu/lab/comd/bus"
	"causeway/qemu/lab/comd/store"
)

// link is the connection of one box.
type link struct {
	gateway  *Gateway
	conn     *websocket.Conn
	session  *mux.Session // nil: com.v1.rpc, there are no streams
	server   *jrpc2.Server
	identity bus.Identity
	customer string
	address  string
	since    time.Time
	material [wire.ExportedLength]byte // of the TLS session
	closing  atomic.Bool               // somebody ends it

	mu     sync.Mutex // over what follows; taken after the gateway's
	id     string     // wire.Signed.Session; empty: there was no hello
	heard  time.Time
	told   time.Time // when its state was told last
	leaves time.Time // when it is cut after a goaway; zero: it was not sent away
	beat   wire.Heartbeat
	beats  int           // that were heard
	gap    time.Duration // between two of them, the least that is waited for
}

// handlers are what COM answers boxes.
var handlers = map[string]func(*link, context.Context, *jrpc2.Request) (any, error){
	wire.MethodHello:          (*link).hello,
	wire.MethodHeartbeat:      (*link).heartbeat,
	wire.MethodLicenseRequest: (*link).license,
	wire.MethodLicenseCheck:   (*link).license,
	wire.MethodEnroll:         (*link).enroll,
	wire.MethodAlarmPush:      (*link).push,
	wire.MethodLineEcho:       (*link).echo,
	wire.MethodLineSink:       func(*link, context.Context, *jrpc2.Request) (any, error) { return nil, nil },
}

// Assign implements jrpc2.Assigner.
func (l *link) Assign(_ context.Context, method string) jrpc2.Handler {
	handle := handlers[method]
	if handle == nil {
		return nil
	}
	return func(ctx context.Context, r *jrpc2.Request) (any, error) {
		if method != wire.MethodHello && l.sessionID() == "" {
			return nil, &jrpc2.Error{Code: wire.CodeNotAllowed, Message: "hello comes first"}
		}
		if err := l.gateway.strikeMethod(ctx, l, r); err != nil {
			return nil, err
		}
		answer, err := handle(l, ctx, r)
		return answer, forBox(err)
	}
}

// forBox makes a refusal on the bus one of JSON-RPC.
func forBox(err error) error {
	var refusal *bus.Error
	if errors.As(err, &refusal) {
		return &jrpc2.Error{Code: jrpc2.Code(refusal.Code), Message: refusal.Message}
	}
	return err
}

func (l *link) sessionID() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id
}

// hello lets the box in, in the place of an earlier link.
func (l *link) hello(ctx context.Context, r *jrpc2.Request) (any, error) {
	var hello wire.Hello
	if err := r.UnmarshalParams(&hello); err != nil {
		return nil, err
	}
	g := l.gateway
	var verdict bus.Verdict
	err := errors.New("hello was said before")
	switch {
	case l.sessionID() != "":
	case hello.Serial != l.identity.Serial, hello.Customer != l.customer:
		err = errors.New("hello is from another box than the request")
	case !slices.Contains(hello.Versions, 1):
		err = errors.New("there is no version that both know")
	case len(hello.Nonce) < wire.NonceLength:
		err = fmt.Errorf("want a nonce of %d octets", wire.NonceLength)
	default:
		err = g.options.Bus.Request(ctx, bus.SubjectArrive, bus.Arrival{Identity: l.identity, Hello: hello}, &verdict)
	}
	if err != nil {
		g.options.Log.Printf("hello of %s from %s: %v", l.identity.Serial, l.address, err)
		l.refuse(wire.ClosePolicy, err.Error())
		return nil, &jrpc2.Error{Code: wire.CodeNotAllowed, Message: err.Error()}
	}
	nonce := make([]byte, wire.NonceLength)
	rand.Read(nonce)
	if err := l.welcome(hello.Nonce, nonce); err != nil {
		return nil, err
	}
	return wire.Welcome{
		Version: 1, Features: []string{}, Nonce: nonce, Heartbeat: int(g.options.Heartbeat / time.Second),
		Time: g.options.Now(), Pending: verdict.Pending, Enroll: verdict.Enroll,
	}, nil
}

// welcome puts the link in its place.
func (l *link) welcome(theirs, ours []byte) error {
	g := l.gateway
	g.mu.Lock()
	if _, there := g.fresh[l]; !there || g.closed {
		g.mu.Unlock()
		return errors.New("the link has ended")
	}
	delete(g.fresh, l)
	before := g.links[l.identity.Serial]
	g.links[l.identity.Serial] = l
	l.mu.Lock()
	l.gap = max(g.options.Heartbeat, slowestBeat)
	l.id, l.heard = wire.SessionID(theirs, ours, l.material[:]), time.Now()
	l.mu.Unlock()
	g.mu.Unlock()
	if before != nil {
		before.cut()
	}
	return g.options.Bus.Attach(l.identity.Serial, g.options.Name)
}

func (l *link) heartbeat(_ context.Context, r *jrpc2.Request) (any, error) {
	var beat wire.Heartbeat
	if text := r.ParamString(); len(text) > wire.LongestBeat {
		return nil, errors.New("a heartbeat that is too long")
	}
	if err := r.UnmarshalParams(&beat); err != nil {
		return nil, err
	}
	l.mu.Lock()
	now := time.Now()
	if l.beats++; l.beats > 1 {
		l.gap = max(l.gateway.options.Heartbeat, now.Sub(l.heard))
	}
	l.beat, l.heard = beat, now
	l.mu.Unlock()
	if heard := l.gateway.options.Heard; heard != nil {
		heard(l.identity.Serial, beat)
	}
	return nil, nil
}

func (l *link) license(ctx context.Context, r *jrpc2.Request) (any, error) {
	question := bus.License{Serial: l.identity.Serial}
	if r.Method() == wire.MethodLicenseRequest {
		var request wire.LicenseRequest
		if err := r.UnmarshalParams(&request); err != nil {
			return nil, err
		}
		question.Wanted = request.Wanted
	}
	var answer wire.License
	err := l.gateway.options.Bus.Request(ctx, bus.SubjectLicense, question, &answer)
	return answer, err
}

func (l *link) enroll(ctx context.Context, r *jrpc2.Request) (any, error) {
	var request wire.Enroll
	if err := r.UnmarshalParams(&request); err != nil {
		return nil, err
	}
	var answer wire.Enrolled
	err := l.gateway.options.Bus.Request(ctx, bus.SubjectEnroll, bus.Enroll{Serial: l.identity.Serial, Request: request.Request}, &answer)
	return answer, err
}

func (l *link) push(ctx context.Context, r *jrpc2.Request) (any, error) {
	var push wire.Push
	if err := r.UnmarshalParams(&push); err != nil {
		return nil, err
	}
	var answer wire.Acknowledged
	err := l.gateway.options.Bus.Request(ctx, bus.SubjectPush, bus.Push{Serial: l.identity.Serial, Entries: push.Entries}, &answer)
	return answer, err
}

func (l *link) echo(_ context.Context, r *jrpc2.Request) (any, error) {
	var whatever any
	err := r.UnmarshalParams(&whatever)
	return whatever, err
}

// look says whether the link is over, as it was silent for too long or was sent
// away, and otherwise how the box is, if that is due to be told.
func (l *link) look(now time.Time) (over bool, due *store.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.heard) > missed*l.gap || !l.leaves.IsZero() && now.After(l.leaves) {
		return true, nil
	}
	if now.Sub(l.told) >= folding {
		l.told = now
		due = l.state(true)
	}
	return false, due
}

// state is how the box is. l.mu is held.
func (l *link) state(up bool) *store.State {
	offset := time.Until(l.gateway.options.Now())
	s := &store.State{
		Serial: l.identity.Serial, Up: up, Since: l.since.Add(offset), Heard: l.heard.Add(offset),
		Gateway: l.gateway.options.Name, Address: l.address, Beat: l.beat,
	}
	if up {
		s.Session = l.id
	} else {
		s.Since = time.Now().Add(offset)
	}
	return s
}

// goAway asks the box to come back later. It is cut if it does not leave.
func (l *link) goAway(ctx context.Context, goAway wire.GoAway) error {
	l.mu.Lock()
	l.leaves = time.Now().Add(farewell)
	l.mu.Unlock()
	return l.server.Notify(ctx, wire.MethodGoAway, goAway)
}

// within is a number of seconds by chance, up to a time.
func within(most time.Duration) int { return mathrand.IntN(int(most/time.Second) + 1) }

// refuse ends the link with a code and a reason, behind what is being said.
func (l *link) refuse(code websocket.StatusCode, reason string) {
	if l.closing.CompareAndSwap(false, true) {
		go l.close(func() { l.conn.Close(code, shorten(reason)) }) // ends within seconds, by itself
	}
}

// cut ends the link at once.
func (l *link) cut() {
	l.closing.Store(true)
	l.close(func() { l.conn.CloseNow() })
	l.ended()
}

// close ends the connection, and then what it carried.
func (l *link) close(end func()) {
	end()
	if l.session != nil {
		l.session.Close()
	}
}

// ended takes the link away. It is called when JSON-RPC has ended, perhaps more
// than once.
func (l *link) ended() {
	if l.closing.CompareAndSwap(false, true) {
		go l.close(func() { l.conn.CloseNow() }) // waits for who has called this
	}
	g, serial := l.gateway, l.identity.Serial
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.fresh, l)
	if g.links[serial] != l {
		return
	}
	delete(g.links, serial)
	l.mu.Lock()
	g.gone = append(g.gone, *l.state(false))
	l.mu.Unlock()
	g.options.Bus.Detach(serial, g.options.Name)
}
