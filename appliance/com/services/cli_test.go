package services

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// echo is a console that answers each line with itself. "for ever" prints
// without an end, "hang" waits for the end of its context, and as the real one it
// takes that for no error.
func echo(ctx context.Context, t Terminal, login model.Login) error {
	if !t.Silent {
		fmt.Fprintf(t.Out, "%v at %v, keys %t\n", login.Operator, t.Size, t.Keys)
	}
	for in := bufio.NewScanner(t.In); in.Scan(); {
		switch line := in.Text(); line {
		case "for ever":
			for ctx.Err() == nil {
				fmt.Fprintln(t.Out, strings.Repeat("x", 999))
			}
		case "hang":
			fmt.Fprintln(t.Out, "it hangs")
			<-ctx.Done()
		case "fail":
			return errors.New("control does not answer")
		case "exit":
			return nil
		default:
			fmt.Fprintf(t.Out, "<%s>\n", line)
		}
	}
	return nil
}

// TestExec: what lines print comes together, within its bounds.
func TestExec(t *testing.T) {
	method := CLI{echo}.Methods()[0]
	if !method.Signed || method.Service != model.COMCLI {
		t.Errorf("cli.exec is %+v; want it signed, behind the switch %s", method, model.COMCLI)
	}
	for _, test := range []struct {
		lines []string
		want  string // of the text
		whole bool   // it is all of it
		err   string
	}{
		{[]string{"show version", "show clock"}, "<show version>\n<show clock>\n", true, ""},
		{[]string{"exit", "show clock"}, "", true, ""},
		{nil, "", true, ""},
		{[]string{"a", "for ever", "b"}, "% The answer goes on; it was ended here\n", false, ""},
		{[]string{"a", "hang", "b"}, "<a>\nit hangs\n", false, ""},
		{[]string{"hang"}, "% It was ended after 1m0s\n", false, ""},
		{[]string{"a", "fail"}, "", true, "control does not answer"},
	} {
		synctest.Test(t, func(t *testing.T) { // a minute passes at once
			params, err := json.Marshal(wire.CLIExec{Lines: test.lines})
			if err != nil {
				t.Fatal(err)
			}
			result, err := method.Handle(t.Context(), by("anna", 1), params)
			got, _ := result.(wire.Text)
			if test.err != "" {
				if err == nil || err.Error() != test.err {
					t.Errorf("cli.exec(%q) = %v; want %s", test.lines, err, test.err)
				}
				return
			}
			if err != nil || !strings.Contains(got.Text, test.want) || test.whole && got.Text != test.want || len(got.Text) > longestText+100 {
				t.Errorf("cli.exec(%q) = %d octets: %.100q, %v; want %q", test.lines, len(got.Text), got.Text, err, test.want)
			}
		})
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("cleared by alice"))
	if _, err := method.Handle(ctx, by("anna", 1), json.RawMessage(`{"lines":["hang"]}`)); err == nil || err.Error() != "cleared by alice" {
		t.Errorf("cli.exec that is cleared = %v; want why", err)
	}
}

// TestConsole: somebody sits at a console, as large as he says within reason,
// and its end closes the stream.
func TestConsole(t *testing.T) {
	stream := CLI{echo}.Streams()[0]
	if service, err := stream.Switch(nil); service != model.COMCLI || err != nil || !stream.Signed {
		t.Errorf("the stream is behind %q, %v, signed %t; want %s, signed", service, err, stream.Signed, model.COMCLI)
	}
	if _, _, err := stream.Open(t.Context(), by("anna", 1), json.RawMessage(`{"width":"80"}`)); codeOf(err) != wire.CodeParams {
		t.Errorf("Open with a width that is no number = %v; want code %d", err, wire.CodeParams)
	}
	for _, test := range []struct {
		params wire.CLI
		size   exec.Size
	}{
		{wire.CLI{Width: 132, Height: 50, Raw: true}, exec.Size{Width: 132, Height: 50}},
		{wire.CLI{Width: -1, Height: 1 << 30}, exec.Size{Width: 0, Height: 1000}},
	} {
		at, ended := open(t, stream, test.params)
		lines := bufio.NewReader(at)
		want := fmt.Sprintf("COMAdmin on com anna at %v, keys %t\n", test.size, test.params.Raw)
		if line, err := lines.ReadString('\n'); line != want || err != nil {
			t.Errorf("the console says %q, %v; want %q", line, err, want)
		}
		fmt.Fprint(at, "show version\n")
		if line, err := lines.ReadString('\n'); line != "<show version>\n" || err != nil {
			t.Errorf("the console answers %q, %v; want the line", line, err)
		}
		fmt.Fprint(at, "exit\n")
		if rest, err := io.ReadAll(lines); len(rest) > 0 || err != nil {
			t.Errorf("after exit: %q, %v; want the end", rest, err)
		}
		if err := <-ended; err != nil {
			t.Errorf("the console ended with %v; want nil", err)
		}
	}
}

// open opens a stream and gives COM's end of it, and how it ends.
func open(t *testing.T, stream gate.Stream, params any) (at net.Conn, ended <-chan error) {
	t.Helper()
	raw, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	answer, run, err := stream.Open(t.Context(), by("anna", 1), raw)
	if err != nil || !answer.OK {
		t.Fatalf("Open(%s) = %+v, %v; want it opened", raw, answer, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	box, com := net.Pipe()
	over := make(chan error, 1)
	go func() { over <- run(ctx, box) }()
	t.Cleanup(func() {
		cancel()
		com.Close()
	})
	return com, over
}
