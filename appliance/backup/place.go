package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"causeway/appliance/storage"
	"causeway/appliance/storage/files"
	"causeway/appliance/storage/remote"
)

// store is where files are put, read and removed, by name in one directory.
type store interface {
	put(name string, content []byte) error // whole, or not at all
	open(name string) (io.ReadCloser, error)
	remove(name string) error // no error if there is none
	close()
}

// open opens the directory p. On another system, without a login that of the
// schedule counts. The store ends with ctx.
func (s *Service) open(ctx context.Context, p files.Place, login remote.Login) (_ store, err error) {
	if !p.IsRemote() {
		return volume{s.options.Files, p.Path}, nil
	}
	if login == (remote.Login{}) {
		if login, err = s.known(p); err != nil {
			return nil, err
		}
	}
	if err := remote.CheckHostKey(login.HostKey); err != nil {
		return nil, err
	}
	session, err := p.Host.Connect(ctx, login.Password, login.HostKey)
	if err != nil {
		return nil, err
	}
	return host{ctx, session}, nil
}

// volume is a directory of the box.
type volume struct {
	files *files.Service
	dir   storage.Path
}

func (v volume) close() {}

func (v volume) put(name string, content []byte) error {
	to, err := v.dir.Join(name)
	if err != nil {
		return err
	}
	if !v.dir.IsVolume() {
		if err := v.files.Mkdir(v.dir); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	upload, err := v.files.Create(to, int64(len(content)), false)
	if err != nil {
		return err
	}
	upload.WriteAt(content, 0) // what goes wrong Close says
	return upload.Close()
}

func (v volume) open(name string) (io.ReadCloser, error) {
	from, err := v.dir.Join(name)
	if err != nil {
		return nil, err
	}
	return v.files.Open(from)
}

func (v volume) remove(name string) error {
	p, err := v.dir.Join(name)
	if err != nil {
		return err
	}
	if err := v.files.Remove(p, false); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// host is a directory of another system.
type host struct {
	ctx     context.Context // that the session ends with
	session *remote.Session
}

func (h host) close() { h.session.Close() }

func (h host) put(name string, content []byte) error {
	return h.session.Send(h.ctx, name, bytes.NewReader(content))
}

func (h host) open(name string) (io.ReadCloser, error) { return h.session.Open(name) }

func (h host) remove(name string) error {
	if err := h.session.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// get reads a file that may be a backup.
func get(from store, name string) ([]byte, error) {
	file, err := from.open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, archiveMax+1))
	if err == nil && len(content) > archiveMax {
		err = fmt.Errorf("it has more than %d octets: it is no backup of a box", archiveMax)
	}
	return content, err
}
