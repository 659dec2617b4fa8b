package xmlcdr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"

	"causeway/appliance/model"
	"causeway/appliance/storage/remote/remotetest"
)

// optionsFor are those of files that are transferred to the server.
func optionsFor(t *testing.T, s *remotetest.Server) Options {
	return Options{
		Dir: t.TempDir(), Secret: remotetest.Password,
		Settings: model.XMLMethod{Size: 1, Transfer: model.CDRTransfer{URL: s.URL(), HostKey: s.HostKey}},
	}
}

// waiting gives files with calls, finished but the last.
func waiting(t *testing.T, o Options) *Files {
	t.Helper()
	f := openTest(t, o)
	appendAll(t, f, records(1, 13)...)
	if status := f.Status(); status.Files != 3 {
		t.Fatalf("Status = %+v; want 3 files", *status)
	}
	return f
}

// transferNow looks twice.
func (f *Files) transferNow(t *testing.T) error {
	t.Helper()
	found, err := f.transferAll(t.Context(), nil)
	if err != nil || len(found) != f.Status().Waiting {
		t.Fatalf("transferAll = %v, %v; want as many as wait: %d", found, err, f.Status().Waiting)
	}
	_, err = f.transferAll(t.Context(), found)
	return err
}

func TestTransfer(t *testing.T) {
	server := remotetest.Start(t)
	f := waiting(t, optionsFor(t, server))
	last := f.Status().LastFile
	sent := finishedIn(t, f.options.Dir)
	for _, name := range []string{last, last + partSuffix, logNames[0]} { // of a transfer that was cut
		if err := os.WriteFile(filepath.Join(server.Dir, name), []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.transferNow(t); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, "on the other system", finishedIn(t, server.Dir), sent)
	if status := f.Status(); status.Waiting != 0 || status.Transferred != last || status.TransferProblem != "" {
		t.Errorf("Status = %+v; want %s transferred, none waiting", *status, last)
	}
	if names, want := namesIn(t, f.options.Dir), []string{"billing-0-#-000004.xml.part", "md5checksum1.log"}; !slices.Equal(names, want) {
		t.Errorf("there are %v; want %v", names, want)
	}
	if names, want := namesIn(t, server.Dir), []string{"billing-0-#-000001.xml", "billing-0-#-000002.xml", "billing-0-#-000003.xml", "md5checksum1.log"}; !slices.Equal(names, want) {
		t.Errorf("the other system has %v; want %v", names, want)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	o := f.options
	f = openTest(t, o) // the numbers go on although the files are gone
	appendAll(t, f, records(14, 18)...)
	if err := f.transferNow(t); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, "on the other system", finishedIn(t, server.Dir), numbers(1, 17))
}

// Run transfers, and what cannot be transferred stays until it can.
func TestRunTransfers(t *testing.T) {
	server := remotetest.Start(t)
	server.EndAfter(2000) // in the middle of it
	o := optionsFor(t, server)
	o.look = time.Millisecond
	f := waiting(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error)
	go func() { ran <- f.Run(ctx) }()
	eventually(t, func() bool { return f.Status().TransferProblem != "" })
	server.EndAfter(0)
	eventually(t, func() bool { return f.Status().TransferProblem == "" && f.Status().Waiting == 0 })
	cancel()
	if err := <-ran; err != nil {
		t.Errorf("Run = %v", err)
	}
	wantCalls(t, "here and there", append(finishedIn(t, server.Dir), finishedIn(t, o.Dir)...), numbers(1, 13))
}

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not happen")
		}
	}
}

// What is wrong with a transfer leaves the files where they are.
func TestTransferFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		alter func(s *remotetest.Server, o *Options)
		want  string
	}{
		{"another host key", func(_ *remotetest.Server, o *Options) {
			o.Settings.Transfer.HostKey = "SHA256:" + strings.Repeat("A", 43)
		}, "the host has the ssh-ed25519 key SHA256:"},
		{"wrong password", func(_ *remotetest.Server, o *Options) { o.Secret = "let me out" }, "unable to authenticate"},
		{"another user", func(s *remotetest.Server, o *Options) {
			o.Settings.Transfer.URL = strings.Replace(o.Settings.Transfer.URL, "store@", "root@", 1)
		}, "unable to authenticate"},
		{"no server", func(s *remotetest.Server, _ *Options) { s.Stop() }, "connection refused"},
		{"gone at once", func(s *remotetest.Server, _ *Options) { s.EndAfter(1) }, "handshake failed"},
		{"gone in the middle", func(s *remotetest.Server, _ *Options) { s.EndAfter(2500) }, "transfer "},
		{"no SFTP", func(s *remotetest.Server, _ *Options) { s.Serve(func(io.ReadWriteCloser) error { return nil }) }, "EOF"},
		{"no directory", func(_ *remotetest.Server, o *Options) { o.Settings.Transfer.URL += "/none" }, "not exist"},
		{"short writes", func(s *remotetest.Server, o *Options) {
			s.Serve(func(c io.ReadWriteCloser) error {
				handlers := sftp.InMemHandler()
				handlers.FilePut = liar{handlers.FilePut}
				return sftp.NewRequestServer(c, handlers).Serve()
			})
			o.Settings.Transfer.URL = "sftp://store@" + s.Address + "/"
		}, "has stored something else"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := remotetest.Start(t)
			o := optionsFor(t, server)
			c.alter(server, &o)
			f := waiting(t, o)
			here := finishedIn(t, o.Dir)
			err := f.transferNow(t)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), o.Secret) {
				t.Errorf("transfer = %v; want an error with %q", err, c.want)
			}
			wantCalls(t, "here", finishedIn(t, o.Dir)[:1], here[:1])
			there := finishedIn(t, server.Dir)
			left := finishedIn(t, o.Dir)
			for _, call := range here {
				if !slices.Contains(there, call) && !slices.Contains(left, call) {
					t.Errorf("call %s is nowhere", call)
				}
			}
		})
	}
}

// liar says that it has written more than it has.
type liar struct{ sftp.FileWriter }

func (l liar) Filewrite(r *sftp.Request) (io.WriterAt, error) {
	file, err := l.FileWriter.Filewrite(r)
	return shortWriter{file}, err
}

type shortWriter struct{ io.WriterAt }

func (w shortWriter) WriteAt(b []byte, off int64) (int, error) {
	_, err := w.WriterAt.WriteAt(b[:len(b)-1], off)
	return len(b), err
}

// A file that is not what it was stays, and is not in the way of others.
func TestTransferAltered(t *testing.T) {
	server := remotetest.Start(t)
	f := waiting(t, optionsFor(t, server))
	altered, err := filepath.Glob(filepath.Join(f.options.Dir, "*-000002.xml"))
	if err != nil || len(altered) != 1 {
		t.Fatalf("Glob = %v, %v", altered, err)
	}
	if err := os.WriteFile(altered[0], []byte("altered"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := f.transferNow(t); !errors.Is(err, errAltered) {
		t.Errorf("transfer = %v; want errAltered", err)
	}
	if names, want := namesIn(t, server.Dir), []string{"billing-0-#-000001.xml", "billing-0-#-000003.xml", "md5checksum1.log"}; !slices.Equal(names, want) {
		t.Errorf("the other system has %v; want %v", names, want)
	}
	if names, want := namesIn(t, f.options.Dir), []string{"billing-0-#-000002.xml", "billing-0-#-000004.xml.part", "md5checksum1.log"}; !slices.Equal(names, want) {
		t.Errorf("there are %v; want %v", names, want)
	}
}

// What was transferred before a crash and not deleted here goes again, also to
// servers that do not rename onto a file that is there.
func TestTransferAgain(t *testing.T) {
	if err := sftp.SetSFTPExtensions("statvfs@openssh.com"); err != nil {
		t.Fatal(err)
	}
	defer sftp.SetSFTPExtensions("hardlink@openssh.com", "posix-rename@openssh.com", "statvfs@openssh.com")
	server := remotetest.Start(t)
	handlers := sftp.InMemHandler()
	server.Serve(func(c io.ReadWriteCloser) error { return sftp.NewRequestServer(c, handlers).Serve() })
	o := optionsFor(t, server)
	o.Settings.Transfer.URL = "sftp://store@" + server.Address + "/"
	f := waiting(t, o)
	last := filepath.Join(o.Dir, f.Status().LastFile)
	content, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.transferNow(t); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(last); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there after its transfer: %v", last, err)
		}
		if err := os.WriteFile(last, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNextPause(t *testing.T) {
	var pauses []time.Duration
	pause := transferInterval
	for range 8 {
		pause = nextPause(pause, transferInterval, errors.New("no"))
		pauses = append(pauses, pause/time.Second)
	}
	if want := []time.Duration{20, 40, 80, 160, 320, 600, 600, 600}; !slices.Equal(pauses, want) {
		t.Errorf("pauses after failures are %d s; want %d", pauses, want)
	}
	if got := nextPause(pause, transferInterval, nil); got != transferInterval {
		t.Errorf("after success the pause is %v; want %v", got, transferInterval)
	}
}

func TestCheckTransfer(t *testing.T) {
	key := "SHA256:" + strings.Repeat("A", 43)
	for _, c := range []struct{ url, key, want string }{
		{"sftp://cdr@192.0.2.1/cdr/", key, ""},
		{"sftp://192.0.2.1/cdr", key, "cdr transfer: sftp://192.0.2.1/cdr is not like"},
		{"sftp://cdr@192.0.2.1/", key + "A", "is no fingerprint of a host key"},
	} {
		transfer := model.CDRTransfer{URL: c.url, HostKey: c.key}
		err := CheckTransfer(transfer)
		if (err == nil) != (c.want == "") || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("CheckTransfer(%s, %s) = %v; want %q", c.url, c.key, err, c.want)
		}
		if _, openErr := Open(Options{Dir: t.TempDir(), Settings: model.XMLMethod{Transfer: transfer}}); fmt.Sprint(openErr) != fmt.Sprint(err) {
			t.Errorf("Open with %s = %v; want %v", c.url, openErr, err)
		}
	}
}
