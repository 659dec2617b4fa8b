package sftp

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync/atomic"

	"github.com/pkg/sftp"

	"causeway/appliance/model"
	"causeway/appliance/storage"
	"causeway/appliance/storage/files"
)

// session answers the requests of one channel. Its methods implement the
// handlers of pkg/sftp.
type session struct {
	*Server
	login model.Login
	open  atomic.Int32 // files and directories
}

var errRight = fmt.Errorf("no group of yours permits that: %w", fs.ErrPermission)

// find finds a name that may be read.
func (s *session) find(name string) (node, error) {
	n, err := find(name, s.CDR())
	if err == nil && !n.mayRead(s.login.Rights) {
		err = fmt.Errorf("%s: %w", n.name, errRight)
	}
	return n, err
}

// target finds a name on a volume that may be written to.
func (s *session) target(name string) (storage.Path, error) {
	n, err := find(name, s.CDR())
	switch {
	case err != nil:
		return storage.Path{}, err
	case !s.login.Rights.FilesWrite:
		return storage.Path{}, fmt.Errorf("%s: %w", n.name, errRight)
	case n.on == storage.Path{}:
		return storage.Path{}, fmt.Errorf("%s is not changed by hand: %w", n.name, fs.ErrPermission)
	}
	return n.on, nil
}

// changed tells the audit of a change.
func (s *session) changed(what string, paths ...storage.Path) {
	for _, p := range paths {
		what += " " + p.String()
	}
	s.Audit(model.Audit{Operator: s.login.Operator, Line: what})
}

// handle counts what is open, until it is closed.
func (s *session) handle() (release func(), err error) {
	if s.open.Add(1) > handlesMost {
		s.open.Add(-1)
		return nil, fmt.Errorf("%d files are open already: close one", handlesMost)
	}
	return func() { s.open.Add(-1) }, nil
}

// reading is a file that is open for reading.
type reading struct {
	io.ReaderAt
	close func()
}

func (r reading) Close() error {
	r.close()
	return nil
}

// Fileread opens a file for reading.
func (s *session) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	n, err := s.find(r.Filepath)
	if err != nil {
		return nil, status(err)
	}
	if n.within != nil {
		return nil, status(fmt.Errorf("%s is a directory", n.name))
	}
	release, err := s.handle()
	if err != nil {
		return nil, status(err)
	}
	if n.running {
		return reading{strings.NewReader(s.Running()), release}, nil
	}
	file, err := s.Files.Open(n.on)
	if err != nil {
		release()
		return nil, status(err)
	}
	return reading{file, func() {
		file.Close()
		release()
	}}, nil
}

// writing is a file that is being uploaded.
type writing struct {
	*files.Upload
	close func(error) error
}

// Close makes the file whole.
func (w writing) Close() error { return w.close(w.Upload.Close()) }

// TransferError is told that the session ends before Close.
func (w writing) TransferError(err error) { w.Abort(err) }

// Filewrite begins a file. One that is there is replaced as a whole or not at
// all, so a broken upload cannot be gone on with.
func (s *session) Filewrite(r *sftp.Request) (io.WriterAt, error) {
	to, err := s.target(r.Filepath)
	if err != nil {
		return nil, status(err)
	}
	flags := r.Pflags()
	if flags.Append {
		return nil, status(errors.New("a file is written as a whole: nothing is appended"))
	}
	if !flags.Creat {
		if _, err := s.Files.Stat(to); err != nil {
			return nil, status(err)
		}
	}
	release, err := s.handle()
	if err != nil {
		return nil, status(err)
	}
	upload, err := s.Files.Create(to, 0, flags.Trunc && !flags.Excl)
	if err != nil {
		release()
		if errors.Is(err, fs.ErrExist) && !flags.Excl {
			err = fmt.Errorf("a file is written as a whole, an upload is not gone on with: %w", err)
		}
		return nil, status(err)
	}
	return writing{upload, func(err error) error {
		release()
		if err == nil {
			s.changed("sftp put", to)
		}
		return status(err)
	}}, nil
}

// Filecmd makes other changes.
func (s *session) Filecmd(r *sftp.Request) error {
	if r.Method == "Symlink" || r.Method == "Link" {
		return sftp.ErrSSHFxOpUnsupported
	}
	p, err := s.target(r.Filepath)
	if err != nil {
		return status(err)
	}
	switch r.Method {
	case "Setstat":
		// Clients set modes and times of what they have sent, and take a no
		// for a failed upload. Those of the box are its own: they stay.
		if r.AttrFlags().Size {
			return status(errors.New("a file is not cut or stretched"))
		}
		return nil
	case "Mkdir":
		err = s.Files.Mkdir(p)
	case "Remove", "Rmdir":
		err = s.remove(p, r.Method == "Rmdir")
	case "Rename", "PosixRename":
		return s.rename(p, r.Target, r.Method == "PosixRename")
	default:
		return sftp.ErrSSHFxOpUnsupported
	}
	if err == nil {
		s.changed("sftp "+strings.ToLower(r.Method), p)
	}
	return status(err)
}

// PosixRename is a Rename that replaces a file (posix-rename@openssh.com).
func (s *session) PosixRename(r *sftp.Request) error { return s.Filecmd(r) }

func (s *session) remove(p storage.Path, directory bool) error {
	found, err := s.Files.Stat(p)
	switch {
	case err != nil:
		return err
	case found.IsDir() && !directory:
		return fmt.Errorf("%v is a directory", p)
	case !found.IsDir() && directory:
		return fmt.Errorf("%v is not a directory", p)
	}
	return s.Files.Remove(p, false)
}

func (s *session) rename(from storage.Path, name string, replace bool) error {
	to, err := s.target(name)
	if err == nil {
		err = s.Files.Rename(from, to, replace)
	}
	if err == nil {
		s.changed("sftp rename", from, to)
	}
	return status(err)
}

// Filelist opens a directory for a listing, or tells of one file.
func (s *session) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	n, err := s.find(r.Filepath)
	if err != nil {
		return nil, status(err)
	}
	switch r.Method {
	case "List":
		list, err := s.list(n)
		return list, status(err)
	case "Stat":
		found, err := s.stat(n)
		return one{found}, status(err)
	}
	return nil, sftp.ErrSSHFxOpUnsupported // there are no links to read
}

// stat tells of a name in the tree.
func (s *session) stat(n node) (fs.FileInfo, error) {
	switch {
	case n.running:
		return info{path.Base(n.name), int64(len(s.Running())), 0o440, s.started}, nil
	case n.within != nil:
		return info{path.Base(n.name), 0, fs.ModeDir | 0o550, s.started}, nil
	}
	return s.Files.Stat(n.on)
}

// one is the answer about one file.
type one struct{ fs.FileInfo }

// ListAt implements sftp.ListerAt.
func (o one) ListAt(list []os.FileInfo, offset int64) (int, error) {
	if offset > 0 {
		return 0, io.EOF
	}
	return copy(list, []os.FileInfo{o.FileInfo}), io.EOF
}

// list opens a directory.
func (s *session) list(n node) (sftp.ListerAt, error) {
	release, err := s.handle()
	if err != nil {
		return nil, err
	}
	if n.within != nil {
		return &listing{next: s.entries(n), close: release}, nil
	}
	if n.running {
		release()
		return nil, fmt.Errorf("%s is not a directory", n.name)
	}
	dir, err := s.Files.OpenDirectory(n.on)
	if err != nil {
		release()
		return nil, err
	}
	return &listing{dir.Next, func() {
		dir.Close()
		release()
	}}, nil
}

// entries gives those of a directory of the tree itself, as far as they are
// there and may be read.
func (s *session) entries(n node) func(int) ([]fs.FileInfo, error) {
	var all []fs.FileInfo
	for _, name := range n.within {
		found, err := s.find(path.Join(n.name, name))
		if err != nil {
			continue
		}
		if entry, err := s.stat(found); err == nil {
			all = append(all, info{name, entry.Size(), entry.Mode(), entry.ModTime()})
		}
	}
	return func(most int) ([]fs.FileInfo, error) {
		if len(all) == 0 {
			return nil, io.EOF
		}
		page := all[:min(most, len(all))]
		all = all[len(page):]
		return page, nil
	}
}

// listing is a directory that is being listed, a page at a time.
type listing struct {
	next  func(most int) ([]fs.FileInfo, error)
	close func()
}

// ListAt implements sftp.ListerAt: pages are asked for in their order.
func (l *listing) ListAt(list []os.FileInfo, _ int64) (int, error) {
	page, err := l.next(len(list))
	return copy(list, page), status(err)
}

// Close gives back what the listing held.
func (l *listing) Close() error {
	l.close()
	return nil
}
