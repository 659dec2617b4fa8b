package console

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// terminal is where the operator types and reads.
type terminal interface {
	io.Writer
	// SetPrompt sets what the next ReadLine prints first.
	SetPrompt(prompt string)
	// ReadLine gives the next line without its end, and io.EOF after the last.
	ReadLine() (string, error)
}

// openTerminal makes a terminal of the two streams: with line editing and
// history where in is a terminal, else line by line. restore puts the terminal
// back as it was.
func openTerminal(in io.Reader, out io.Writer) (t terminal, restore func(), err error) {
	file, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return &plainTerminal{lines: bufio.NewScanner(in), Writer: out}, func() {}, nil
	}
	fd := int(file.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return nil, nil, fmt.Errorf("put terminal %s in raw mode: %w", file.Name(), err)
	}
	editor := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{&keys{from: file}, out}, "")
	// A serial line knows no size: then the editor's own 80 by 24 stands.
	if width, height, err := term.GetSize(fd); err == nil && width > 0 && height > 0 {
		if err := editor.SetSize(width, height); err != nil {
			return nil, nil, fmt.Errorf("set the size of terminal %s: %w", file.Name(), err)
		}
	}
	return editor, func() { term.Restore(fd, before) }, nil
}

// plainText prints nothing that a terminal would obey but ends of lines and
// tabs: what is shown may come from a file or a packet.
type plainText struct{ terminal }

func (t plainText) Write(text []byte) (int, error) {
	shown := bytes.Map(func(r rune) rune {
		switch {
		case r == '\r': // of a file with the line ends of Windows
			return -1
		case r == '\n' || r == '\t' || r != utf8.RuneError && !unicode.IsControl(r):
			return r
		}
		return '?'
	}, text)
	if _, err := t.terminal.Write(shown); err != nil {
		return 0, err
	}
	return len(text), nil
}

// plainTerminal reads lines of something that is no terminal.
type plainTerminal struct {
	io.Writer
	lines  *bufio.Scanner
	prompt string
}

func (t *plainTerminal) SetPrompt(prompt string) { t.prompt = prompt }

func (t *plainTerminal) ReadLine() (string, error) {
	if _, err := io.WriteString(t, t.prompt); err != nil {
		return "", err
	}
	if !t.lines.Scan() {
		if err := t.lines.Err(); err != nil {
			return "", err
		}
		return "", io.EOF
	}
	return t.lines.Text(), nil
}

// The keys that end the session in x/term mean something else on a port that
// is never closed.
const (
	ctrlC, ctrlD = 3, 4
	abandoned    = "^C"                          // what a line reads that was abandoned
	abandonLine  = "\x05\x15" + abandoned + "\r" // to the end of the line, erase it
)

// keys reads key strokes: Ctrl-C abandons the line, Ctrl-D is ignored.
type keys struct {
	from    io.Reader
	pending []byte
}

func (k *keys) Read(p []byte) (int, error) {
	for len(k.pending) == 0 && len(p) > 0 {
		typed := make([]byte, len(p))
		n, err := k.from.Read(typed)
		for _, b := range typed[:n] {
			switch b {
			case ctrlC:
				k.pending = append(k.pending, abandonLine...)
			case ctrlD:
			default:
				k.pending = append(k.pending, b)
			}
		}
		if err != nil && len(k.pending) == 0 {
			return 0, err
		}
	}
	n := copy(p, k.pending)
	k.pending = k.pending[n:]
	return n, nil
}
