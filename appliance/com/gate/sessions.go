package gate

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// Bounds of sessions.
const (
	mostTunnels = 4
	longestIdle = 15 * time.Minute // without an octet, or a call
	longest     = 60 * time.Minute
)

// whatCalls is what an operator is in for who calls methods.
const whatCalls = "calls"

// visit is a session of COMAdmin's while it lasts: a stream, or an operator who
// calls. Its number is the one that show users has. It ends when access says so,
// whoever has asked for that.
type visit struct {
	admitted
	login   model.Login
	what    string // for show com sessions: "tcp web"
	since   time.Time
	began   time.Duration // uptime
	tunnel  bool
	stream  bool
	ctx     context.Context    // ends with it
	cancel  context.CancelFunc // ends what runs for it
	in, out atomic.Int64       // octets

	// Guarded by Gate.mu.
	seen   int64         // octets, when swept last
	active time.Duration // uptime of the last sign of life
	calls  int           // that run
	left   bool          // the link is down: it ends with the last of them
}

// table is all visits by their numbers.
type table map[uint64]*visit

// enter begins a visit. A stream that is one too many is refused. g.mu is held.
func (g *Gate) enter(a admitted, what string, stream bool) (*visit, error) {
	tunnel := a.name == "stream."+wire.StreamTCP
	streams, tunnels := 0, 0
	for _, v := range g.table {
		if v.stream {
			streams++
		}
		if v.tunnel {
			tunnels++
		}
	}
	switch {
	case g.ctx.Err() != nil:
		return nil, errOver
	case stream && streams == wire.MostStreams:
		return nil, Refuse(wire.CodeBusy, "there are %d streams already", streams)
	case tunnel && tunnels == mostTunnels:
		return nil, Refuse(wire.CodeBusy, "there are %d tunnels already", tunnels)
	case stream && !a.signed && !g.told.pace.take(g.options.Uptime(), toldEvery, toldBurst): // a signature may be shown again where it need not be there
		return nil, Refuse(wire.CodeBusy, "there were too many streams that need no signature")
	}
	login, err := g.options.Door.COMAdmin(a.origin())
	if err != nil {
		return nil, Refuse(wire.CodeNotAllowed, "%v", err)
	}
	now := g.options.Uptime()
	v := &visit{
		admitted: a, login: login, what: plain(what), since: g.options.Now(), began: now, active: now,
		stream: stream, tunnel: tunnel, left: a.session.Number <= g.gone,
	}
	v.ctx, v.cancel = context.WithCancel(g.ctx)
	g.table[login.Session] = v
	g.running.Go(func() { g.attend(v) })
	return v, nil
}

// errOver means that control is about to end.
var errOver = Refuse(wire.CodeBusy, "the box is about to stop this")

// attend waits for the end of a visit.
func (g *Gate) attend(v *visit) {
	defer v.cancel()
	select {
	case <-g.options.Door.Ended(v.login.Session):
	case <-g.ctx.Done():
		g.leave(v, whyOver)
	}
	g.remove(v)
	g.options.Log.Info("a session over COM is over", "session", v.login.Session, "operator", v.origin(), "what", v.what,
		"octets in", v.in.Load(), "octets out", v.out.Load())
}

// leave ends a visit, and makes room for the next.
func (g *Gate) leave(v *visit, why string) {
	g.options.Door.Logout(v.login.Session, fmt.Sprintf("%s, %d octets in, %d out", why, v.in.Load(), v.out.Load()))
	g.remove(v)
}

func (g *Gate) remove(v *visit) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.table, v.login.Session)
}

// caller is who visits, for handlers.
func (v *visit) caller() Caller {
	return Caller{Session: v.session, Operator: v.login.Operator, Login: v.login}
}

// beginCall gives the visit of an operator who calls, a new one if there is none.
// endCall must be called in the end.
func (g *Gate) beginCall(a admitted) (v *visit, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, known := range g.table {
		if !known.stream && !known.left && known.session == a.session && known.origin() == a.origin() {
			v = known
		}
	}
	if v == nil {
		a.service = "" // others may follow that have other switches
		if v, err = g.enter(a, whatCalls, false); err != nil {
			return nil, err
		}
	}
	v.calls++
	return v, nil
}

// endCall says that a call of a visit is done.
func (g *Gate) endCall(v *visit) {
	g.mu.Lock()
	v.calls--
	v.active = g.options.Uptime()
	over := v.left && v.calls == 0
	g.mu.Unlock()
	if over {
		g.leave(v, whyLinkDown)
	}
}

const (
	whyLinkDown = "the link is down"
	whyOver     = "control ends"
)

// Disconnected says that a session of the link is over. Who was in through it is
// not any more; signed calls that have begun are done.
func (g *Gate) Disconnected(s Session) {
	g.mu.Lock()
	g.gone = max(g.gone, s.Number)
	var over []*visit
	for _, v := range g.table {
		if v.session == s {
			if v.left = true; v.calls == 0 {
				over = append(over, v)
			}
		}
	}
	g.mu.Unlock()
	for _, v := range over {
		g.leave(v, whyLinkDown)
	}
}

// sweep ends visits that may not go on.
func (g *Gate) sweep() {
	subscribed, now := g.options.Allows(wire.FeatureManagement), g.options.Uptime()
	g.mu.Lock()
	over := map[*visit]string{}
	var alive []uint64
	for number, v := range g.table {
		if octets := v.in.Load() + v.out.Load(); octets != v.seen {
			v.seen, v.active = octets, now
			alive = append(alive, number)
		}
		if why := g.outdated(v, subscribed, now); why != "" {
			over[v] = why
		}
	}
	g.mu.Unlock()
	for _, number := range alive {
		g.options.Door.Active(number)
	}
	for v, why := range over {
		g.leave(v, why)
	}
}

// outdated says why a visit may not go on; empty: it may. g.mu is held.
func (g *Gate) outdated(v *visit, subscribed bool, now time.Duration) string {
	open, support := g.open(&g.com, v.service)
	switch {
	case !open:
		return "it was switched off"
	case support && v.operator == "":
		return "support access is for operators that the box trusts"
	case v.operator != "" && g.operators[v.operator].text != v.key:
		return "the box does not trust " + v.operator + " any more"
	case !subscribed:
		return "the subscription has ended"
	case v.calls == 0 && now-v.active >= longestIdle:
		return fmt.Sprintf("idle for %v", longestIdle)
	case v.calls == 0 && now-v.began >= longest:
		return fmt.Sprintf("open for %v", longest)
	}
	return ""
}

// Sessions are all that are in over COM, in the order of their numbers.
func (g *Gate) Sessions() []wire.SessionInfo {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := []wire.SessionInfo{}
	for number, v := range g.table {
		list = append(list, wire.SessionInfo{
			Number: number, Actor: cmp.Or(v.meta.Actor, "COM"), Operator: v.operator, What: v.what,
			Since: v.since.UTC().Format(time.RFC3339), In: v.in.Load(), Out: v.out.Load(),
		})
	}
	slices.SortFunc(list, func(a, b wire.SessionInfo) int { return cmp.Compare(a.Number, b.Number) })
	return list
}

// Visitors are who is in over COM, as model.Operator.Origin has them, each once,
// sorted.
func (g *Gate) Visitors() (origins []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, v := range g.table {
		origins = append(origins, v.origin())
	}
	slices.Sort(origins)
	return slices.Compact(origins)
}

// Kill ends a session, within a second.
func (g *Gate) Kill(number uint64, why string) error {
	g.mu.Lock()
	v := g.table[number]
	g.mu.Unlock()
	if v == nil {
		return fmt.Errorf("there is no session %d over COM: show com sessions lists them", number)
	}
	g.leave(v, why)
	return nil
}

// sessionMethods let COM's operators see and end sessions.
func (g *Gate) sessionMethods() []Method {
	return []Method{
		{Name: wire.MethodSessionList, Handle: func(context.Context, Caller, json.RawMessage) (any, error) {
			return wire.Sessions{Sessions: g.Sessions()}, nil
		}},
		{
			Name: wire.MethodSessionKill, Signed: true, May: MayExec("clear com session"),
			Told: func(params json.RawMessage) string { return string(params) },
			Handle: func(_ context.Context, caller Caller, params json.RawMessage) (any, error) {
				var r wire.SessionKill
				if err := json.Unmarshal(params, &r); err != nil {
					return nil, Refuse(wire.CodeParams, "%v", err)
				}
				if err := g.Kill(r.Number, "cleared by "+caller.Operator.String()); err != nil {
					return nil, Refuse(wire.CodeUnsupported, "%v", err)
				}
				return struct{}{}, nil
			},
		},
	}
}

// counted counts what goes through a stream of a visit.
type counted struct {
	io.ReadWriteCloser
	visit *visit
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.ReadWriteCloser.Read(p)
	c.visit.in.Add(int64(n))
	return n, err
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.ReadWriteCloser.Write(p)
	c.visit.out.Add(int64(n))
	return n, err
}
