// Package gate decides what of COM's wishes is let through (COM-11): whether
// the box knows it, the switch of its service is on, the subscription for it
// runs, an operator has signed it for this box and this session, just now, and
// not before, and COMAdmin may do it. What passes is handed to its handler; all
// is written into the access log.
//
// In come the calls and streams of a session. Out go results and refusals, and
// who is in over COM: each stream, and each operator who calls, is a session of
// COMAdmin's, which ends like those of others (COM-17).
package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// Session is the link as long as it is up.
type Session struct {
	Number uint64 // from 1; grows with each session of this boot
	ID     string // wire.Signed.Session
}

// Caller is who wants something, for handlers.
type Caller struct {
	Session Session
	// Operator is COMAdmin, with the origin "com ACTOR via OPERATOR", or "com
	// ACTOR" where nobody has signed it.
	Operator model.Operator
	// Login has the rights of COMAdmin (COM-17). Its Session is 0 for a call that
	// nobody has signed.
	Login model.Login
}

// Method is what COM may call.
type Method struct {
	Name    string
	Service string // the switch: model.COMConfig …; empty: any that is on
	Signed  bool
	// May says whether COMAdmin's rights suffice, as far as that shows in advance;
	// nil: they do.
	May func(model.Rights) bool
	// Told is what the access log says of the parameters, without secrets; nil:
	// nothing.
	Told func(params json.RawMessage) string
	// Handle gets the parameters in canonical form, without their Meta. What is
	// signed has begun then and goes on when the link is lost: ctx ends when an
	// operator of the box ends the session.
	Handle func(ctx context.Context, caller Caller, params json.RawMessage) (result any, err error)
}

// Stream is what COM may open.
type Stream struct {
	Service string // wire.StreamCLI …
	// Switch is that of the parameters: model.COMTunnelWeb for wire.TCP to "web".
	Switch func(params json.RawMessage) (service string, err error)
	Signed bool
	May    func(model.Rights) bool // as in Method
	// Open checks what is asked for and gives what answers it. Nothing is sent
	// before its answer; an Error is what the refusal says.
	Open func(ctx context.Context, caller Caller, params json.RawMessage) (answer wire.Answer, run func(context.Context, io.ReadWriteCloser) error, err error)
	// What names it for show com sessions: "tcp web". run has a second to return
	// when its context ends; what it reads and writes is closed then.
	What func(params json.RawMessage) string
}

// MayExec permits what an EXEC command does to whoever may type that.
func MayExec(syntax string) func(model.Rights) bool {
	return func(r model.Rights) bool { return r.May(model.RuleExec, syntax) }
}

// Error is a refusal with its code. Any other error of a handler is that of the
// thing itself.
type Error struct {
	Code    int // wire.CodeDisabled …
	Message string
}

func (e *Error) Error() string { return e.Message }

// Refuse makes an Error.
func Refuse(code int, format string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Door is where COMAdmin logs in: access.Access.
type Door interface {
	COMAdmin(origin string) (model.Login, error)
	// COMRights are what COMAdmin may do.
	COMRights() model.Rights
	Active(session uint64)
	Ended(session uint64) <-chan struct{}
	Logout(session uint64, why string)
	Audit(entry model.Audit)
	// Refuse writes down what was refused, however often that happens.
	Refuse(entry model.Audit, why string)
}

// Options are what a Gate works with.
type Options struct {
	Methods []Method
	Streams []Stream
	Door    Door
	// Serial gives the serial number of the box.
	Serial func() (string, error)
	// Allows says whether the subscription for a feature runs.
	Allows      func(feature string) bool
	Idempotency string // file of what was called lately
	Support     string // file of how long support access is open; no boot leaves it
	// Now is the time that expiry is judged by.
	Now func() time.Time
	// Uptime is CLOCK_BOOTTIME, which nobody sets.
	Uptime func() time.Duration
	Log    *slog.Logger
}

// Gate lets through what may pass. It is safe for concurrent use.
type Gate struct {
	options Options
	methods map[string]Method
	streams map[string]Stream
	calls   *callStore
	support *support
	places  chan struct{} // one for each call that runs

	ctx     context.Context // of what runs by itself; ends with Run
	stop    context.CancelFunc
	running sync.WaitGroup

	mu        sync.Mutex
	com       model.COM
	operators map[string]operator
	table     table
	gone      uint64 // number of the last session that is over
	told      told
	reads     pace                     // of calls that need not be signed
	refusals  pace                     // that are written down
	unsaid    int                      // refusals since the last one that was
	counts    map[string]ServiceStatus // by service; only what is counted is set
}

// mostCalls is how many calls may run at the same time.
const mostCalls = 16

// New makes a Gate. It lets nothing through before Apply.
func New(o Options) *Gate {
	g := &Gate{
		options: o, methods: map[string]Method{}, streams: map[string]Stream{},
		calls: newCallStore(o.Idempotency, o.Log), support: loadSupport(o), places: make(chan struct{}, mostCalls),
		table: table{}, counts: map[string]ServiceStatus{},
	}
	g.ctx, g.stop = context.WithCancel(context.Background())
	for _, m := range append(g.sessionMethods(), o.Methods...) {
		g.methods[m.Name] = m
	}
	for _, s := range o.Streams {
		g.streams[s.Service] = s
	}
	return g
}

// Apply makes a configuration what counts from now on. Sessions that it does
// not permit end.
func (g *Gate) Apply(c *model.Config) {
	operators := map[string]operator{}
	for _, o := range c.COM.Operators {
		key, err := Key(o.Key)
		if err != nil {
			g.options.Log.Error("an operator of COM cannot sign", "operator", o.Name, "error", err)
			continue
		}
		operators[o.Name] = operator{key, o.Key}
	}
	g.mu.Lock()
	g.com, g.operators = c.COM, operators
	g.mu.Unlock()
	g.sweep()
}

// sweepInterval is how soon what may not go on ends.
const sweepInterval = 500 * time.Millisecond

// Run ends sessions that may not go on, until ctx ends. Then it ends all, and
// what runs for them.
func (g *Gate) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			g.sweep()
		case <-ctx.Done():
			g.mu.Lock()
			g.stop() // nothing starts from now on
			g.mu.Unlock()
			g.running.Wait()
			if err := g.calls.close(); err != nil {
				return fmt.Errorf("close the calls of COM: %w", err)
			}
			return nil
		}
	}
}
