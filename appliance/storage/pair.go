package storage

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Pair keeps a value in two files, each replaced whole, under an HMAC with a key
// that only this box has. It tells damage and forgery from age: a file of last
// month is whole. Its users see to it that one thing is done at a time.
type Pair[T any] struct {
	Name  string    // in errors: "the licence state"
	Files [2]string // in different directories
	Key   []byte    // none: nothing is read
	// Number grows with each writing.
	Number func(T) uint64
	Check  func(T) error                                             // what no value may be; nil: any may
	Write  func(file string, content []byte, mode os.FileMode) error // nil: WriteFile
}

// paired is the content of a file.
type paired struct {
	Facts json.RawMessage `json:"facts"`
	MAC   string          `json:"mac"` // HMAC-SHA-256 over Facts, compact, in hex
}

var (
	// ErrUnread means that the disk did not give what may well be there.
	ErrUnread = errors.New("cannot be read")
	// ErrForged means a file that this box has not written so.
	ErrForged = errors.New("damaged, or not of this box")
)

// Load gives the value with the larger number of the two that are whole. problem
// says what is wrong with either file; found is false if neither serves. If that
// is ErrUnread it may be another time.
func (p *Pair[T]) Load() (value T, found bool, problem error) {
	if len(p.Key) == 0 {
		return value, false, fmt.Errorf("%s: %w: this box has no key", p.Name, ErrUnread)
	}
	var problems []error
	missing := 0
	for _, file := range p.Files {
		text, err := ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			missing++
		}
		var read T
		switch {
		case err == nil:
			read, err = p.Open(text)
		case !errors.Is(err, fs.ErrNotExist):
			err = fmt.Errorf("%w: %w", ErrUnread, err)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %s: %w", p.Name, file, err))
			continue
		}
		if !found || p.Number(read) > p.Number(value) {
			value, found = read, true
		}
	}
	if missing == len(p.Files) { // of a new box, or wiped
		return value, false, nil
	}
	return value, found, errors.Join(problems...)
}

// Open reads the content of a file.
func (p *Pair[T]) Open(text []byte) (value T, err error) {
	var none T
	var content paired
	if err := json.Unmarshal(text, &content); err != nil {
		return none, fmt.Errorf("%w: %w", ErrForged, err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, content.Facts); err != nil || !hmac.Equal([]byte(p.mac(compact.Bytes())), []byte(content.MAC)) {
		return none, ErrForged
	}
	if err := json.Unmarshal(content.Facts, &value); err != nil {
		return none, fmt.Errorf("%w: %w", ErrForged, err)
	}
	if p.Check != nil {
		if err := p.Check(value); err != nil {
			return none, fmt.Errorf("%w: %w", ErrForged, err)
		}
	}
	return value, nil
}

// Save writes both files. One that cannot be written does not keep the other
// from being so.
func (p *Pair[T]) Save(value T) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("keep %s: %w", p.Name, err)
	}
	content, err := json.Marshal(paired{text, p.mac(text)})
	if err != nil {
		return fmt.Errorf("keep %s: %w", p.Name, err)
	}
	write := p.Write
	if write == nil {
		write = WriteFile
	}
	for _, file := range p.Files {
		fault := os.MkdirAll(filepath.Dir(file), 0o750) // init makes it; a plain host has no init
		if fault == nil {
			fault = write(file, append(content, '\n'), 0o600)
		}
		if fault != nil {
			err = errors.Join(err, fmt.Errorf("keep %s: %w", p.Name, fault))
		}
	}
	return err
}

func (p *Pair[T]) mac(text []byte) string {
	h := hmac.New(sha256.New, p.Key)
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil))
}
