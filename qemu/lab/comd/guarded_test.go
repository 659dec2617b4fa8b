package comd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/creachadair/jrpc2"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/mux"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
	"causeway/qemu/lab/comd/operator"
)

// guarded is a box with the gate of the appliance.
type guarded struct {
	*box
	gate *gate.Gate
	runs atomic.Int64 // of cli.exec
	then func()       // happens before it answers
	file []byte       // what is to be had of it
}

// newGuarded makes one that heeds some operators.
func newGuarded(w *world, serial string, operators ...*operator.Client) *guarded {
	w.t.Helper()
	if err := w.Preregister(serial, FirstCustomer); err != nil {
		w.t.Fatal(err)
	}
	g := &guarded{box: newBox(w, serial)}
	dir := w.t.TempDir()
	g.gate = gate.New(gate.Options{
		Methods: []gate.Method{
			{Name: wire.MethodCLIExec, Service: model.COMCLI, Signed: true, Handle: g.run},
			{Name: wire.MethodFirmwareStage, Service: model.COMFirmware, Signed: true, Handle: g.run},
		},
		Streams: []gate.Stream{
			{Service: wire.StreamFile, Signed: true, Switch: func(json.RawMessage) (string, error) { return model.COMFiles, nil }, Open: g.openFile},
			{Service: wire.StreamTCP, Signed: true, Switch: func(json.RawMessage) (string, error) { return model.COMTunnelWeb, nil }, Open: g.openEcho},
		},
		Door: door{}, Serial: func() (string, error) { return serial, nil }, Allows: func(string) bool { return true },
		Idempotency: filepath.Join(dir, "idem.db"), Support: filepath.Join(dir, "support"),
		Now: time.Now, Uptime: func() time.Duration { return time.Since(start) }, Log: slog.New(slog.NewTextHandler(w.t.Output(), nil)),
	})
	config := &model.Config{COM: model.COM{Services: []string{model.COMCLI, model.COMFiles, model.COMTunnelWeb}}}
	for _, o := range operators {
		line, err := o.Key.Trust()
		if err != nil {
			w.t.Fatal(err)
		}
		key, _ := strings.CutPrefix(line, "com trust operator "+o.Key.Name+" ")
		config.COM.Operators = append(config.COM.Operators, model.COMOperator{Name: o.Key.Name, Key: key})
	}
	g.gate.Apply(config)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.gate.Run(ctx)
	}()
	w.t.Cleanup(func() {
		stop()
		<-done
	})
	return g
}

var start = time.Now()

// run counts what is run.
func (g *guarded) run(context.Context, gate.Caller, json.RawMessage) (any, error) {
	g.runs.Add(1)
	if g.then != nil {
		g.then()
	}
	return wire.Text{Text: "done"}, nil
}

// openFile has the file of the box in a stream.
func (g *guarded) openFile(_ context.Context, _ gate.Caller, raw json.RawMessage) (wire.Answer, func(context.Context, io.ReadWriteCloser) error, error) {
	var p wire.File
	if err := json.Unmarshal(raw, &p); err != nil {
		return wire.Answer{}, nil, err
	}
	if p.Offset > int64(len(g.file)) {
		return wire.Answer{}, nil, gate.Refuse(-32602, "the file is shorter")
	}
	sum := sha256.Sum256(g.file)
	return wire.Answer{OK: true, Size: int64(len(g.file)), SHA: hex.EncodeToString(sum[:])}, func(_ context.Context, to io.ReadWriteCloser) error {
		_, err := to.Write(g.file[p.Offset:])
		return err
	}, nil
}

// openEcho is a server that sends back what it gets.
func (g *guarded) openEcho(context.Context, gate.Caller, json.RawMessage) (wire.Answer, func(context.Context, io.ReadWriteCloser) error, error) {
	return wire.Answer{OK: true}, func(_ context.Context, rw io.ReadWriteCloser) error {
		_, err := io.Copy(rw, rw)
		return err
	}, nil
}

// up connects the box. Its session ends with the test.
func (g *guarded) up() *session {
	g.t.Helper()
	var is gate.Session
	known := make(chan struct{}) // calls may come before the session's ID is known here
	current := func() gate.Session {
		<-known
		return is
	}
	s := g.mustConnect(func(ctx context.Context, r *jrpc2.Request) (any, error) {
		var params json.RawMessage
		if err := r.UnmarshalParams(&params); err != nil {
			return nil, err
		}
		answer, err := g.gate.Call(ctx, current(), r.Method(), params)
		var refusal *gate.Error
		if errors.As(err, &refusal) {
			return nil, &jrpc2.Error{Code: jrpc2.Code(refusal.Code), Message: refusal.Message}
		}
		return answer, err
	})
	box, err := newOperator(g.world, g.api, "look", "").Box(g.t.Context(), g.serial)
	if err != nil || box.State == nil {
		g.t.Fatalf("show %s = %+v, %v; want it connected", g.serial, box, err)
	}
	is = gate.Session{Number: 1, ID: box.State.Session}
	close(known)
	ctx, stop := context.WithCancel(context.Background())
	var streams sync.WaitGroup
	streams.Go(func() {
		for {
			stream, err := s.streams.Accept(ctx)
			if err != nil {
				return
			}
			streams.Go(func() {
				if header, err := mux.ReadHeader(stream); err == nil {
					g.gate.Stream(ctx, current(), header, stream)
				}
				stream.Close()
			})
		}
	})
	g.t.Cleanup(func() {
		s.end()
		stop()
		streams.Wait()
	})
	return s
}

// door lets COMAdmin in and writes nothing down.
type door struct{}

var everything = model.Rights{Rules: []model.Rule{{Permit: true, Kind: model.RuleExec}, {Permit: true, Kind: model.RuleConfigure}}, FilesRead: true}

func (door) COMAdmin(origin string) (model.Login, error) {
	return model.Login{Session: 1, Operator: model.Operator{User: model.COMAdmin, Origin: origin}, Rights: everything}, nil
}
func (door) COMRights() model.Rights      { return everything }
func (door) Active(uint64)                {}
func (door) Ended(uint64) <-chan struct{} { return nil }
func (door) Logout(uint64, string)        {}
func (door) Audit(model.Audit)            {}
func (door) Refuse(model.Audit, string)   {}
