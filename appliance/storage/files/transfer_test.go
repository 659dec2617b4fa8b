package files

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/storage/remote/remotetest"
)

// content is a file of some pieces, and of no round size.
var content = strings.Repeat("0123456789abcdef\n", 20_000)

// asked is what an operator sees before the password goes to another system.
func asked(server *remotetest.Server) string {
	return fmt.Sprintf("Host: %s\nHost key: %s\nIs that its key? The password goes to whoever has it.\nPassword of %s: \n", server.Address, server.HostKey, remotetest.User)
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func holds(t *testing.T, file, want string) {
	t.Helper()
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("%s has %d octets, %v; want %d others", filepath.Base(file), len(got), err, len(want))
	}
}

// Files go to another system and come from there, as the operator types it.
func TestCopySFTP(t *testing.T) {
	server := remotetest.Start(t)
	b := newBox(t)
	b.fill("usb0/file", content)
	b.fill("bootflash/keys/box.key", "key")
	s := b.session()
	s.Answers["control.running"] = map[string]string{"text": "hostname box\n"}
	there, question := server.URL(), asked(server)
	for _, tt := range []struct{ line, want string }{
		{"copy usb0:file " + there + "/sent", "Copied usb0:/file to " + there + "/sent\n"},
		{"copy usb0:file " + there + "/", "Copied usb0:/file to " + there + "/file\n"},
		{"copy usb0:file " + there + "/file", "Copied usb0:/file to " + there + "/file\n"}, // in the place of the other
		{"copy " + there + "/sent harddisk:", "Copied " + there + "/sent to harddisk:/sent\n"},
		{"copy " + strings.Replace(there, "sftp", "scp", 1) + "/sent harddisk:by-scp", "Copied " + strings.Replace(there, "sftp", "scp", 1) + "/sent to harddisk:/by-scp\n"},
		{"copy running-config " + there + "/", "Copied the running configuration to " + there + "/running-config\n"},

		{"copy " + there + "/none harddisk:", "% control refused: " + there + "/none: file does not exist\n"},
		{"copy " + there + " harddisk:x", "% control refused: " + there + ": is not a file\n"},
		{"copy usb0:file " + there + "/no/x", "% control refused: " + there + "/no/x: file does not exist\n"},
		{"copy bootflash:keys/box.key " + there + "/", "% control refused: bootflash:/keys/box.key holds a secret, which does not leave the box\n"},
		{"copy " + there + "/sent bootflash:keys/x", "% control refused: bootflash:/keys belongs to the box itself and is not changed by hand\n"},
	} {
		s.Pasted = []string{remotetest.Password}
		got := s.Type(t.Context(), t, ExecCommands(), tt.line)
		if got != question+tt.want {
			t.Errorf("%s prints\n%swant\n%s%s", tt.line, got, question, tt.want)
		}
	}
	for _, line := range []string{"copy " + there + "/a " + there + "/b", "copy https://192.0.2.1/a " + there + "/b"} {
		if got := s.Type(t.Context(), t, ExecCommands(), line); got != "% one of the two must be on the box\n" {
			t.Errorf("%s prints %q; want a refusal", line, got)
		}
	}
	holds(t, b.path("harddisk/sent"), content)
	holds(t, b.path("harddisk/by-scp"), content)
	holds(t, filepath.Join(server.Dir, "sent"), content)
	holds(t, filepath.Join(server.Dir, "running-config"), "hostname box\n")
	if names := namesOf(t, server.Dir); !slices.Equal(names, []string{"file", "running-config", "sent"}) {
		t.Errorf("the other system has %q", names)
	}
}

// namesOf is what a directory has.
func namesOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// What fails leaves nothing, and says no password.
func TestCopySFTPFails(t *testing.T) {
	server := remotetest.Start(t)
	b := newBox(t)
	b.fill("usb0/file", content)
	b.fill("harddisk/old", "old")
	put(t, filepath.Join(server.Dir, "file"), content)
	before := b.tree()
	for _, tt := range []struct {
		name     string
		password string
		refuses  bool
		octets   int // of a connection; 0: any
		want     string
	}{
		{"wrong password", "let me out", false, 0, "unable to authenticate"},
		{"another key", "", true, 0, "not confirmed"},
		{"no password", "", false, 0, "abandoned"},
		{"broken connection", remotetest.Password, false, 6_000, ""},
	} {
		for _, line := range []string{
			"copy " + server.URL() + "/file harddisk:old", "copy " + server.URL() + "/file harddisk:new",
			"copy usb0:file " + server.URL() + "/sent", "copy running-config " + server.URL() + "/sent", "copy " + server.URL() + "/file running-config",
		} {
			if tt.octets > 0 && !strings.Contains(line, "usb0:") {
				continue // the server ends by what it was sent
			}
			s := b.session()
			s.Answers["control.running"] = map[string]string{"text": "hostname box\n"}
			s.Refuses = tt.refuses
			if tt.password != "" {
				s.Pasted = []string{tt.password}
			}
			server.EndAfter(tt.octets)
			got := s.Type(t.Context(), t, ExecCommands(), line)
			server.EndAfter(0)
			if !strings.Contains(got, tt.want) || !strings.Contains(got, "% ") || strings.Contains(got, "let me out") || strings.Contains(got, remotetest.Password) {
				t.Errorf("%s: %s prints\n%swant an error with %q", tt.name, line, got, tt.want)
			}
		}
	}
	if got := b.tree(); !slices.Equal(got, before) {
		t.Errorf("left is %q; want %q", got, before)
	}
	if names := namesOf(t, server.Dir); slices.Contains(names, "sent") {
		t.Errorf("the other system has %q; want no file that was sent", names)
	}
}

// A volume that has no room takes nothing, whether the size is told before or not.
func TestFetchWithoutRoom(t *testing.T) {
	server := remotetest.Start(t)
	b := newBox(t)
	web := b.web(map[string]http.HandlerFunc{"/endless": func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			w.Write([]byte(content))
		}
	}})
	if err := unix.Mount("tmpfs", b.path("usb0"), "tmpfs", 0, "size=256k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(b.path("usb0"), 0); err != nil {
			t.Error(err)
		}
	})
	put(t, filepath.Join(server.Dir, "file"), content)
	for _, from := range []string{server.URL() + "/file", web + "/endless"} {
		s := b.session()
		s.Pasted = []string{remotetest.Password}
		if got := s.Type(t.Context(), t, ExecCommands(), "copy "+from+" usb0:x"); !strings.Contains(got, "no space left on device") {
			t.Errorf("copy %s prints %q; want that there is no space", from, got)
		}
	}
	if names := namesOf(t, b.path("usb0")); len(names) > 0 {
		t.Errorf("the stick has %q; want nothing", names)
	}
}

// web starts a web server that the box trusts, and gives its URL.
func (b *box) web(pages map[string]http.HandlerFunc) string {
	mux := http.NewServeMux()
	for path, page := range pages {
		mux.Handle(path, page)
	}
	server := httptest.NewUnstartedServer(mux)
	server.Config.ErrorLog = log.New(b.t.Output(), "", 0)
	server.StartTLS()
	b.t.Cleanup(server.Close)
	b.trusts = x509.NewCertPool()
	b.trusts.AddCert(server.Certificate())
	return server.URL
}

func TestCopyHTTPS(t *testing.T) {
	b := newBox(t)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
	web := b.web(map[string]http.HandlerFunc{
		"/file":  func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, content) },
		"/empty": func(http.ResponseWriter, *http.Request) {},
		"/sized": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			io.WriteString(w, content)
		},
		"/half": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(2*len(content)))
			io.WriteString(w, content)
		},
		"/torn": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, content)
			panic(http.ErrAbortHandler)
		},
		"/moved": redirect("/file"),
		"/loop":  redirect("/loop"),
		"/plain": redirect(plain.URL + "/file"),
	})
	for _, tt := range []struct{ from, want string }{
		{web + "/file", ""},
		{web + "/moved", ""},
		{web + "/sized", ""},
		{web + "/none", "404 Not Found"},
		{web + "/half", "unexpected EOF"},
		{web + "/torn", "unexpected EOF"},
		{web + "/loop", "more than 5 times"},
		{web + "/plain", "not https"},
	} {
		s := b.session()
		got := s.Type(t.Context(), t, ExecCommands(), "copy "+tt.from+" usb0:x")
		if want := "Copied " + tt.from + " to usb0:/x\n"; tt.want == "" && got != want || !strings.Contains(got, tt.want) {
			t.Errorf("copy %s prints %q; want %q", tt.from, got, tt.want)
		}
		if tt.want == "" {
			holds(t, b.path("usb0/x"), content)
			b.must(os.Remove(b.path("usb0/x")))
		}
		if names := namesOf(t, b.path("usb0")); len(names) > 0 {
			t.Errorf("copy %s leaves %q; want nothing", tt.from, names)
		}
	}
	s := b.session()
	for _, tt := range []struct{ line, want string }{
		{"copy " + web + "/empty usb0:", "Copied " + web + "/empty to usb0:/empty\n"},
		{"copy " + web + "/ usb0:", "% usb0:/ is a directory: say what name the file gets in it\n"},
	} {
		if got := s.Type(t.Context(), t, ExecCommands(), tt.line); got != tt.want {
			t.Errorf("%s prints %q; want %q", tt.line, got, tt.want)
		}
	}

	// Whoever is not vouched for is not believed.
	b.trusts = x509.NewCertPool()
	if got := s.Type(t.Context(), t, ExecCommands(), "copy "+web+"/file usb0:x"); !strings.Contains(got, "unknown authority") {
		t.Errorf("copy from a stranger prints %q; want a refusal", got)
	}
	b.trusts = nil
	if got := s.Type(t.Context(), t, ExecCommands(), "copy "+web+"/file usb0:x"); !strings.Contains(got, "nobody is trusted") {
		t.Errorf("copy without an authority prints %q; want a refusal", got)
	}
}

// A command that takes a text takes it from other systems as well, up to its
// bound.
func TestReadText(t *testing.T) {
	server := remotetest.Start(t)
	b := newBox(t)
	web := b.web(map[string]http.HandlerFunc{"/file": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, content) }})
	b.fill("usb0/file", content)
	put(t, filepath.Join(server.Dir, "file"), content)
	for _, from := range []string{"usb0:/file", web + "/file", server.URL() + "/file"} {
		p, err := ParseSource(from)
		b.must(err)
		for most, want := range map[int]string{len(content): "<nil>", len(content) - 1: fmt.Sprintf("has more than %d octets", len(content)-1)} {
			s := b.session()
			s.Pasted = []string{remotetest.Password}
			text, err := ReadText(t.Context(), s, p, most)
			if !strings.HasSuffix(fmt.Sprint(err), want) || err == nil && string(text) != content {
				t.Errorf("ReadText(%s, %d) = %d octets, %v; want %s", from, most, len(text), err, want)
			}
		}
	}
	for _, params := range []string{`{"from":"usb0:/file","most":1}`, fmt.Sprintf(`{"from":%q,"most":%d}`, web+"/file", textMax+1)} {
		if err := b.call("text", params, nil); err == nil {
			t.Errorf("text %s = nil; want a refusal", params)
		}
	}
}

// await waits for something, for a minute.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not for a minute: %s", what)
		}
	}
}

// Ctrl-C ends a copy, and nothing is left of it here or there.
func TestCopyRemoteCancelled(t *testing.T) {
	server := remotetest.Start(t)
	b := newBox(t)
	b.fill("usb0/huge", "")
	b.must(os.Truncate(b.path("usb0/huge"), 1<<32)) // takes no room, and long to send
	web := b.web(map[string]http.HandlerFunc{"/slow": func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, content)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}})
	for _, tt := range []struct{ line, dir string }{
		{"copy usb0:huge " + server.URL() + "/sent", server.Dir},
		{"copy " + web + "/slow harddisk:x", b.path("harddisk")},
	} {
		s := exectest.Session{Pasted: []string{remotetest.Password}}
		s.Serve(t, "control", New(b.dir, b.tls).Methods())
		ctx, cancel := context.WithCancel(t.Context())
		printed := make(chan string)
		go func() { printed <- s.Type(ctx, t, ExecCommands(), tt.line) }()
		await(t, "something comes of "+tt.line, func() bool { return len(namesOf(t, tt.dir)) > 0 })
		cancel()
		if got := <-printed; !strings.HasSuffix(got, "% cancelled: nothing of the copy is left\n") {
			t.Errorf("%s that is cancelled prints %q", tt.line, got)
		}
		await(t, "what is left of "+tt.line+" goes", func() bool { return len(namesOf(t, tt.dir)) == 0 })
	}
}
