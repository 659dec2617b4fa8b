package files

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"causeway/appliance/link"
	"causeway/appliance/storage"
)

// box is a service with volumes that are directories, reached over link.
type box struct {
	t      *testing.T
	dir    string
	socket string
	trusts *x509.CertPool // whom it fetches files from over HTTPS; nil: nobody
}

func newBox(t *testing.T) *box {
	t.Helper()
	b := &box{t: t, dir: t.TempDir()}
	for _, volume := range storage.Volumes() {
		b.must(os.Mkdir(b.path(volume), 0o755))
	}
	b.socket = b.path("link.sock")
	listener, err := link.Listen(b.socket)
	b.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- link.ServeListener(ctx, listener, New(b.dir, b.tls).Methods()) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return b
}

// tls is how the box reaches web servers.
func (b *box) tls() (*tls.Config, error) {
	if b.trusts == nil {
		return nil, errors.New("nobody is trusted")
	}
	return &tls.Config{RootCAs: b.trusts}, nil
}

func (b *box) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// path is where a file is: "usb0/x".
func (b *box) path(name string) string { return filepath.Join(b.dir, name) }

func (b *box) fill(name, text string) {
	b.t.Helper()
	b.must(os.MkdirAll(filepath.Dir(b.path(name)), 0o755))
	b.must(os.WriteFile(b.path(name), []byte(text), 0o644))
}

// call calls a method with parameters written as JSON.
func (b *box) call(method, params string, result any) error {
	return link.Call(b.t.Context(), b.socket, "control.files."+method, json.RawMessage(params), result)
}

// tree lists all directories and files, with the beginning of their content.
func (b *box) tree() []string {
	b.t.Helper()
	var all []string
	b.must(filepath.WalkDir(b.dir, func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(b.dir, path)
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			all = append(all, name+"/")
		case entry.Type().IsRegular():
			file, err := os.Open(path)
			if err != nil {
				return err
			}
			defer file.Close()
			text := make([]byte, 20)
			n, _ := io.ReadFull(file, text)
			all = append(all, name+"="+string(text[:n]))
		}
		return nil
	}))
	slices.Sort(all)
	return all
}

// waitFor waits until a condition holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}
