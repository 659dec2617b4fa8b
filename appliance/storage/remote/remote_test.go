package remote

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"causeway/appliance/storage/remote/remotetest"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		url  string
		want Place // zero: an error
	}{
		{"sftp://cdr@192.0.2.1/cdr/", Place{"cdr", "192.0.2.1:22", "/cdr/"}},
		{"sftp://cdr@[2001:db8::1]:2222", Place{"cdr", "[2001:db8::1]:2222", "/"}},
		{"sftp://a%40b@host.example/a%20b", Place{"a@b", "host.example:22", "/a b"}},
		{"sftp://192.0.2.1/cdr", Place{}},
		{"sftp://cdr:secret@192.0.2.1:port/", Place{}},
		{"sftp://cdr:secret @192.0.2.1/", Place{}},
		{"sftp://cdr:secret@192.0.2.1/cdr", Place{}},
		{"sftp://cdr@/cdr", Place{}},
		{"sftp://cdr@192.0.2.1/?x", Place{}},
		{"scp://cdr@192.0.2.1/cdr", Place{"cdr", "192.0.2.1:22", "/cdr"}},
		{"ftp://cdr@192.0.2.1/", Place{}},
		{"sftp://cdr@192.0.2.1:port/", Place{}},
		{"", Place{}},
	} {
		got, err := Parse(c.url)
		if got != c.want || (err == nil) != (c.want != Place{}) || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("Parse(%s) = %+v, %v; want %+v", c.url, got, err, c.want)
		}
	}
}

func TestCheckHostKey(t *testing.T) {
	key := "SHA256:" + strings.Repeat("A", 43)
	for text, right := range map[string]bool{key: true, "": false, key + "A": false, "MD5:" + strings.Repeat("A", 43): false} {
		if err := CheckHostKey(text); (err == nil) != right {
			t.Errorf("CheckHostKey(%q) = %v; want it right: %v", text, err, right)
		}
	}
}

// connect logs in at a server of the test.
func connect(t *testing.T, server *remotetest.Server) *Session {
	t.Helper()
	place, err := Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	s, err := place.Connect(t.Context(), remotetest.Password, server.HostKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// A file whose content cannot be read to its end leaves the one that was there.
func TestSendHalf(t *testing.T) {
	server := remotetest.Start(t)
	s := connect(t, server)
	if err := s.Send(t.Context(), "file", strings.NewReader("whole")); err != nil {
		t.Fatal(err)
	}
	torn := errors.New("torn")
	if err := s.Send(t.Context(), "file", io.MultiReader(strings.NewReader("ha"), iotest.ErrReader(torn))); !errors.Is(err, torn) {
		t.Errorf("Send = %v; want %v", err, torn)
	}
	entries, err := os.ReadDir(server.Dir)
	if content, _ := os.ReadFile(filepath.Join(server.Dir, "file")); err != nil || len(entries) != 1 || string(content) != "whole" {
		t.Errorf("the other system has %v, %v with %q; want the whole file alone", entries, err, content)
	}
}

// A connection on which nothing happens ends.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		for name, do := range map[string]func([]byte) (int, error){"Read": impatient{ours}.Read, "Write": impatient{ours}.Write} {
			start := time.Now()
			if _, err := do(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != silence {
				t.Errorf("%s = %v after %v; want a timeout after %v", name, err, time.Since(start), silence)
			}
		}
	})
}
