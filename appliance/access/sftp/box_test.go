package sftp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pkg/sftp"

	"causeway/appliance/model"
	"causeway/appliance/storage"
	"causeway/appliance/storage/files"
)

// box is a server whose volumes are directories, and a client of it.
type box struct {
	*sftp.Client
	t       *testing.T
	dir     string // where the volumes are
	server  *Server
	session net.Conn // of the client
	ended   chan error

	mu    sync.Mutex
	audit []string
}

const runningText = "hostname box\n"

var (
	all     = model.Rights{Rules: []model.Rule{{Permit: true, Kind: model.RuleExec}}, FilesRead: true, FilesWrite: true}
	mayLook = model.Rights{Rules: []model.Rule{{Permit: true, Kind: model.RuleExec, Words: "show version"}}, FilesRead: true}
)

func newBox(t *testing.T, rights model.Rights) *box {
	t.Helper()
	b := &box{t: t, dir: t.TempDir()}
	for _, dir := range []string{"bootflash/control/revisions", "bootflash/keys", "harddisk/log", "harddisk/cdr", "usb0"} {
		if err := os.MkdirAll(b.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b.server = New(Options{
		Files:   files.New(b.dir, nil),
		Running: func() string { return runningText },
		CDR:     func() storage.Path { return storage.Path{Volume: storage.Harddisk, Name: "cdr"} },
		Audit: func(a model.Audit) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.audit = append(b.audit, fmt.Sprintf("%v: %s", a.Operator, a.Line))
		},
	})
	b.Client, b.session, b.ended = b.dial(rights)
	return b
}

// dial opens a session of somebody with these rights.
func (b *box) dial(rights model.Rights) (*sftp.Client, net.Conn, chan error) {
	b.t.Helper()
	near, end := net.Pipe()
	ended := make(chan error, 1)
	login := model.Login{Operator: model.Operator{User: "alice", Origin: "sftp 192.0.2.7:50122"}, Rights: rights}
	go func() {
		ended <- b.server.Serve(b.t.Context(), near, login)
		near.Close()
	}()
	client, err := sftp.NewClientPipe(end, end)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { client.Close() })
	return client, end, ended
}

func (b *box) path(name string) string { return filepath.Join(b.dir, name) }

func (b *box) fill(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(b.path(name), []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// get reads a whole file.
func (b *box) get(name string) (string, error) {
	file, err := b.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	return string(text), err
}

// put writes a whole file.
func (b *box) put(name, text string) error {
	file, err := b.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = io.WriteString(file, text)
	return errors.Join(err, file.Close())
}

// open opens a file with these flags, no more.
func (b *box) open(name string, flags int) error {
	file, err := b.OpenFile(name, flags)
	if err == nil {
		file.Close()
	}
	return err
}

// names lists a directory.
func (b *box) names(dir string) string {
	b.t.Helper()
	entries, err := b.ReadDir(dir)
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() {
			name += "/"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
