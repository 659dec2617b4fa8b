package services

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
	"causeway/appliance/storage"
	"causeway/appliance/storage/files"
)

// Line is the line to COM (line.Line): what files may have of it.
type Line interface {
	// Writer gives what a file is sent through the link by.
	Writer(ctx context.Context, to io.Writer) io.WriteCloser
	// Wait waits until so many octets may go beside the link.
	Wait(ctx context.Context, octets int) error
}

// Files are the logs, call records, crash files and backups of the box, as COM
// reads them: by names of their own, which lead to four directories and nowhere
// else. What package files refuses to an operator it refuses here.
type Files struct {
	Files  *files.Service
	CDR    func() storage.Path // the directory of call records
	Backup func() storage.Path // that of backups
	Store  *Store
	Line   Line

	hashing sync.Mutex // held while a file is hashed: COM may ask for many at once
}

// Methods are what COM may call.
func (f *Files) Methods() []gate.Method {
	return []gate.Method{
		{Name: wire.MethodFileList, Service: model.COMFiles, May: mayRead, Handle: taking(f.list)},
		{
			Name: wire.MethodFileUpload, Service: model.COMFiles, Signed: true, May: mayRead, Handle: taking(f.upload),
			Told: told(func(p wire.FileUpload) string { return p.Path }), // and not its URL
		},
	}
}

// Streams are what COM may open.
func (f *Files) Streams() []gate.Stream {
	return []gate.Stream{{
		Service: wire.StreamFile,
		Switch:  func(json.RawMessage) (string, error) { return model.COMFiles, nil },
		May:     mayRead,
		Open:    f.open,
		What:    told(func(p wire.File) string { return "file " + p.Path }),
	}}
}

// mayRead says whether somebody may read files.
func mayRead(r model.Rights) bool { return r.FilesRead || r.FilesWrite }

// roots are the virtual names.
func (f *Files) roots() []root {
	return []root{
		{backups, f.Backup()},
		{"billing", f.CDR()},
		{"core", storage.Path{Volume: storage.Harddisk, Name: "crash"}},
		{"log", storage.Path{Volume: storage.Harddisk, Name: "log"}},
	}
}

type root struct {
	name  string
	leads storage.Path
}

// backups is the name of the directory that the schedule has backups in. It may
// be one with other files, or a whole stick: only backups count in it.
const backups = "backup"

func isBackup(name string) bool { return strings.HasSuffix(name, ".tar.age") }

// has says whether a path is one that the name leads to. Saved configurations,
// which have the hashes of passwords, are not, wherever it leads.
func (r root) has(p storage.Path) bool {
	switch {
	case !p.Within(r.leads), p.Within(files.Revisions):
		return false
	case r.name == backups && p != r.leads:
		return p.Dir() == r.leads && isBackup(p.Name)
	}
	return true
}

// find finds a name like "log:messages". It does not lead out of its directory.
func (f *Files) find(name string) (storage.Path, error) {
	before, below, _ := strings.Cut(name, ":")
	for _, r := range f.roots() {
		if r.name != before {
			continue
		}
		p, err := r.leads.Join(below)
		if err == nil && !r.has(p) {
			err = errors.New("it leads elsewhere")
		}
		if err != nil {
			return storage.Path{}, gate.Refuse(wire.CodeUnsupported, "%q names no file: %v", name, err)
		}
		return p, nil
	}
	return storage.Path{}, gate.Refuse(wire.CodeUnsupported, "%q does not begin with log:, billing:, core: or backup:", name)
}

// missing is an error of package files with the code that it has.
func missing(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return gate.Refuse(wire.CodeUnsupported, "%s is not there", name)
	}
	return fmt.Errorf("%s: %w", name, err)
}

func (f *Files) list(ctx context.Context, _ gate.Caller, p wire.FileList) (answer wire.Files, err error) {
	answer.Files = []wire.FileInfo{}
	if p.Path == "" {
		for _, r := range f.roots() {
			if info, err := f.Files.Stat(r.leads); err == nil {
				answer.Files = append(answer.Files, wire.FileInfo{Name: r.name + ":", Directory: true, Time: instant(info.ModTime())})
			}
		}
		return answer, nil
	}
	path, err := f.find(p.Path)
	if err != nil {
		return answer, err
	}
	listing, err := f.Files.List(ctx, files.ListRequest{Path: path, After: p.After})
	if err != nil {
		return answer, missing(p.Path, err)
	}
	for _, e := range listing.Entries {
		if strings.HasPrefix(p.Path, backups+":") && (e.IsDir || !isBackup(e.Name)) {
			continue
		}
		answer.Files = append(answer.Files, wire.FileInfo{Name: e.Name, Directory: e.IsDir, Size: e.Size, Time: instant(e.Time)})
	}
	answer.Next = listing.Next
	return answer, nil
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// open opens a part of a file. ctx lasts as long as the stream. The hash is that
// of the whole as it is now, so that somebody who goes on later with a file that
// grows can tell that its beginning is still the same.
func (f *Files) open(ctx context.Context, _ gate.Caller, raw json.RawMessage) (answer wire.Answer, run func(context.Context, io.ReadWriteCloser) error, err error) {
	var p wire.File
	if err := parse(raw, &p); err != nil {
		return answer, nil, err
	}
	path, err := f.find(p.Path)
	if err != nil {
		return answer, nil, err
	}
	file, size, err := f.read(ctx, p.Path, path)
	if err != nil {
		return answer, nil, err
	}
	if p.Offset < 0 || p.Length < 0 || p.Offset > size {
		return answer, nil, gate.Refuse(wire.CodeParams, "%s has %d octets", p.Path, size)
	}
	f.hashing.Lock()
	sum, err := sumOf(ctx, io.NewSectionReader(file, 0, size))
	f.hashing.Unlock()
	if err != nil {
		return answer, nil, fmt.Errorf("%s: %w", p.Path, err)
	}
	length := size - p.Offset
	if p.Length > 0 {
		length = min(length, p.Length)
	}
	run = func(ctx context.Context, to io.ReadWriteCloser) error {
		w := f.Line.Writer(ctx, to)
		defer w.Close()
		n, err := io.Copy(w, io.NewSectionReader(file, p.Offset, length))
		if err == nil && n < length {
			err = errShorter
		}
		if err != nil {
			return fmt.Errorf("send %s: %w", p.Path, err)
		}
		return nil
	}
	return wire.Answer{OK: true, Size: size, SHA: sum}, run, nil
}

var errShorter = errors.New("the file has become shorter")

// read opens a file until ctx ends, and says how long it is now.
func (f *Files) read(ctx context.Context, name string, path storage.Path) (*os.File, int64, error) {
	file, err := f.Files.Open(path)
	if err != nil {
		return nil, 0, missing(name, err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, 0, missing(name, err)
	}
	context.AfterFunc(ctx, func() { file.Close() })
	return file, info.Size(), nil
}

// sumOf gives the SHA-256 of what is read, in hexadecimal.
func sumOf(ctx context.Context, r io.Reader) (string, error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, until{ctx, r}); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// until is a reader that ends with ctx.
type until struct {
	ctx context.Context
	io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(p)
}

// upload brings a file to the file store.
func (f *Files) upload(ctx context.Context, _ gate.Caller, p wire.FileUpload) (wire.Uploaded, error) {
	path, err := f.find(p.Path)
	if err != nil {
		return wire.Uploaded{}, err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	file, size, err := f.read(ctx, p.Path, path)
	if err != nil {
		return wire.Uploaded{}, err
	}
	sum, err := f.Store.Put(ctx, p.URL, io.NewSectionReader(file, 0, size), size)
	if err != nil {
		return wire.Uploaded{}, fmt.Errorf("bring %s to the file store: %w", p.Path, err)
	}
	return wire.Uploaded{Size: size, SHA: sum}, nil
}
