package services

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/storage"
	"causeway/appliance/storage/files"
)

// storeHost is the file store of these tests. The certificate of httptest has it.
const storeHost = "example.com"

// shelf is the files of a box, with a file store.
type shelf struct {
	t     testing.TB
	dir   string // of the volumes
	files *Files
	store *Store
	line  *freeLine

	mu    sync.Mutex
	serve http.HandlerFunc // what the store does
}

func newShelf(t testing.TB) *shelf {
	t.Helper()
	s := &shelf{t: t, dir: t.TempDir(), line: &freeLine{}}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		serve := s.serve
		s.mu.Unlock()
		serve(w, r)
	}))
	t.Cleanup(server.Close)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	s.store = &Store{
		Host:  func() string { return storeHost },
		Proxy: func() string { return "" },
		TLS:   func() (*tls.Config, error) { return &tls.Config{RootCAs: roots}, nil },
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if address != storeHost+":443" {
				return nil, errors.New("dialled " + address)
			}
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
		Line: s.line,
	}
	s.files = &Files{
		Files:  files.New(s.dir, s.store.TLS),
		CDR:    func() storage.Path { return storage.Path{Volume: storage.Harddisk, Name: "cdr"} },
		Backup: func() storage.Path { return storage.Path{Volume: storage.Harddisk, Name: "backup"} },
		Store:  s.store,
		Line:   s.line,
	}
	for _, volume := range storage.Volumes() {
		s.write(volume+"/.mounted", "")
	}
	return s
}

// serves sets what the store does.
func (s *shelf) serves(do http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serve = do
}

// write makes a file below the volumes.
func (s *shelf) write(name, content string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
		s.t.Fatal(err)
	}
}

// call calls one of some methods.
func call[R any](ctx context.Context, methods []gate.Method, name string, params any) (result R, err error) {
	raw, err := json.Marshal(params)
	if err != nil {
		return result, err
	}
	for _, m := range methods {
		if m.Name == name {
			got, err := m.Handle(ctx, by("ann", 0), raw)
			if err != nil {
				return result, err
			}
			return got.(R), nil
		}
	}
	return result, errors.New("there is no method " + name)
}

// fetched is what a stream of a file brought.
type fetched struct {
	wire.Answer
	content string
}

// fetch reads a part of a file.
func (s *shelf) fetch(p wire.File) (f fetched, err error) {
	s.t.Helper()
	raw, err := json.Marshal(p)
	if err != nil {
		return f, err
	}
	ctx, end := context.WithCancel(s.t.Context())
	defer end()
	answer, run, err := s.files.Streams()[0].Open(ctx, gate.Caller{}, raw)
	if err != nil {
		return f, err
	}
	here, there := net.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, here)
		here.Close()
	}()
	content, err := io.ReadAll(there)
	return fetched{answer, string(content)}, errors.Join(err, <-ended)
}

// freeLine holds nothing back, and counts.
type freeLine struct {
	mu   sync.Mutex
	sent int // octets beside the link
}

func (l *freeLine) Wait(ctx context.Context, octets int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent += octets
	return ctx.Err()
}

func (l *freeLine) Writer(_ context.Context, to io.Writer) io.WriteCloser { return unclosed{to} }

// unclosed is a writer that can be closed, to no effect.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

// sha is the SHA-256 of a text, in hexadecimal.
func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
