package console_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/config/change"
	"causeway/appliance/console"
	"causeway/appliance/link"
	"causeway/appliance/model"
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

// expect reads the line until it ends in want; it is never silent for a minute.
func expect(t *testing.T, line *os.File, want string) string {
	t.Helper()
	var got bytes.Buffer
	buffer := make([]byte, 4096)
	for !bytes.HasSuffix(got.Bytes(), []byte(want)) {
		if err := line.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		n, err := line.Read(buffer)
		got.Write(buffer[:n])
		if err != nil {
			t.Fatalf("the session printed …%q, then %v; want it to end in %q", got.Bytes()[max(0, got.Len()-500):], err, want)
		}
	}
	return got.String()
}

// serve has control run in dir, with the methods that change the configuration.
func serve(t *testing.T, dir string) *change.Configuration {
	t.Helper()
	c := change.New(change.Options{
		Grammar: grammar.Sealing(boxKey), BuiltIn: "hostname box\nlan LAN1\n ip address 192.168.42.1 255.255.255.0\n exit\n" + strings.Join(users, "\n"),
		Dir: filepath.Join(dir, "revisions"), Machine: filepath.Join(dir, "none"), Choice: filepath.Join(dir, "none"),
		StateDir: dir, Adopt: func(change.InForce) {}, Log: slog.New(slog.DiscardHandler),
	})
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	b := &box{configuration: c}
	methods := c.Methods()
	methods["control.access.state"] = func(ctx context.Context) (model.AccessState, error) { return b.accessState(ctx, nil) }
	methods["control.access.login"] = b.logIn
	methods["control.status"] = func(context.Context) (model.ControlStatus, error) {
		return model.ControlStatus{HostName: c.InForce().Config.HostName}, nil
	}
	listener, err := link.Listen(link.Socket(dir, "control"))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- link.ServeListener(t.Context(), listener, methods) }()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Errorf("serve control: %v", err)
		}
	})
	return c
}

// start runs the console on the port until the returned function is called.
func start(t *testing.T, port *os.File, o console.Options) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	o.In, o.Out, o.Grammar = port, port, grammar
	ended := make(chan error, 1)
	go func() { ended <- console.Run(ctx, o) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want no error when its context ends", err)
		}
	}
}

// TestSerialPort is the console as init starts it: a terminal, and processes
// behind sockets.
func TestSerialPort(t *testing.T) {
	line, port := openPTY(t)
	before, err := unix.IoctlGetTermios(int(port.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	build := filepath.Join(dir, "build.json")
	if err := os.WriteFile(build, []byte(`{"version":"v1.2","board":"x86_64"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c := serve(t, dir)
	stop := start(t, port, console.Options{RunDir: dir, BuildFile: build})
	if got := expect(t, line, "Username: "); !strings.Contains(got, "\r\nCauseway v1.2 on x86_64\r\n") {
		t.Errorf("the session greets with %q; want what image this is", got)
	}
	for _, step := range []struct{ typed, prompt, want string }{
		{"ann\r", "Password: ", ""},
		{"secret\r", "box>", "\r\nbox>"},
		{"enable\r", "box#", ""},
		{"configure\r", "box(config)#", ""},
		{"hostname other\r", "box(config)#", ""},
		{"commit\r", "other(config)#", "Revision 1 is in force and saved\r\n"},
		{"end\r", "other#", ""},
		{"\x04", "", ""}, // ends nothing
		{"show configuration history\r", "other#", "ann on " + filepath.Base(port.Name())},
		{"show system\r", "other#", "     ^\r\n% system does not fit: "},
	} {
		if _, err := io.WriteString(line, step.typed); err != nil {
			t.Fatal(err)
		}
		if got := expect(t, line, step.prompt); !strings.Contains(got, step.want) {
			t.Errorf("%q printed %q; want %q in it", step.typed, got, step.want)
		}
	}
	if got := c.InForce().Config.HostName; got != "other" {
		t.Errorf("the host name in force is %s; want other", got)
	}
	stop()
	after, err := unix.IoctlGetTermios(int(port.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal is left in %+v, %v; want it as it was, %+v", after, err, before)
	}
	io.WriteString(line, "\r") // lets the reader that Run left behind go
}

// TestPasteOfManyLines pastes a configuration as fast as the line takes it, and
// what follows it.
func TestPasteOfManyLines(t *testing.T) {
	const lines = 10_000
	line, port := openPTY(t)
	dir := t.TempDir()
	c := serve(t, dir)
	stop := start(t, port, console.Options{RunDir: dir, BuildFile: os.DevNull})
	expect(t, line, "Username: ")
	var text strings.Builder
	text.WriteString("ann\rsecret\renable\rconfigure\r")
	for n := range lines {
		fmt.Fprintf(&text, "box(config)# hostname h%d\r", n)
	}
	text.WriteString("commit\r")
	pasted := make(chan error, 1)
	go func() {
		_, err := io.WriteString(line, text.String())
		pasted <- err
	}()
	expect(t, line, fmt.Sprintf("Revision 1 is in force and saved\r\nh%d(config)#", lines-1))
	if err := <-pasted; err != nil {
		t.Fatal(err)
	}
	history, err := c.History(t.Context())
	if err != nil || len(history.Revisions) != 1 {
		t.Errorf("History = %+v, %v; want one revision", history, err)
	}
	stop()
	io.WriteString(line, "\r") // lets the reader that Run left behind go
}

// Without a description of the image the session starts all the same.
func TestUnknownImage(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"none": "", "damaged": `{"version":`} {
		build := filepath.Join(dir, name)
		if text != "" {
			if err := os.WriteFile(build, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		err := console.Run(t.Context(), console.Options{
			In: strings.NewReader("\n"), Out: &out, RunDir: dir, BuildFile: build, ControlWait: time.Millisecond,
		})
		if err != nil || !strings.Contains(out.String(), "Causeway (unknown version) on an unknown board\n") {
			t.Errorf("Run = %v, printed %q; want it to say that the image is unknown", err, out.String())
		}
	}
}
