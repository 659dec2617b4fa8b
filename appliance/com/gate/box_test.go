package gate

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/crypto/ssh"

	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// door lets COMAdmin in and notes what is written down.
type door struct {
	mu     sync.Mutex
	rights model.Rights
	last   uint64
	open   map[uint64]chan struct{}
	log    []string
	active []uint64
}

func (d *door) note(format string, args ...any) { d.log = append(d.log, fmt.Sprintf(format, args...)) }

func (d *door) COMAdmin(origin string) (model.Login, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.rights.Rules) == 0 {
		return model.Login{}, errors.New("the group is not there")
	}
	d.last++
	d.open[d.last] = make(chan struct{})
	d.note("login %d %s", d.last, origin)
	return model.Login{Session: d.last, Operator: model.Operator{User: model.COMAdmin, Origin: origin}, Rights: d.rights}, nil
}

func (d *door) COMRights() model.Rights {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rights
}

func (d *door) Active(session uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.active = append(d.active, session)
}

func (d *door) Ended(session uint64) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if over, open := d.open[session]; open {
		return over
	}
	over := make(chan struct{})
	close(over)
	return over
}

func (d *door) Logout(session uint64, why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if over, open := d.open[session]; open {
		d.note("logout %d %s", session, why)
		close(over)
		delete(d.open, session)
	}
}

func (d *door) Audit(e model.Audit) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.note("%s: %s", e.Operator.Origin, e.Line)
}

func (d *door) Refuse(e model.Audit, why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.note("refused %s: %s: %s", e.Operator.Origin, e.Line, why)
}

// said is what was written down since the last time.
func (d *door) said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	text := strings.Join(d.log, "\n")
	d.log = nil
	return text
}

// everything are the rights of who may do all.
var everything = model.Rights{Rules: []model.Rule{{Permit: true, Kind: model.RuleExec}, {Permit: true, Kind: model.RuleConfigure}}, FilesRead: true}

// signer is an operator with his private key.
type signer struct {
	name string
	key  crypto.Signer
	alg  jose.SignatureAlgorithm
}

func newSigner(t *testing.T, name string, alg jose.SignatureAlgorithm) signer {
	t.Helper()
	if alg == jose.EdDSA {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return signer{name, key, alg}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{name, key, alg}
}

// authorized is the public key as the configuration has it.
func authorized(t *testing.T, public crypto.PublicKey) string {
	t.Helper()
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// sign gives the JWS over what is signed, its payload detached.
func (s signer) sign(t *testing.T, signed wire.Signed) string {
	t.Helper()
	return compact(t, jose.SigningKey{Algorithm: s.alg, Key: jose.JSONWebKey{Key: s.key, KeyID: s.name}}, nil, signed)
}

const (
	serial = "qzHWUdZfXhQ"
	idem1  = "0198c1f2-0000-7000-8000-000000000001"
	idem2  = "0198c1f2-0000-7000-8000-000000000002"
)

var link1 = Session{Number: 1, ID: "first"}

// box is a gate with two methods, "look" and "change", of the service config,
// two operators, and a clock of its own.
type box struct {
	*Gate
	t          *testing.T
	door       *door
	anna, bert signer
	dir        string
	subscribed bool
	now        time.Time
	boot       time.Duration // uptime
	log        bytes.Buffer
	config     model.Config
	handle     func(context.Context, Caller, json.RawMessage) (any, error)
	opened     int      // streams, so far
	calls      []string // of change, that were done

	stopped func() // ends control

	mu sync.Mutex // of now, boot, calls
}

// clock gives the two clocks of the box.
func (b *box) clock() (time.Time, time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now, b.boot
}

// pass lets time pass.
func (b *box) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now, b.boot = b.now.Add(d), b.boot+d
}

func newBox(t *testing.T, streams ...Stream) *box {
	b := &box{
		t: t, door: &door{rights: everything, open: map[uint64]chan struct{}{}}, dir: t.TempDir(), subscribed: true,
		anna: newSigner(t, "anna", jose.ES256), bert: newSigner(t, "bert", jose.EdDSA),
		now: time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC), boot: time.Hour,
	}
	b.handle = func(context.Context, Caller, json.RawMessage) (any, error) {
		return wire.Text{Text: fmt.Sprint("done ", len(b.calls))}, nil
	}
	b.config.COM = model.COM{
		Services: []string{model.COMConfig},
		Operators: []model.COMOperator{
			{Name: "anna", Key: authorized(t, b.anna.key.Public())}, {Name: "bert", Key: authorized(t, b.bert.key.Public())},
		},
	}
	b.start(streams...)
	return b
}

// start starts control, anew where it has run before.
func (b *box) start(streams ...Stream) {
	b.Gate = New(Options{
		Methods: []Method{
			{Name: "look", Service: model.COMConfig, May: MayExec("show running-config"), Handle: func(_ context.Context, c Caller, params json.RawMessage) (any, error) {
				return wire.Text{Text: c.Operator.Origin + " " + string(params)}, nil
			}},
			{Name: "change", Service: model.COMConfig, Signed: true, May: MayExec("configure terminal"), Handle: func(ctx context.Context, c Caller, params json.RawMessage) (any, error) {
				b.mu.Lock()
				b.calls = append(b.calls, c.Operator.Origin+" "+string(params))
				b.mu.Unlock()
				return b.handle(ctx, c, params)
			}},
			{Name: "files", Service: model.COMFiles, Handle: func(context.Context, Caller, json.RawMessage) (any, error) { return "", nil }},
			{Name: "command", Service: model.COMCLI, Signed: true, Handle: func(context.Context, Caller, json.RawMessage) (any, error) { return "", nil }},
		},
		Streams: streams,
		Door:    b.door,
		Serial:  func() (string, error) { return serial, nil },
		Allows:  func(feature string) bool { return b.subscribed && feature == wire.FeatureManagement },

		Idempotency: filepath.Join(b.dir, "com", "idem.db"),
		Support:     filepath.Join(b.dir, "com-support"),
		Now:         func() time.Time { now, _ := b.clock(); return now },
		Uptime:      func() time.Duration { _, boot := b.clock(); return boot },
		Log:         slog.New(slog.NewTextHandler(&b.log, nil)),
	})
	b.Apply(&b.config)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	b.stopped = sync.OnceFunc(func() {
		stop()
		if err := <-ended; err != nil {
			b.t.Errorf("Run = %v; want nil", err)
		}
	})
	b.t.Cleanup(b.stopped)
}

// signed is what a call says that is signed well.
func (b *box) signed(method, params, idem string) wire.Signed {
	now, _ := b.clock()
	text, err := canonical(json.RawMessage(params))
	if err != nil {
		b.t.Fatal(err)
	}
	return wire.Signed{
		Audience: serial, Session: link1.ID, Method: method, Params: digest(text), Idem: idem,
		Expires: now.Add(time.Minute).Unix(), Actor: "anna@partner.example",
	}
}

// meta is that of a call with a signature over s.
func (b *box) meta(by signer, s wire.Signed) wire.Meta {
	return wire.Meta{Idem: s.Idem, Expires: time.Unix(s.Expires, 0), Actor: s.Actor, Signature: by.sign(b.t, s)}
}

// with puts a Meta into parameters.
func with(t *testing.T, params string, meta wire.Meta) json.RawMessage {
	t.Helper()
	members := map[string]any{}
	if err := json.Unmarshal([]byte(params), &members); err != nil {
		t.Fatal(err)
	}
	members["_m"] = meta
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// change calls the method with a good signature.
func (b *box) change(params, idem string) (any, error) {
	b.t.Helper()
	return b.Call(b.t.Context(), link1, "change", with(b.t, params, b.meta(b.anna, b.signed("change", params, idem))))
}

// done are the calls of change that were done.
func (b *box) done() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.calls)
}

// code is that of a refusal; 0: err is none.
func code(err error) int {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return 0
}

// eventually waits until check finds nothing wrong.
func eventually(t *testing.T, what string, check func() string) {
	t.Helper()
	problem := ""
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if problem = check(); problem == "" {
			return
		}
	}
	t.Fatalf("%s: %s", what, problem)
}
