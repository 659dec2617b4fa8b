package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// lineMax is the longest line that may be typed, in characters (x/term's).
const lineMax = 4096

// screen is what the operator sees and types on: the line being typed, what
// commands print, and messages that nobody asked for. On a terminal lines are
// edited (x/term); on anything else they are read as they come.
type screen struct {
	out    io.Writer
	in     *input
	keys   *keys          // of a terminal
	editor *term.Terminal // nil: not a terminal
	// onKey is told keyHelp and keyComplete while a command is typed, with
	// what is before the cursor, and reports whether they were no text. It may
	// print. nil: they are text.
	onKey func(before string, key rune) bool

	history history
	tooLong bool // the line that is being typed

	mu       sync.Mutex // guards what follows, and whole pieces of output
	columns  int
	doing    activity
	prompt   string   // of the line being read
	inLine   bool     // the output stands in the middle of a line
	messages []string // that wait for the end of that line
}

// activity is what a screen is at.
type activity uint8

const (
	printing activity = iota
	reading           // a line is being typed
	waiting           // at --More--
)

// The size of a terminal that does not tell it.
const defaultWidth, defaultHeight = 80, 24

func newScreen(in *input, out io.Writer, editing bool) *screen {
	s := &screen{out: out, in: in, keys: &keys{from: in}}
	if editing {
		s.editor = term.NewTerminal(struct {
			io.Reader
			io.Writer
		}{s.keys, out}, "")
		s.editor.History = &s.history
		s.editor.AutoCompleteCallback = s.key
	}
	return s
}

// width is how many characters a row has.
func (s *screen) width() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.columns
}

// setWidth sets how many characters a row has.
func (s *screen) setWidth(width int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.columns = width
	if s.editor != nil {
		s.editor.SetSize(width, defaultHeight) // writes only while a line is typed
	}
}

// key is told each key that x/term has no meaning for. What it returns takes
// the place of the line, if ok.
func (s *screen) key(line string, pos int, key rune) (newLine string, newPos int, ok bool) {
	text, ours := map[string]string{keyHelp: "?", keyComplete: " "}[string(key)]
	switch {
	case ours && s.onKey != nil && s.onKey(line[:pos], key):
		return "", 0, false
	case utf8.RuneCountInString(line) >= lineMax:
		s.tooLong = true
		return "", 0, false
	}
	return line[:pos] + text + line[pos:], pos + len(text), ours
}

// errAbandoned means that the operator typed Ctrl-C instead of a line. It is no
// empty line: that would be a yes to a question.
var errAbandoned = errors.New("abandoned")

// errTooLong means a line of more than lineMax characters, which was read to
// its end.
var errTooLong = fmt.Errorf("the line has more than %d characters", lineMax)

// readLine prints the prompt and reads a line without its end. left says that
// it ended with Ctrl-Z. After the last line the error is io.EOF.
func (s *screen) readLine(prompt string) (line string, left bool, err error) {
	return s.read(prompt, false)
}

// readHidden is readLine for what nobody is to see: it is not echoed.
func (s *screen) readHidden(prompt string) (line string, left bool, err error) {
	return s.read(prompt, true)
}

func (s *screen) read(prompt string, hidden bool) (line string, left bool, err error) {
	defer s.in.onInterrupt(nil)()
	s.turn(reading, prompt)
	defer s.turn(printing, "")
	if s.editor == nil {
		line, err = s.plainLine()
		return line, false, err
	}
	s.tooLong, s.keys.hidden = false, hidden
	s.editor.SetPrompt(prompt)
	if hidden {
		line, err = s.editor.ReadPassword(prompt)
	} else {
		line, err = s.editor.ReadLine()
	}
	if err != nil && !errors.Is(err, term.ErrPasteIndicator) {
		return "", false, err
	}
	switch s.keys.ended {
	case abandoned:
		return "", false, errAbandoned
	case leaving:
		line, left = strings.TrimSuffix(line, leavingMark), true
	}
	if s.tooLong {
		return "", false, errTooLong
	}
	return line, left, nil
}

// plainLine reads a line from what is no terminal. A last one without its end
// is a line, too.
func (s *screen) plainLine() (string, error) {
	var line []byte
	for {
		b, err := s.in.readByte()
		if err != nil && len(line) == 0 {
			return "", err
		}
		if b == ctrlC {
			return "", errAbandoned
		}
		if err != nil || b == '\n' {
			text := strings.TrimSuffix(string(line), "\r")
			if utf8.RuneCountInString(text) > lineMax {
				return "", errTooLong
			}
			return text, nil
		}
		if len(line) <= lineMax*utf8.UTFMax {
			line = append(line, b)
		}
	}
}

// turn notes what the screen is at, and prints the prompt of that where x/term
// does not.
func (s *screen) turn(to activity, prompt string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doing, s.prompt, s.inLine = to, prompt, false
	if s.editor == nil || to == waiting {
		io.WriteString(s.out, prompt)
	}
}

// Write prints what a command says. It prints nothing that a terminal would
// obey but ends of lines and tabs: the text may come from a file or a packet.
func (s *screen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(text) == 0 {
		return 0, nil
	}
	if err := s.print(plain(text)); err != nil {
		return 0, err
	}
	s.inLine = text[len(text)-1] != '\n'
	for !s.inLine && len(s.messages) > 0 {
		if err := s.print([]byte(s.messages[0])); err != nil {
			return 0, err
		}
		s.messages = s.messages[1:]
	}
	return len(text), nil
}

// print prints what is plain; above the line that is being typed, if one is.
func (s *screen) print(text []byte) error {
	var err error
	if s.editor != nil {
		_, err = s.editor.Write(text)
	} else {
		_, err = s.out.Write(text)
	}
	return err
}

// endLine begins a new line unless the output stands at the beginning of one.
func (s *screen) endLine() {
	s.mu.Lock()
	inLine := s.inLine
	s.mu.Unlock()
	if inLine {
		s.Write([]byte{'\n'})
	}
}

// reply prints what a command key is answered with below the line that is being
// typed, and leaves the line as it is.
func (s *screen) reply(typed, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.print(plain([]byte(s.prompt + typed + "\n" + text)))
}

// complete types text for the operator.
func (s *screen) complete(text string) { s.keys.unread = append(s.keys.unread, text...) }

// messagesMax bounds the messages that wait for the end of a line.
const messagesMax = 100

// message prints a line that nobody asked for, as soon as it does not
// interrupt another. It never waits for the operator.
func (s *screen) message(line string) {
	text := string(plain([]byte(line))) + "\n"
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.doing == reading && s.editor == nil:
		fmt.Fprintf(s.out, "\n%s%s", text, s.prompt)
	case s.doing == waiting:
		io.WriteString(s.out, eraseMore)
		s.print([]byte(text))
		io.WriteString(s.out, s.prompt)
	case s.doing == printing && s.inLine:
		if len(s.messages) < messagesMax {
			s.messages = append(s.messages, text)
		}
	default:
		s.print([]byte(text))
	}
}

// What a full screen ends in, and what takes it away.
const (
	morePrompt = "--More-- "
	eraseMore  = "\r         \r"
)

// more says that there is more to print, and waits for a key.
func (s *screen) more() (key string, err error) {
	defer s.in.onInterrupt(nil)()
	s.turn(waiting, morePrompt)
	key, err = s.keys.next()
	s.mu.Lock()
	defer s.mu.Unlock()
	io.WriteString(s.out, eraseMore)
	s.doing, s.prompt = printing, ""
	return key, err
}

// plain replaces what a terminal would obey by question marks.
func plain(text []byte) []byte {
	return bytes.Map(func(r rune) rune {
		switch {
		case r == '\r': // of a file with the line ends of Windows
			return -1
		case r == '\n' || r == '\t' || r != utf8.RuneError && !unicode.IsControl(r):
			return r
		}
		return '?'
	}, text)
}
