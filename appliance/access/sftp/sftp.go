// Package sftp serves the files of the box over SFTP (draft-ietf-secsh-filexfer-02,
// L-49…L-51): a tree of its own (tree.go) over the volumes, and no path of the
// root file system. It has no rules of its own for files: package files decides,
// as it does for the console's copy.
//
// In: requests on a channel of an SSH connection, and what their sender may do.
// Out: files, and a line in the audit for each change. What a session holds is
// bounded, and ends with it.
package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/pkg/sftp"

	"causeway/appliance/model"
	"causeway/appliance/storage"
	"causeway/appliance/storage/files"
)

// What sessions may hold.
const (
	sessionsMost = 8  // at once
	handlesMost  = 32 // files and directories that a session has open
)

// Options are what a Server is made of.
type Options struct {
	Files   *files.Service
	Running func() string       // the text of the configuration in force
	CDR     func() storage.Path // the directory of CDR files
	Audit   func(model.Audit)   // is told what sessions change
}

// Server serves sessions. Make it with New.
type Server struct {
	Options
	seats   chan struct{}
	started time.Time // of the directories that are on no volume
}

// New makes a server.
func New(o Options) *Server {
	return &Server{Options: o, seats: make(chan struct{}, sessionsMost), started: time.Now()}
}

// Serve holds a session on a channel until that or ctx ends; ctx closes it.
// Files that are not whole by then are given up.
func (s *Server) Serve(ctx context.Context, channel io.ReadWriteCloser, login model.Login) error {
	select {
	case s.seats <- struct{}{}:
		defer func() { <-s.seats }()
	default:
		return fmt.Errorf("there are %d sessions of SFTP already", sessionsMost)
	}
	defer context.AfterFunc(ctx, func() { channel.Close() })()
	h := &session{Server: s, login: login}
	server := sftp.NewRequestServer(channel, sftp.Handlers{FileGet: h, FilePut: h, FileCmd: h, FileList: h})
	if err := server.Serve(); err != nil && err != io.EOF && ctx.Err() == nil {
		return fmt.Errorf("SFTP for %v: %w", login.Operator, err)
	}
	return nil
}

// coded is an error with the code that SFTP has for it.
type coded struct {
	error
	code error // one of the library's, which it sends
}

func (c coded) Unwrap() error { return c.code }

// status gives an error its code.
func status(err error) error {
	switch {
	case err == nil, err == io.EOF:
		return err
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, storage.ErrNotMounted):
		return coded{err, sftp.ErrSSHFxNoSuchFile}
	case errors.Is(err, fs.ErrPermission):
		return coded{err, sftp.ErrSSHFxPermissionDenied}
	}
	return coded{err, sftp.ErrSSHFxFailure}
}
