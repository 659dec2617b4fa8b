package console

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sys/unix"
)

// openPTY gives both ends of a pseudo-terminal: the line, and the port that a
// session runs on.
func openPTY(t *testing.T) (line, port *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("open /dev/ptmx: %v", err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatalf("unlock the pseudo-terminal: %v", err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatalf("get the number of the pseudo-terminal: %v", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // so that reads have deadlines
		t.Fatal(err)
	}
	line = os.NewFile(uintptr(fd), "/dev/ptmx")
	port, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { line.Close(); port.Close() })
	return line, port
}

// expect reads the line until it ends in want.
func expect(t *testing.T, line *os.File, want string) string {
	t.Helper()
	if err := line.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	buffer := make([]byte, 256)
	for !strings.HasSuffix(got.String(), want) {
		n, err := line.Read(buffer)
		got.Write(buffer[:n])
		if err != nil {
			t.Fatalf("the session printed %q, then %v; want it to end in %q", got.String(), err, want)
		}
	}
	return got.String()
}

func TestSessionOnATerminal(t *testing.T) {
	line, port := openPTY(t)
	before, err := unix.IoctlGetTermios(int(port.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	runDir := wholeBox().serve(t)
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{In: port, Out: port, RunDir: runDir, BuildFile: "/dev/null", ControlWait: time.Second})
	}()
	expect(t, line, "box>")
	for _, step := range []struct{ name, typed, want string }{
		{"echo and carriage returns", "sh run\r", "sh run\r\nhostname box\r\n"},
		{"caret below the word", "show x\r", "show x\r\n         ^\r\n% x does not fit"},
		{"backspace", "sh rux\x7fn\r", "hostname box\r\n"},
		{"history", "\x1b[A\r", "hostname box\r\n"},
		{"Ctrl-C abandons the line", "reload now\x03", "\r\n"},
		{"Ctrl-C in the middle of a line", "reload now\x1b[D\x1b[D\x03", "\r\n"},
		{"Ctrl-C is no yes", "reload\r\x03", "Reload? [confirm]^C\r\n% not confirmed"},
		{"Ctrl-D ends nothing", "\x04sh run\r", "hostname box\r\n"},
	} {
		if _, err := io.WriteString(line, step.typed); err != nil {
			t.Fatal(err)
		}
		got := expect(t, line, "box>")
		if !strings.Contains(got, step.want) || strings.Contains(got, "going down") {
			t.Errorf("%s: the session printed %q; want %q in it and no shutdown", step.name, got, step.want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v; want no error when its context ends", err)
	}
	after, err := unix.IoctlGetTermios(int(port.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal is left in %+v, %v; want it as it was, %+v", after, err, before)
	}
	io.WriteString(line, "\r") // lets the reader that Run left behind go
}

func TestKeys(t *testing.T) {
	const typed = "show\x03a\x04b\x03"
	const want = "show\x05\x15^C\rab\x05\x15^C\r"
	for name, from := range map[string]io.Reader{
		"at once":       strings.NewReader(typed),
		"one by one":    iotest.OneByteReader(strings.NewReader(typed)),
		"end with data": iotest.DataErrReader(strings.NewReader(typed)),
	} {
		if got, err := io.ReadAll(&keys{from: from}); err != nil || string(got) != want {
			t.Errorf("%s: keys of %q = %q, %v; want %q", name, typed, got, err, want)
		}
	}
	if err := iotest.TestReader(&keys{from: strings.NewReader("ab\x03")}, []byte("ab"+abandonLine)); err != nil {
		t.Error(err)
	}
}

// What is shown cannot drive the terminal.
func TestPlainText(t *testing.T) {
	var out bytes.Buffer
	const hostile = "! \x1b]0;x\a\x1b[2J\u009b\xff\r\tä\n"
	const want = "! ?]0;x??[2J??\tä\n"
	n, err := plainText{&plainTerminal{Writer: &out}}.Write([]byte(hostile))
	if n != len(hostile) || err != nil || out.String() != want {
		t.Errorf("Write(%q) = %d, %v and prints %q; want %q", hostile, n, err, out.String(), want)
	}
}

// FuzzSession types anything on a port whose box is down.
func FuzzSession(f *testing.F) {
	f.Add([]byte("show system\nreload\n\nsh\tver\n?\n"))
	f.Add([]byte("show\x03\x04power-off\xff\x00\n! \n"))
	f.Fuzz(func(t *testing.T, typed []byte) {
		dir := t.TempDir()
		err := Run(t.Context(), Options{
			In: &keys{from: bytes.NewReader(typed)}, Out: io.Discard,
			RunDir: dir, BuildFile: filepath.Join(dir, "none"), ControlWait: time.Nanosecond,
		})
		if err != nil && !errors.Is(err, bufio.ErrTooLong) {
			t.Errorf("Run on %q = %v; want no error", typed, err)
		}
	})
}
