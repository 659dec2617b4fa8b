package control

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// remote is an operator behind COM and what he works with on a box that runs.
type remote struct {
	t       *testing.T
	caller  gate.Caller
	methods []gate.Method
	streams []gate.Stream
	volumes string // directory that they are in
}

func newRemote(t *testing.T) *remote {
	b := newBox(t)
	c := build(b.options, b.pace)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run = %v; want nil", err)
		}
	})
	eventually(t, "control answers", func() string {
		if _, err := b.status(); err != nil {
			return err.Error()
		}
		return ""
	})
	anna := model.Operator{User: model.COMAdmin, Origin: "com anna@partner.example via noc"}
	everything := []model.Rule{{Permit: true, Kind: model.RuleExec}, {Permit: true, Kind: model.RuleConfigure}}
	return &remote{t, gate.Caller{
		Session: gate.Session{Number: 1}, Operator: anna,
		Login: model.Login{Operator: anna, Rights: model.Rights{Rules: everything}},
	}, c.comMethods(), c.comStreams(), b.options.Volumes}
}

// call calls a method and gives its result as COM gets it.
func (r *remote) call(name string, params any) string {
	r.t.Helper()
	raw, err := json.Marshal(params)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, m := range r.methods {
		if m.Name != name {
			continue
		}
		result, err := m.Handle(r.t.Context(), r.caller, raw)
		if err != nil {
			r.t.Fatalf("%s(%s) = %v; want no error", name, raw, err)
		}
		text, err := json.Marshal(result)
		if err != nil {
			r.t.Fatal(err)
		}
		return string(text)
	}
	r.t.Fatalf("there is no method %s", name)
	return ""
}

// open opens a stream and gives COM's end of it.
func (r *remote) open(service string, params any) net.Conn {
	r.t.Helper()
	raw, err := json.Marshal(params)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, s := range r.streams {
		if s.Service != service {
			continue
		}
		answer, run, err := s.Open(r.t.Context(), r.caller, raw)
		if err != nil || !answer.OK {
			r.t.Fatalf("open %s(%s) = %+v, %v; want it opened", service, raw, answer, err)
		}
		ctx, cancel := context.WithCancel(r.t.Context())
		box, com := net.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- run(ctx, box) }()
		r.t.Cleanup(func() {
			cancel()
			com.Close()
			<-ended
		})
		return com
	}
	r.t.Fatalf("there is no stream %s", service)
	return nil
}

// TestRemote: whoever works over COM reaches the real configuration, consoles and
// servers, and stands in the history.
func TestRemote(t *testing.T) {
	r := newRemote(t)
	r.call(wire.MethodConfigEdit, wire.ConfigEdit{Lines: []string{"hostname remote"}})
	r.call(wire.MethodConfigCommit, wire.ConfigCommit{Comment: "from afar"})
	history := r.call(wire.MethodCLIExec, wire.CLIExec{Lines: []string{"enable", "show configuration history"}})
	for _, want := range []string{"COMAdmin on com anna@partner.example via noc", "pending", "Comment: from afar"} {
		if !strings.Contains(history, want) {
			t.Errorf("show configuration history = %s; want it to have %q", history, want)
		}
	}

	lines := bufio.NewScanner(r.open(wire.StreamCLI, wire.CLI{}))
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "Causeway ") {
	}
	if !strings.HasPrefix(lines.Text(), "Causeway ") {
		t.Errorf("a console ends (%v); want its greeting", lines.Err())
	}

	if greeting, err := bufio.NewReader(r.open(wire.StreamTCP, wire.TCP{To: wire.ToSSH})).ReadString('-'); greeting != "SSH-" || err != nil {
		t.Errorf("the SSH server says %q, %v; want SSH-", greeting, err)
	}

	conn := r.open(wire.StreamTCP, wire.TCP{To: wire.ToWeb}) // for all of them
	browser := http.Client{Transport: &http.Transport{
		DialContext:     func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the box has made its certificate itself
	}}
	defer browser.CloseIdleConnections()
	for _, test := range []struct{ host, path, want string }{
		{"localhost:8443", "/", "There is no user yet"},
		{"localhost:8443", "/metrics", "There is no user yet"},
		{"box.example.com", "/", "another name"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://box"+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = test.host
		response, err := browser.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if !strings.Contains(string(text), test.want) || err != nil {
			t.Errorf("GET %s of %s = %.500s, %v; want %q in it", test.path, test.host, text, err, test.want)
		}
	}
}
