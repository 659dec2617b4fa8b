package services

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// greeter is a server that says who it talks to, sends back what it gets, and
// ends with "bye".
func greeter(_ context.Context, c net.Conn, origin string) error {
	defer c.Close()
	fmt.Fprintf(c, "hello %s at %v\n", origin, c.RemoteAddr())
	for lines := bufio.NewScanner(c); lines.Scan(); {
		fmt.Fprintf(c, "<%s>\n", lines.Text())
		if lines.Text() == "bye" {
			return errors.New("it said bye")
		}
	}
	return nil
}

// TestTunnels: they lead to what has a name, each behind its switch, and nowhere
// else.
func TestTunnels(t *testing.T) {
	tunnels := Tunnels{wire.ToSSH: greeter, wire.ToWeb: greeter, "billing": greeter}.Streams()[0]
	if !tunnels.Signed {
		t.Error("tunnels are not signed; want them to be")
	}
	for _, test := range []struct {
		params, service, what string
		code                  int
	}{
		{`{"to":"web"}`, model.COMTunnelWeb, "tcp web", 0},
		{`{"to":"ssh"}`, model.COMTunnelSSH, "tcp ssh", 0},
		{`{"to":"billing"}`, "", "tcp ", wire.CodeUnsupported},
		{`{"to":"192.0.2.7:22"}`, "", "tcp ", wire.CodeUnsupported},
		{`{"to":"localhost"}`, "", "tcp ", wire.CodeUnsupported},
		{`{}`, "", "tcp ", wire.CodeUnsupported},
		{``, "", "tcp ", wire.CodeUnsupported},
		{`{"to":["ssh"]}`, "", "tcp ", wire.CodeParams},
	} {
		service, err := tunnels.Switch(json.RawMessage(test.params))
		if service != test.service || codeOf(err) != test.code {
			t.Errorf("Switch(%s) = %q, %v; want %q, code %d", test.params, service, err, test.service, test.code)
		}
		if what := tunnels.What(json.RawMessage(test.params)); what != test.what {
			t.Errorf("What(%s) = %q; want %q", test.params, what, test.what)
		}
		if _, _, err := tunnels.Open(t.Context(), by("anna", 1), json.RawMessage(test.params)); codeOf(err) != test.code {
			t.Errorf("Open(%s) = %v; want code %d", test.params, err, test.code)
		}
	}
	nowhere := Tunnels{}.Streams()[0]
	if _, err := nowhere.Switch(json.RawMessage(`{"to":"ssh"}`)); codeOf(err) != wire.CodeUnsupported {
		t.Errorf("Switch to a server that is not there = %v; want code %d", err, wire.CodeUnsupported)
	}
}

// TestTunnelEnds: a tunnel ends with its server, with the stream, and with its
// context, and what the server has said last arrives.
func TestTunnelEnds(t *testing.T) {
	tunnels := Tunnels{wire.ToSSH: greeter}.Streams()[0]
	begin := func() (at net.Conn, lines *bufio.Reader, ended <-chan error) {
		at, ended = open(t, tunnels, wire.TCP{To: wire.ToSSH})
		lines = bufio.NewReader(at)
		const want = "hello com anna at com anna\n"
		if line, err := lines.ReadString('\n'); line != want || err != nil {
			t.Fatalf("the server says %q, %v; want %q", line, err, want)
		}
		return at, lines, ended
	}
	at, lines, ended := begin()
	fmt.Fprint(at, "one\nbye\n")
	if rest, err := io.ReadAll(lines); string(rest) != "<one>\n<bye>\n" || err != nil {
		t.Errorf("the server answers %q, %v; want all of it and the end", rest, err)
	}
	if err := <-ended; err == nil || err.Error() != "it said bye" {
		t.Errorf("the tunnel ended with %v; want the server's error", err)
	}

	at, _, ended = begin()
	at.Close()
	if err := <-ended; err != nil {
		t.Errorf("the tunnel whose stream was closed ended with %v; want nil", err)
	}

	// The other end takes nothing: who clears the session is not kept waiting.
	_, run, err := tunnels.Open(t.Context(), by("anna", 1), json.RawMessage(`{"to":"ssh"}`))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	box, com := net.Pipe()
	defer com.Close()
	over := make(chan error, 1)
	go func() { over <- run(ctx, box) }()
	cancel()
	if err := <-over; err != nil {
		t.Errorf("the tunnel that was cleared ended with %v; want nil", err)
	}
}
