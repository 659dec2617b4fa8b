package console

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// typing gives the keys of a terminal that sends what from does.
func typing(t *testing.T, from io.Reader) *keys {
	in := newInput()
	filled := make(chan struct{})
	go func() {
		defer close(filled)
		in.fill(from)
	}()
	t.Cleanup(func() { in.end(io.EOF); <-filled })
	return &keys{from: in}
}

func TestKeys(t *testing.T) {
	for _, test := range []struct{ name, typed, want string }{
		{"text", "show a", "show a"},
		{"Return, line feed, both", "a\rb\nc\r\nd\r\n\ne", "a\rb\rc\rd\r\re"},
		{"characters beyond ASCII", "ä€𝄞", "ä€𝄞"},
		{"no characters", "a\xffb\xe2\x82c\xc3\rd\u0085e\u200bf", "abc\rdef"},
		{"blanks of documents", "a\u00a0b\u2003c\u3000d", "a b c d"},
		{"end in a character", "a\xe2\x82", "a"},
		{"editing", "\x01\x02\x05\x06\x08\x0b\x0c\x0e\x10\x14\x15\x17\x7f", "\x01\x02\x05\x06\x08\x0b\x0c\x0e\x10\x14\x15\x17\x7f"},
		{"keys without a meaning", "a\x00\x07\x0f\x11\x12\x13\x18\x19\x1c\x1d\x1e\x1fb", "ab"},
		{"Ctrl-D deletes", "\x04", keyDelete},
		{"cursor keys of two kinds", "\x1b[A\x1bOA\x1b[D\x1bOD", keyUp + keyUp + keyLeft + keyLeft},
		{"Home and End of three kinds", "\x1b[H\x1b[1~\x1b[7~\x1b[F\x1b[4~\x1b[8~", keyHome + keyHome + keyHome + keyEnd + keyEnd + keyEnd},
		{"words", "\x1bb\x1bf\x1b[1;5D\x1b[1;3C", keyWordLeft + keyWordRight + keyWordLeft + keyWordRight},
		{"sequences without a meaning", "a\x1b[99~b\x1b[?1;2cc\x1b1d\x1bOPe", "abcde"},
		{"Escape does not hold back a key", "\x1b\rb\x1b\x1b[A\x1b[1\x03", "\rb" + keyUp + keyEnd + "^C\r"},
		{"a sequence without an end", "\x1b[" + strings.Repeat("1;", 20) + "x", ";1;1;1;1;1;1;1;1;1;1;1;1;x"},
		{"? and Tab", "a?\t", "a" + keyHelp + keyComplete},
		{"Ctrl-V quotes one", "\x16??\x16\t\t", "?" + keyHelp + " " + keyComplete},
		{"? and Tab in pasted text", "\x1b[200~a?\tb\rc\x1b[201~?", "a? b\rc" + keyHelp},
		{"Ctrl-C ends a paste", "\x1b[200~?\x03?", "?" + keyEnd + "^C\r" + keyHelp},
		{"Ctrl-Z", "a\x1a", "a" + keyEnd + "^Z\r"},
	} {
		for how, reader := range map[string]func(string) io.Reader{
			"at once":       func(s string) io.Reader { return strings.NewReader(s) },
			"one by one":    func(s string) io.Reader { return iotest.OneByteReader(strings.NewReader(s)) },
			"end with data": func(s string) io.Reader { return iotest.DataErrReader(strings.NewReader(s)) },
		} {
			got, err := io.ReadAll(typing(t, reader(test.typed)))
			if err != nil || string(got) != test.want {
				t.Errorf("%s, %s: keys of %q = %q, %v; want %q", test.name, how, test.typed, got, err, test.want)
			}
		}
	}
}

func TestKeysOneAtATime(t *testing.T) {
	k := typing(t, strings.NewReader("aä\x1b[A\x03"))
	buffer := make([]byte, 64)
	for _, want := range []string{"a", "ä", keyUp, keyEnd + "^C\r"} {
		if n, err := k.Read(buffer); err != nil || string(buffer[:n]) != want {
			t.Errorf("Read = %q, %v; want %q", buffer[:n], err, want)
		}
	}
	if k.ended != abandoned {
		t.Errorf("the line ended as %v; want %v", k.ended, abandoned)
	}
	errBroken := errors.New("broken line")
	if _, err := typing(t, iotest.ErrReader(errBroken)).Read(buffer); !errors.Is(err, errBroken) {
		t.Errorf("Read of a broken line = %v; want %v", err, errBroken)
	}
}

// TestInputIsBounded: what nobody reads is left on the line.
func TestInputIsBounded(t *testing.T) {
	in := newInput()
	from := &endless{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		in.fill(from)
	}()
	for range 3 * readAheadMax {
		if _, err := in.readByte(); err != nil {
			t.Fatal(err)
		}
	}
	in.end(io.EOF)
	<-ended
	if most := 4*readAheadMax + 2*4096; from.given > most {
		t.Errorf("%d octets were read; want at most %d", from.given, most)
	}
}

// endless is a line on which always more comes.
type endless struct{ given int }

func (e *endless) Read(p []byte) (int, error) {
	e.given += len(p)
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// TestInterrupt: Ctrl-C goes past what was typed ahead, and drops it.
func TestInterrupt(t *testing.T) {
	in := newInput()
	interrupted := 0
	restore := in.onInterrupt(func() { interrupted++ })
	in.add([]byte("typed ahead\r\x03after\x03"), nil)
	restore()
	in.add([]byte("\x03b"), io.EOF)
	var got []byte
	for {
		b, err := in.readByte()
		if err != nil {
			break
		}
		got = append(got, b)
	}
	if interrupted != 2 || string(got) != "\x03b" {
		t.Errorf("Ctrl-C interrupted %d times and left %q; want 2 and %q", interrupted, got, "\x03b")
	}
}

func TestHistory(t *testing.T) {
	var h history
	for n := range historyMax + 10 {
		line := strings.Repeat("x", n)
		h.remember(line)
		h.remember(line)
		h.Add("an answer to a question")
	}
	if h.Len() != historyMax || len(h.At(0)) != historyMax+9 || len(h.At(historyMax-1)) != 10 {
		t.Errorf("history has %d lines, the last of %d characters, the first of %d; want %d, %d, 10",
			h.Len(), len(h.At(0)), len(h.At(historyMax-1)), historyMax, historyMax+9)
	}
}
