package control

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/callhome"
	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
	"causeway/appliance/network"
	"causeway/appliance/system"
)

// TestCallHome: a box that is told whom to call does, over TLS with an authority
// of that purpose, and tells what it is; until then it says what is missing.
func TestCallHome(t *testing.T) {
	got := make(chan string, 100)
	vendor := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- string(text)
	}))
	t.Cleanup(vendor.Close)
	b := newBox(t)
	var err error
	if b.options.Grammar, err = config.New(network.Commands(), callhome.Commands()); err != nil {
		t.Fatal(err)
	}
	b.options.Commands = system.ExecCommands()
	b.options.BuiltIn = fmt.Sprintf("hostname edge7\ncall-home\n contact-email-addr noc@example.com\n destination url %s/in\n include-traces\n eula accept\n exit\n", vendor.URL)
	for file, text := range map[string]string{
		b.options.Build: fmt.Sprintf(`{"version":"v1.2","time":%q}`, time.Now().Format(time.RFC3339)), // the least that the time is
		filepath.Join(b.options.Run, "init", "serial"):                 "CWY0123ABCD\n",
		filepath.Join(b.options.Certificates, "callhome", "trust.pem"): string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: vendor.Certificate().Raw})),
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o750), os.WriteFile(file, []byte(text), 0o640)); err != nil {
			t.Fatal(err)
		}
	}
	b.start()

	var answer callhome.Answer
	if err := b.ask("callhome.test", callhome.TestRequest{Operator: alice, Text: "does this work?"}, &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Deliveries) != 1 || answer.Deliveries[0].Outcome != "sent" {
		t.Fatalf("a test was delivered so: %+v; want it sent", answer.Deliveries)
	}
	limit := time.After(3 * time.Minute)
	// next is the next message with some words: there may be alerts, since not much
	// of this box is there.
	next := func(words string) string {
		t.Helper()
		for {
			select {
			case text := <-got:
				if strings.Contains(text, words) {
					return text
				}
			case <-limit:
				t.Fatalf("the vendor has no message with %q", words)
			}
		}
	}
	text := next("does this work?")
	for _, want := range []string{"CWY0123ABCD", "edge7", "v1.2", "noc@example.com"} {
		if !strings.Contains(text, want) {
			t.Errorf("the vendor got\n%s\nwant %q in it", text, want)
		}
	}
	var status model.CallHomeStatus
	if err := b.ask("callhome.status", nil, &status); err != nil || len(status.Pending) > 0 || status.LastSent.IsZero() {
		t.Errorf("status = %+v, %v; want nothing missing, and when it was sent", status, err)
	}

	put(t, filepath.Join(b.options.Volumes, "harddisk"), map[string]string{"crash/20260102T000000.000Z-proxy.txt": "panic: example"})
	text = next("Coredumpfilefound")
	evidence := base64.StdEncoding.EncodeToString([]byte("panic: example"))
	for _, want := range []string{"harddisk:crash/20260102T000000.000Z-proxy.txt", evidence, "show system"} {
		if !strings.Contains(text, want) {
			t.Errorf("the vendor got\n%s\nwant %q in it", text, want)
		}
	}
}

// TestOpenCrash: a message carries crash files and nothing else, whatever an alarm
// says that it is about.
func TestOpenCrash(t *testing.T) {
	dir := t.TempDir()
	crash := filepath.Join(dir, "crash")
	put(t, dir, map[string]string{"crash/a.txt": "panic", "secret": "key", "crash/sub/b.txt": "key"})
	if err := errors.Join(
		os.Symlink("../secret", filepath.Join(crash, "link.txt")),
		unix.Mkfifo(filepath.Join(crash, "pipe.txt"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	if file, err := openCrash(crash, filepath.Join(crash, "a.txt")); err != nil {
		t.Error(err)
	} else if text, err := io.ReadAll(file); err != nil || string(text) != "panic" || file.Close() != nil {
		t.Errorf("a.txt has %q, %v", text, err)
	}
	if _, err := openCrash(crash, filepath.Join(crash, "gone.txt")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is gone: %v", err)
	}
	for _, name := range []string{"../secret", "link.txt", "pipe.txt", "sub/b.txt", "sub", ".", "..", ""} {
		if file, err := openCrash(crash, filepath.Join(crash, name)); err == nil {
			file.Close()
			t.Errorf("%q is opened", name)
		}
	}
}

// TestHungDisk: a crash file that is not given costs a message nothing but the trace.
func TestHungDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := make(chan struct{})
		defer close(hung)
		open := patiently(func(file string) (io.ReadCloser, error) {
			if file == "hangs" {
				<-hung
			}
			if file != "a.txt" {
				return nil, fs.ErrNotExist
			}
			return io.NopCloser(strings.NewReader("panic")), nil
		})
		if _, err := open("hangs"); err == nil || !strings.Contains(err.Error(), "within 30s") {
			t.Errorf("a file that hangs: %v", err)
		}
		if _, err := open("gone"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file that is gone: %v", err)
		}
		file, err := open("a.txt")
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(file); err != nil || string(text) != "panic" {
			t.Errorf("a.txt has %q, %v", text, err)
		}
	})
}

// TestDiagnosis: commands are typed as an operator would, and nobody is asked.
func TestDiagnosis(t *testing.T) {
	b := newBox(t)
	b.options.Commands = []exec.Command{
		{Syntax: "show clock", Run: func(ctx context.Context, s exec.Session, _ config.Args) error {
			var status model.ControlStatus
			err := s.Call(ctx, "control", "control.status", nil, &status)
			fmt.Fprintln(s, s.Operator(), s.Zone(), status.HostName)
			return err
		}},
		{Syntax: "show secret", Run: func(_ context.Context, s exec.Session, _ config.Args) error {
			_, err := fmt.Fprintln(s, "key sealed:AAAAAAAAAAAAAAAA")
			return err
		}},
		{Syntax: "reload", Run: func(_ context.Context, s exec.Session, _ config.Args) error { return s.Confirm("Reload?") }},
		{Syntax: "show all", Run: func(_ context.Context, s exec.Session, _ config.Args) error {
			for line := strings.Repeat("x", 1000) + "\n"; ; {
				if _, err := io.WriteString(s, line); err != nil {
					return err
				}
			}
		}},
	}
	b.start()
	diagnosis := newDiagnosis(b.options, func() *time.Location { return time.UTC })
	for _, test := range []struct{ line, begin, part string }{
		{"show clock", "call-home on control UTC builtin\n", ""},
		{"show secret", "key ********\n", ""},
		{"reload", "% not confirmed\n", ""},
		{"show al", "xxx", "more than"}, // it is cut off
		{"show nothing", "% ", ""},
	} {
		p := diagnosis.run(t.Context(), test.line)
		if p.Type != "command" || p.Name != test.line || len(p.Text) > 2*printedMost || !strings.HasPrefix(p.Text, test.begin) || !strings.Contains(p.Text, test.part) {
			t.Errorf("%q printed %.200q; want %q and %q", p.Name, p.Text, test.begin, test.part)
		}
	}
}
