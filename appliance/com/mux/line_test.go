package mux

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/yamux"

	"causeway/appliance/com/wire"
)

// buffer is a stream of a test that is read to its end.
type buffer struct{ bytes.Buffer }

func (*buffer) Close() error { return nil }

func TestHeader(t *testing.T) {
	want := wire.Header{
		Service: wire.StreamFile, Version: 1, ID: "7", Params: json.RawMessage(`{"path":"log:syslog"}`),
		Meta: &wire.Meta{Idem: "i", Actor: "anna@partner.example", Signature: "s"}, Critical: []string{"svc"},
	}
	var stream buffer
	if err := WriteHeader(&stream, want); err != nil {
		t.Fatal(err)
	}
	stream.WriteString("what follows")
	got, err := ReadHeader(&stream)
	if difference := cmp.Diff(want, got); err != nil || difference != "" {
		t.Errorf("ReadHeader = %v, %s", err, difference)
	}
	if rest := stream.String(); rest != "what follows" {
		t.Errorf("ReadHeader leaves %q", rest)
	}
}

func TestAnswer(t *testing.T) {
	for _, want := range []wire.Answer{
		{OK: true, Size: 5, SHA: "ab"},
		{Error: &wire.StreamRefusal{Code: wire.CodeDisabled, Message: "off"}},
	} {
		var stream buffer
		if err := WriteAnswer(&stream, want); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadAnswer(&stream); err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("ReadAnswer = %+v, %v; want %+v", got, err, want)
		}
	}
}

// TestReadHeaderRefuses what is no header.
func TestReadHeaderRefuses(t *testing.T) {
	for name, row := range map[string]struct {
		text string
		want error
	}{
		"nothing":            {"", io.EOF},
		"a line cut off":     {`{"svc":"rpc"`, io.EOF},
		"an empty line":      {"\n", ErrUndecodable},
		"an array":           {"[]\n", ErrUndecodable},
		"null":               {"null\n", ErrUndecodable},
		"another type":       {`{"v":"one"}` + "\n", ErrUndecodable},
		"two objects":        {"{}{}\n", ErrUndecodable},
		"the longest":        {`{"id":"` + strings.Repeat("x", wire.LongestHeader-9) + "\"}\n", nil},
		"one octet too long": {`{"id":"` + strings.Repeat("x", wire.LongestHeader-8) + "\"}\n", ErrTooLong},
		"without an end":     {strings.Repeat("x", 10*wire.LongestHeader), ErrTooLong},
	} {
		if _, err := ReadHeader(strings.NewReader(row.text)); !errors.Is(err, row.want) {
			t.Errorf("%s: ReadHeader = %v; want %v", name, err, row.want)
		}
	}
	if err := WriteHeader(io.Discard, wire.Header{ID: strings.Repeat("x", wire.LongestHeader)}); !errors.Is(err, ErrTooLong) {
		t.Errorf("WriteHeader of what nobody reads = %v; want %v", err, ErrTooLong)
	}
}

func TestLines(t *testing.T) {
	longest := `"` + strings.Repeat("x", wire.LongestMessage-2) + `"`
	var stream buffer
	lines := Lines(&stream)
	for _, message := range []string{`{"a":1}`, longest, "{}"} {
		if err := lines.Send([]byte(message)); err != nil {
			t.Fatalf("Send of %d octets = %v", len(message), err)
		}
		if got, err := lines.Recv(); err != nil || string(got) != message {
			t.Errorf("Recv = %d octets, %v; want %d", len(got), err, len(message))
		}
	}
	if err := lines.Send([]byte(longest + " ")); !errors.Is(err, ErrTooLong) {
		t.Errorf("Send of one octet too many = %v; want %v", err, ErrTooLong)
	}
	for name, row := range map[string]struct {
		text string
		want error
	}{
		"the end":            {"", io.EOF},
		"a line cut off":     {"{}", io.ErrUnexpectedEOF},
		"one octet too long": {longest + " \n", ErrTooLong},
		"without an end":     {strings.Repeat("x", 3*wire.LongestMessage), ErrTooLong},
	} {
		if _, err := Lines(&buffer{*bytes.NewBufferString(row.text)}).Recv(); !errors.Is(err, row.want) {
			t.Errorf("%s: Recv = %v; want %v", name, err, row.want)
		}
	}
}

// FuzzHeader reads what may come first in a stream. What is a header comes back as it
// was written, and nothing behind it is read.
func FuzzHeader(f *testing.F) {
	for _, seed := range []string{
		`{"svc":"rpc","v":1,"id":"1"}`, `{"svc":"file","v":1,"id":"2","params":{"path":"log:syslog","off":5},"grant":{"idem":"i","exp":"2026-11-23T00:00:00Z","actor":"a","sig":"s"},"crit":["svc"]}`,
		`{"ok":true,"size":5,"sha256":"ab"}`, `{"error":{"code":4001,"message":"off"}}`, `[]`, `{"params":`, "{}\n{}", "\x00", `{"id":"\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		source := bytes.NewReader(append(text[:len(text):len(text)], "\nwhat follows"...))
		header, err := ReadHeader(source)
		if err != nil {
			return
		}
		line, _, _ := bytes.Cut(text, []byte("\n"))
		if rest := source.Len(); rest != len(text)-len(line)+len("what follows") && len(line) < len(text) {
			t.Errorf("%d octets are left", rest)
		}
		var written bytes.Buffer
		if err := WriteHeader(&written, header); errors.Is(err, ErrTooLong) {
			return // escapes may be longer than what they stand for
		} else if err != nil {
			t.Fatalf("WriteHeader(%+v) = %v", header, err)
		}
		again, err := ReadHeader(&written)
		if err != nil || again.Service != header.Service || again.ID != header.ID {
			t.Errorf("ReadHeader = %+v, %v; want %+v", again, err, header)
		}
		if _, err := ReadAnswer(bytes.NewReader(append(line[:len(line):len(line)], '\n'))); err != nil && !errors.Is(err, ErrUndecodable) {
			t.Errorf("ReadAnswer = %v", err)
		}
	})
}

// FuzzLines reads messages: each is a line of the text, and none is too long.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{"{}\n", "{}\n\n[]\n", "no end", "\n", strings.Repeat("x", 5000) + "\n{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		lines := Lines(&buffer{*bytes.NewBuffer(bytes.Clone(text))})
		for rest := text; ; {
			message, err := lines.Recv()
			if err != nil {
				if bytes.IndexByte(rest, '\n') >= 0 && len(rest) <= wire.LongestMessage {
					t.Errorf("Recv = %v, with %q to come", err, rest)
				}
				return
			}
			if len(message) > wire.LongestMessage {
				t.Fatalf("a message of %d octets", len(message))
			}
			want, after, _ := bytes.Cut(rest, []byte("\n"))
			if !bytes.Equal(message, want) {
				t.Errorf("Recv = %q; want %q", message, want)
			}
			rest = after
		}
	})
}

// TestUnread has the other side read no messages, while it answers what keeps the
// session: sending ends.
func TestUnread(t *testing.T) {
	near, far := net.Pipe()
	box, err := yamux.Server(near, yamux.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	com, err := yamux.Client(far, yamux.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer com.Close()
	stream, err := box.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	channel := Lines(&Stream{stream}).(*lines)
	channel.patience = 10 * time.Millisecond
	for err == nil { // as long as the window has room
		err = channel.Send(make([]byte, window/4))
	}
	if timeout := net.Error(nil); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("Send = %v; want a timeout", err)
	}
	if _, err := box.Ping(); err != nil {
		t.Errorf("Ping = %v; want the session to go on", err)
	}
}
