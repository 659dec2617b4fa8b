package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"causeway/appliance/storage/remote"
)

// HostRequest asks what key another system shows.
type HostRequest struct {
	Place Place `json:"place"`
}

// Host is the answer.
type Host struct {
	Key string `json:"key"` // its fingerprint
}

func (s *Service) host(ctx context.Context, r HostRequest) (Host, error) {
	key, err := r.Place.Host.HostKey(ctx)
	return Host{key}, err
}

// incoming is a file that is copied. It ends with the context that it was opened
// with.
type incoming struct {
	place   Place
	content io.Reader
	size    int64 // octets; 0: the other system does not say
	close   func()
}

// open opens a file of the box or of another system.
func (s *Service) open(ctx context.Context, from Place, login remote.Login) (incoming, error) {
	if !from.IsRemote() {
		return s.openOnBox(from)
	}
	if from.isWeb() {
		config, err := s.tls()
		if err != nil {
			return incoming{}, err
		}
		content, size, err := remote.Get(ctx, from.url, config)
		if err != nil {
			return incoming{}, err
		}
		return incoming{from, content, max(size, 0), func() { content.Close() }}, nil
	}
	dir, name := from.Split()
	session, err := dir.Host.Connect(ctx, login.Password, login.HostKey)
	if err != nil {
		return incoming{}, err
	}
	info, err := session.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = errNotFile
	}
	var content io.ReadCloser
	if err == nil {
		content, err = session.Open(name)
	}
	if err != nil {
		session.Close()
		return incoming{}, fmt.Errorf("%v: %w", from, err)
	}
	return incoming{from, content, info.Size(), session.Close}, nil
}

// Fetch opens a file of the box or of another system, for what is more than a
// copy. The size is in octets, 0 where the other system does not say. The content
// ends with ctx; whoever asks closes it.
func (s *Service) Fetch(ctx context.Context, from Place, login remote.Login) (content io.ReadCloser, size int64, err error) {
	in, err := s.open(ctx, from, login)
	if err != nil {
		return nil, 0, about(from, err)
	}
	return source{in}, in.size, nil
}

// openOnBox opens a file of the box: of one that grows, what is there now.
func (s *Service) openOnBox(from Place) (incoming, error) {
	file, err := s.Open(from.Path)
	if err != nil {
		return incoming{}, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return incoming{}, about(from, err)
	}
	return incoming{from, io.LimitReader(file, info.Size()), info.Size(), func() { file.Close() }}, nil
}

// leave is how long a session goes on when its operator has gone, so that what
// was half sent is removed.
const leave = 30 * time.Second

// send puts a file on another system.
func send(ctx context.Context, to Place, login remote.Login, content io.Reader) error {
	dir, name := to.Split()
	if name == "" {
		return fmt.Errorf("%v names no file to write", to)
	}
	lasting, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(leave, end) })()
	session, err := dir.Host.Connect(lasting, login.Password, login.HostKey)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := session.Send(ctx, name, content); err != nil {
		return fmt.Errorf("%v: %w", to, err)
	}
	return nil
}

// errBothRemote refuses a copy that has nothing to do with the box.
var errBothRemote = errors.New("one of the two must be on the box")

// TextRequest asks for a file of another system with at most Most octets.
type TextRequest struct {
	From  Place        `json:"from"`
	Login remote.Login `json:"login"`
	Most  int          `json:"most"` // up to textMax
}

// Text is the answer.
type Text struct {
	Data []byte `json:"data"`
}

func (s *Service) text(ctx context.Context, r TextRequest) (Text, error) {
	if !r.From.IsRemote() || r.Most > textMax {
		return Text{}, errors.New("this is for short texts of other systems")
	}
	in, err := s.open(ctx, r.From, r.Login)
	if err != nil {
		return Text{}, err
	}
	defer in.close()
	data, err := io.ReadAll(io.LimitReader(in.content, int64(r.Most)+1))
	if err == nil && len(data) > r.Most {
		err = tooLong(r.From, r.Most)
	}
	return Text{data}, err
}

// tooLong refuses a text with more than so many octets.
func tooLong(from Place, most int) error { return fmt.Errorf("%v has more than %d octets", from, most) }
