package gateway

import (
	"context"
	"io"
	"log"
	"strings"
	"testing"
	"time"

	"github.com/creachadair/jrpc2"

	"causeway/appliance/com/wire"
	"causeway/qemu/lab/comd/bus"
	"causeway/qemu/lab/comd/store"
)

// FuzzMessages has a box say anything. Only a hello of the box that the
// certificate names is heard elsewhere, and nothing before it.
func FuzzMessages(f *testing.F) {
	const box = "FHK1234ABcd"
	hello := `{"jsonrpc":"2.0","id":1,"method":"hello","params":{"v":[1],"sid_nonce":"AAAAAAAAAAAAAAAAAAAAAA==","sn":"FHK1234ABcd","ci":"C-1","time":"2026-11-01T00:00:00Z"}}`
	for _, seed := range []string{
		hello,
		hello + "\n" + `{"jsonrpc":"2.0","method":"hb","params":{"seq":1,"up":60,"cps":0.5,"limit":30,"calls":2,"state":3}}`,
		hello + "\n" + `{"jsonrpc":"2.0","id":2,"method":"license.request","params":{"wanted":[{"feature":"calls","count":30}]}}`,
		hello + "\n" + `[{"jsonrpc":"2.0","id":3,"method":"license.check"},{"jsonrpc":"2.0","id":4,"method":"enroll","params":{"csr":"MAA="}}]`,
		hello + "\n" + `{"jsonrpc":"2.0","id":5,"method":"alarm.push","params":{"entries":[{"seq":1,"time":"2026-11-01T00:00:00Z","class":"alarm","kind":"alarm","body":{}}]}}`,
		`{"jsonrpc":"2.0","id":6,"method":"line.echo","params":[1]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		local, greeted := bus.NewLocal(), false
		local.Serve(bus.SubjectArrive, bus.Handle(func(_ context.Context, a bus.Arrival) (bus.Verdict, error) {
			if greeted = true; a.Hello.Serial != box || a.Hello.Customer != "C-1" {
				t.Errorf("hello of %q of %q is heard", a.Hello.Serial, a.Hello.Customer)
			}
			return bus.Verdict{}, nil
		}))
		heard := func() {
			if !greeted {
				t.Error("something is heard before hello")
			}
		}
		local.Serve(bus.SubjectLicense, bus.Handle(func(_ context.Context, q bus.License) (wire.License, error) {
			heard()
			return wire.License{}, nil
		}))
		local.Serve(bus.SubjectEnroll, bus.Handle(func(context.Context, bus.Enroll) (wire.Enrolled, error) {
			heard()
			return wire.Enrolled{}, nil
		}))
		local.Serve(bus.SubjectPush, bus.Handle(func(context.Context, bus.Push) (wire.Acknowledged, error) {
			heard()
			return wire.Acknowledged{}, nil
		}))
		local.Serve(bus.SubjectStates, bus.Handle(func(context.Context, []store.State) (any, error) { return nil, nil }))
		g := New(Options{Name: "1", Bus: local, Now: time.Now, Heartbeat: time.Minute, Log: log.New(io.Discard, "", 0)})
		l := &link{gateway: g, identity: bus.Identity{Serial: box}, customer: "C-1"}
		l.closing.Store(true) // there is no connection to close
		g.fresh[l] = struct{}{}
		for line := range strings.Lines(text) {
			requests, err := jrpc2.ParseRequests([]byte(line))
			if err != nil {
				continue
			}
			for _, r := range requests {
				if handle := l.Assign(t.Context(), r.Method); handle != nil && r.Error == nil {
					handle(t.Context(), r.ToRequest())
				}
			}
		}
		if greeted != (l.sessionID() != "") || greeted != (g.Links() == 1) {
			t.Errorf("greeted: %v, but session %q and %d links", greeted, l.sessionID(), g.Links())
		}
	})
}
