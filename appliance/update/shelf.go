package update

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/bundle"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// shelf is harddisk:/firmware/, which holds one bundle that was found to be whole
// and to fit this box.
//
// While a bundle comes it is a file of the suffix .part. One that is whole stands
// under its own name, with NAME.sha256 beside it as sha256sum(1) writes it.
type shelf struct {
	volumes string          // directory that the volumes are mounted in
	keys    string          // file of the keys that bundles are signed with
	build   model.BuildInfo // of what runs
}

// directory is where the shelf is.
var directory = storage.Path{Volume: storage.Harddisk, Name: "firmware"}

// The ends of names of what is no bundle.
const (
	partSuffix = ".part"
	sumSuffix  = ".sha256"
)

// Staged is the bundle on the shelf.
type Staged struct {
	Name    string    `json:"name"` // of the file
	Version string    `json:"version"`
	Floor   string    `json:"floor"`
	Time    time.Time `json:"time"` // of its source
	Size    int64     `json:"size"` // octets
	SHA256  string    `json:"sha256"`
}

// Path is the file of the bundle as operators type it.
func (s *Staged) Path() string { return directory.String() + "/" + s.Name }

// dir makes the directory, if it is not there.
func (s *shelf) dir() (string, error) {
	volume, err := storage.OpenVolume(s.volumes, directory.Volume)
	if err != nil {
		return "", err
	}
	defer volume.Close()
	if err := volume.Mkdir(directory.Name, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make %v: %w", directory, err)
	}
	return filepath.Join(s.volumes, directory.Volume, directory.Name), nil
}

// staged gives the bundle that there is; nil: none.
func (s *shelf) staged() *Staged {
	dir := filepath.Join(s.volumes, directory.Volume, directory.Name)
	sums, _ := filepath.Glob(filepath.Join(dir, "*"+sumSuffix)) // the pattern is right
	for _, path := range sums {
		sum, err := readSum(path)
		if err != nil {
			continue
		}
		of := strings.TrimSuffix(path, sumSuffix)
		manifest, size, err := s.manifest(of)
		if err == nil {
			return &Staged{filepath.Base(of), manifest.Version, manifest.Floor, manifest.Time, size, sum}
		}
	}
	return nil
}

// readSum reads the sum at the beginning of a file, and no more: an operator may
// have put any file of that name there.
func readSum(path string) (string, error) {
	file, err := storage.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text := make([]byte, hex.EncodedLen(sha256.Size))
	if _, err := io.ReadFull(file, text); err != nil {
		return "", err
	}
	if !bundle.IsSHA256(string(text)) {
		return "", fmt.Errorf("%s has no SHA-256", path)
	}
	return string(text), nil
}

// manifest is what a file on the box says it is.
func (s *shelf) manifest(path string) (m bundle.Manifest, size int64, err error) {
	file, err := storage.Open(path)
	if err != nil {
		return m, 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return m, 0, err
	}
	b, err := s.open(file)
	if err != nil {
		return m, 0, err
	}
	return b.Manifest, info.Size(), nil
}

// open opens a bundle that somebody whom this box knows has signed.
func (s *shelf) open(content io.Reader) (*bundle.Bundle, error) {
	keys, err := bundle.ReadKeys(s.keys)
	if err != nil {
		return nil, err
	}
	return bundle.Open(content, keys)
}

// check reads all of what should be a bundle for this box, with that floor. It
// ends at the first octet that is wrong: who writes what is read here writes
// nothing of an image that nobody has signed.
func (s *shelf) check(ctx context.Context, content io.Reader, floor string) (m bundle.Manifest, err error) {
	b, err := s.open(content)
	if err != nil {
		return m, err
	}
	if err := b.Manifest.Fits(s.build, floor); err != nil {
		return m, err
	}
	if _, err := b.Unpack(ctx, io.Discard); err != nil {
		return m, err
	}
	if n, err := io.ReadFull(content, make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		return m, errors.Join(errors.New("the bundle does not end where it should"), err)
	}
	return b.Manifest, nil
}

// take keeps a bundle that comes from a reader, under the name that says what it
// is. What was there before stays until the other is whole.
func (s *shelf) take(ctx context.Context, content io.Reader, floor string) (*Staged, error) {
	dir, err := s.dir()
	if err != nil {
		return nil, err
	}
	sweep(dir, "", "")
	part, err := os.Create(filepath.Join(dir, "incoming"+partSuffix))
	if err != nil {
		return nil, fmt.Errorf("keep the bundle: %w", err)
	}
	defer os.Remove(part.Name()) // unless it has another name by then
	defer part.Close()
	sum := sha256.New()
	kept := &flushing{file: part}
	m, err := s.check(ctx, io.TeeReader(io.LimitReader(content, bundle.Max+1), io.MultiWriter(kept, sum)), floor)
	if err != nil {
		return nil, err
	}
	return s.finish(dir, part, fmt.Sprintf("causeway-%s-%s%s", m.Board, m.Version, bundle.Suffix), hex.EncodeToString(sum.Sum(nil)))
}

// finish makes a bundle of a part that is whole. What says which bundle is there
// is written before the part has its name, and after any other has lost it: a cut
// in between leaves the part, and no bundle.
func (s *shelf) finish(dir string, part *os.File, name, sum string) (*Staged, error) {
	if err := part.Sync(); err != nil {
		return nil, fmt.Errorf("keep the bundle: %w", err)
	}
	if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the bundle of before: %w", err)
	}
	if err := storage.WriteFile(filepath.Join(dir, name+sumSuffix), []byte(sum+"  "+name+"\n"), 0o640); err != nil {
		return nil, err
	}
	if err := os.Rename(part.Name(), filepath.Join(dir, name)); err != nil {
		return nil, fmt.Errorf("keep the bundle: %w", err)
	}
	sweep(dir, "", name)
	if err := storage.SyncDir(dir); err != nil {
		return nil, err
	}
	staged := s.staged()
	if staged == nil {
		return nil, errors.New("the bundle is not there any more")
	}
	return staged, nil
}

// sweep removes all parts but one; with a name also all bundles but that one.
func sweep(dir, part, name string) {
	entries, _ := os.ReadDir(dir) // what cannot be removed now is removed the next time
	for _, e := range entries {
		isPart := strings.HasSuffix(e.Name(), partSuffix)
		if e.Name() == part || e.Name() == name || e.Name() == name+sumSuffix || name == "" && !isPart {
			continue
		}
		os.Remove(filepath.Join(dir, e.Name()))
	}
}

// flushEvery is what is written before it is flushed, in octets.
const flushEvery = 8 << 20

// flushing is a file that is written as far as there is room, and flushed now and
// then, so that the last flush does not take for ever.
type flushing struct {
	file      *os.File
	unflushed int
}

func (f *flushing) Write(text []byte) (int, error) {
	if f.unflushed == 0 {
		if err := room(f.file, flushEvery); err != nil {
			return 0, err
		}
	}
	n, err := f.file.Write(text)
	if f.unflushed += n; err == nil && f.unflushed >= flushEvery {
		f.unflushed, err = 0, f.file.Sync()
	}
	return n, err
}

// errRoom is that of a volume that is too full.
var errRoom = errors.New("there is no room for the bundle")

// room says why a volume has no room for so many octets more. A sixteenth of it
// stays free for what the box itself writes.
func room(on *os.File, octets int64) error {
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(on.Fd()), &stat); err != nil {
		return err
	}
	free, reserve := stat.Bavail*uint64(stat.Bsize), stat.Blocks*uint64(stat.Bsize)/16
	if uint64(octets)+reserve > free {
		return fmt.Errorf("%w on %s: %d octets are to come, free are %d, of which %d stay free", errRoom, directory.Volume+":", octets, free, reserve)
	}
	return nil
}
