package xmlcdr

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"causeway/appliance/model"
	"causeway/appliance/storage/remote"
)

// target is where files are transferred to.
type target struct {
	remote.Place
	hostKey string // its fingerprint
}

// CheckTransfer reports what is wrong with where files are to be transferred to.
func CheckTransfer(t model.CDRTransfer) error {
	_, err := parseTarget(t)
	return err
}

func parseTarget(t model.CDRTransfer) (target, error) {
	place, err := remote.Parse(t.URL)
	if err == nil {
		err = remote.CheckHostKey(t.HostKey)
	}
	if err != nil {
		return target{}, fmt.Errorf("cdr transfer: %w", err)
	}
	return target{place, t.HostKey}, nil
}

// errAltered says that a file is not what it was when it was closed.
var errAltered = errors.New("it does not have the checksum that it was closed with")

// checked reads a file to its end, where it is errAltered unless the file has
// the MD5 sum; empty: any.
type checked struct {
	io.Reader
	hash hash.Hash
	sum  string
}

func check(file io.Reader, sum string) *checked {
	hash := md5.New()
	return &checked{io.TeeReader(file, hash), hash, sum}
}

func (c *checked) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	if err == io.EOF && c.sum != "" && hex.EncodeToString(c.hash.Sum(nil)) != c.sum {
		err = errAltered
	}
	return n, err
}

// sendText sends a file whose content is at hand, unless it is there with the
// same length.
func sendText(ctx context.Context, s *remote.Session, name string, content []byte) error {
	if info, err := s.Stat(name); err == nil && info.Size() == int64(len(content)) {
		return nil
	}
	return s.Send(ctx, name, bytes.NewReader(content))
}
