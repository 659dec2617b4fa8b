package comd

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/appliance/com/wire"
	"causeway/qemu/lab/comd/gateway"
	"causeway/qemu/lab/comd/operator"
)

// serveAPI opens the API of a server, and gives its URL.
func serveAPI(w *world) string {
	w.t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	server, done := &http.Server{Handler: w.API()}, make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(tls.NewListener(tcp, w.APITLS()))
	}()
	w.t.Cleanup(func() {
		server.Close()
		<-done
	})
	return "https://" + tcp.Addr().String()
}

// newOperator makes an operator of a partner with a key.
func newOperator(w *world, url, name, partner string) *operator.Client {
	w.t.Helper()
	token, err := w.NewToken(name, partner)
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := operator.NewKey(name)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := operator.NewClient(url, token, w.Root(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

// code is that of a refusal; 0: there was none.
func code(err error) int {
	var refusal *operator.Error
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	if err != nil {
		return -1
	}
	return 0
}

// sign signs an order, and puts what signs it into its parameters.
func sign(t *testing.T, key *operator.Key, o operator.Order) json.RawMessage {
	t.Helper()
	params, meta, err := key.Sign(o)
	members := map[string]any{}
	if err == nil {
		err = json.Unmarshal(params, &members)
	}
	if err != nil {
		t.Fatal(err)
	}
	members["_m"] = meta
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestOrders has operators, and a COM server that cannot be trusted, order boxes
// about. The boxes have the gate of the appliance.
func TestOrders(t *testing.T) {
	w := newWorld(t, Options{})
	w.api = serveAPI(w)
	anna, eve := newOperator(w, w.api, "anna", FirstPartner), newOperator(w, w.api, "eve", FirstPartner)
	b, other := newGuarded(w, "FHK1234ABcd", anna), newGuarded(w, "FHK9999ABcd", anna)
	b.up()
	other.up()
	lines := wire.CLIExec{Lines: []string{"show version"}}
	order := func(c *operator.Client) error { return c.Call(t.Context(), b.serial, wire.MethodCLIExec, lines, nil) }
	signed := func(change func(*operator.Order)) error {
		now, err := anna.Session(t.Context(), b.serial)
		if err != nil {
			t.Fatal(err)
		}
		o := operator.Order{Box: b.serial, Session: now, Method: wire.MethodCLIExec, Params: lines, Expires: time.Now().Add(time.Minute)}
		change(&o)
		return anna.Send(t.Context(), b.serial, wire.MethodCLIExec, sign(t, anna.Key, o), nil)
	}
	for _, row := range []struct {
		name  string
		fault gateway.Fault
		do    func() error
		want  int // code
		runs  int64
	}{
		{name: "signed", do: func() error { return order(anna) }, runs: 1},
		{name: "not trusted", do: func() error { return order(eve) }, want: wire.CodeNotAllowed},
		{name: "not signed", do: func() error { return anna.Send(t.Context(), b.serial, wire.MethodCLIExec, json.RawMessage("{}"), nil) }, want: wire.CodeNotAllowed},
		{name: "a method that is not there", do: func() error { return anna.Call(t.Context(), b.serial, "none", nil, nil) }, want: -32601},
		{name: "switched off", do: func() error { return anna.Call(t.Context(), b.serial, wire.MethodFirmwareStage, nil, nil) }, want: wire.CodeDisabled},
		{name: "another box", do: func() error { return signed(func(o *operator.Order) { o.Box = other.serial }) }, want: wire.CodeNotAllowed},
		{name: "another session", do: func() error { return signed(func(o *operator.Order) { o.Session = "AAAA" }) }, want: wire.CodeNotAllowed},
		{name: "another method", do: func() error { return signed(func(o *operator.Order) { o.Method = wire.MethodConfigCommit }) }, want: wire.CodeNotAllowed},
		{name: "expired", do: func() error { return signed(func(o *operator.Order) { o.Expires = time.Now().Add(-time.Minute) }) }, want: wire.CodeExpired},
		{name: "too far ahead", do: func() error { return signed(func(o *operator.Order) { o.Expires = time.Now().Add(time.Hour) }) }, want: wire.CodeExpired},
		{name: "sent twice", fault: gateway.Fault{Kind: gateway.Twice}, do: func() error { return order(anna) }, runs: 1},
		{name: "tampered", fault: gateway.Fault{Kind: gateway.Tamper}, do: func() error { return order(anna) }, want: wire.CodeNotAllowed},
		{name: "brought to another box", fault: gateway.Fault{Kind: gateway.Misroute, To: other.serial}, do: func() error { return order(anna) }, want: wire.CodeNotAllowed},
		{name: "again", do: func() error { return order(anna) }, runs: 1},
		{name: "the one before", fault: gateway.Fault{Kind: gateway.OldCall}, do: func() error { return order(anna) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.fault.Kind != "" {
				row.fault.Times = 1
				if err := w.Gateway.SetFaults(row.fault); err != nil {
					t.Fatal(err)
				}
			}
			before := b.runs.Load()
			if got := code(row.do()); got != row.want {
				t.Errorf("code = %d; want %d", got, row.want)
			}
			if got := b.runs.Load() - before; got != row.runs {
				t.Errorf("it ran %d times; want %d", got, row.runs)
			}
		})
	}
	// A call of an earlier session has no effect in the next one.
	b.up()
	if err := w.Gateway.SetFaults(gateway.Fault{Kind: gateway.OldCall, Times: 1}); err != nil {
		t.Fatal(err)
	}
	before := b.runs.Load()
	if got := code(order(anna)); got != wire.CodeNotAllowed {
		t.Errorf("a call of the session before: code %d; want %d", got, wire.CodeNotAllowed)
	}
	if n := b.runs.Load() - before; n+other.runs.Load() > 0 {
		t.Errorf("calls for others ran %d times", n+other.runs.Load())
	}
}

// TestCallThrough has a box lose its session by what it was asked to do: the
// answer comes over the next one, and nothing is done twice.
func TestCallThrough(t *testing.T) {
	w := newWorld(t, Options{})
	w.api = serveAPI(w)
	anna, eve := newOperator(w, w.api, "anna", FirstPartner), newOperator(w, w.api, "eve", FirstPartner)
	b := newGuarded(w, "FHK1234ABcd", anna)
	first, lost := b.up(), make(chan struct{})
	b.then = func() {
		first.conn.CloseNow()
		close(lost)
	}
	ended := make(chan error, 1)
	var answer wire.Text
	go func() {
		ended <- anna.CallThrough(t.Context(), b.serial, wire.MethodCLIExec, wire.CLIExec{Lines: []string{"reload"}}, &answer)
	}()
	<-lost
	b.up()
	if err := <-ended; err != nil || answer.Text != "done" || b.runs.Load() != 1 {
		t.Errorf("CallThrough = %v, %q, and it ran %d times; want the answer, and once", err, answer.Text, b.runs.Load())
	}
	if err := eve.CallThrough(t.Context(), b.serial, wire.MethodCLIExec, nil, nil); code(err) != wire.CodeNotAllowed {
		t.Errorf("CallThrough of who is not trusted = %v; want code %d", err, wire.CodeNotAllowed)
	}
}

// TestFetch fetches a file at once, the rest of it, and one that has changed.
func TestFetch(t *testing.T) {
	w := newWorld(t, Options{})
	w.api = serveAPI(w)
	anna := newOperator(w, w.api, "anna", FirstPartner)
	b := newGuarded(w, "FHK1234ABcd", anna)
	b.file = bytes.Repeat([]byte("0123456789abcde\n"), 1<<13)
	b.up()
	for _, row := range []struct {
		name string
		have []byte
		came int
	}{
		{"all", nil, len(b.file)},
		{"the rest", b.file[:1000], len(b.file) - 1000},
		{"nothing", b.file, 0},
		{"another file", []byte("other"), len(b.file)},
		{"a longer file", append(bytes.Clone(b.file), 'x'), len(b.file)},
	} {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, row.have, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		size, came, err := anna.Fetch(t.Context(), b.serial, "log:syslog", f)
		if err != nil || size != int64(len(b.file)) || came != int64(row.came) {
			t.Errorf("%s: Fetch = %d, %d, %v; want %d, %d", row.name, size, came, err, len(b.file), row.came)
		}
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, b.file) {
			t.Errorf("%s: the file has %d octets, %v; want those of the box", row.name, len(got), err)
		}
		f.Close()
	}
}

// TestTunnel has two connections through the link at a time.
func TestTunnel(t *testing.T) {
	w := newWorld(t, Options{})
	w.api = serveAPI(w)
	anna, eve := newOperator(w, w.api, "anna", FirstPartner), newOperator(w, w.api, "eve", FirstPartner)
	b := newGuarded(w, "FHK1234ABcd", anna)
	b.up()
	if _, _, err := eve.Open(t.Context(), b.serial, wire.StreamTCP, wire.TCP{To: wire.ToWeb}); code(err) != wire.CodeNotAllowed {
		t.Errorf("a stream for who is not trusted: %v; want code %d", err, wire.CodeNotAllowed)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- anna.Tunnel(ctx, b.serial, wire.ToWeb, listener, func(err error) { t.Error(err) })
	}()
	var conns []net.Conn
	for range 2 {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	for _, conn := range conns {
		text, got := []byte(strings.Repeat("text", 10000)), make([]byte, 40000)
		go conn.Write(text)
		if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d octets came back, %v; want what was sent", len(got), err)
		}
		conn.Close()
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
