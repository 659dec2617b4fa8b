package files

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"causeway/appliance/storage"
)

// Entry is a file or directory.
type Entry struct {
	Name  string    `json:"name"` // what cannot be printed is "?" in it
	IsDir bool      `json:"is_dir"`
	Size  int64     `json:"size"` // octets; 0 of a directory
	Time  time.Time `json:"time"` // when it was last changed
}

// ListRequest asks for the entries of a directory behind the name After, or
// for the one entry of a file.
type ListRequest struct {
	Path  storage.Path `json:"path"`
	After []byte       `json:"after"` // octets: a stick may have names that are no UTF-8
	Most  int          `json:"most"`  // entries; 0: 500, and never more
}

// Listing is the answer: a page, in the order of names.
type Listing struct {
	Entries []Entry `json:"entries"`
	Next    []byte  `json:"next"` // After for the next page; empty: that is all
	TotalKB uint64  `json:"total_kb"`
	FreeKB  uint64  `json:"free_kb"`
}

// listMax bounds a page, in entries.
const listMax = 500

// List gives a page of a directory, or the one entry of a file.
func (s *Service) List(_ context.Context, r ListRequest) (Listing, error) {
	answer := Listing{Entries: []Entry{}}
	err := s.on(r.Path, func(volume *os.Root) error {
		space, err := spaceIn(volume)
		if err != nil {
			return err
		}
		answer.TotalKB, answer.FreeKB = space.total>>10, space.free>>10
		info, err := volume.Stat(r.Path.Name)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			answer.Entries = append(answer.Entries, entry(info))
			return nil
		}
		most := min(cmp.Or(max(0, r.Most), listMax), listMax)
		names, more, err := page(volume, r.Path.Name, string(r.After), most)
		if err != nil {
			return err
		}
		if more {
			answer.Next = []byte(names[len(names)-1])
		}
		for _, name := range names {
			// A symbolic link is shown itself: it may lead nowhere.
			if info, err := volume.Lstat(path.Join(r.Path.Name, name)); err == nil {
				answer.Entries = append(answer.Entries, entry(info))
			}
		}
		return nil
	})
	return answer, err
}

// page gives the first names in a directory behind a name, in their order, and
// whether there are more. It holds few of them, however large the directory.
func page(volume *os.Root, name, after string, most int) (first []string, more bool, err error) {
	err = eachNames(volume, name, func(names []string) error {
		first = append(first, slices.DeleteFunc(names, func(name string) bool { return name <= after })...)
		slices.Sort(first)
		more = more || len(first) > most
		first = first[:min(len(first), most)]
		return nil
	})
	return first, more, err
}

// eachNames gives the names in a directory, some at a time, in no order.
func eachNames(volume *os.Root, name string, do func(names []string) error) error {
	dir, err := openDirectory(volume, name)
	if err != nil {
		return err
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(4 * listMax)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := do(names); err != nil {
			return err
		}
	}
}

// printable is a name as it goes to a terminal.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(name, "?"))
}

func entry(info os.FileInfo) Entry {
	e := Entry{Name: printable(info.Name()), IsDir: info.IsDir(), Time: info.ModTime()}
	if info.Mode().IsRegular() {
		e.Size = info.Size()
	}
	return e
}

// PathRequest names what a method is about.
type PathRequest struct {
	Path storage.Path `json:"path"`
}

// Found is the answer of control.files.stat: nil when there is nothing.
type Found struct {
	Entry *Entry `json:"entry"`
}

func (s *Service) stat(_ context.Context, r PathRequest) (found Found, err error) {
	err = s.on(r.Path, func(volume *os.Root) error {
		info, err := volume.Stat(r.Path.Name)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err == nil {
			e := entry(info)
			found.Entry = &e
		}
		return err
	})
	return found, err
}

// ReadRequest asks for a part of a file from an octet on.
type ReadRequest struct {
	Path   storage.Path `json:"path"`
	Offset int64        `json:"offset"`
}

// FilePart is the answer: what there is from Offset on, as much as fits.
type FilePart struct {
	Data []byte `json:"data"`
	Next int64  `json:"next"` // the offset to go on at
	End  bool   `json:"end"`
}

// partMax bounds a part, in octets.
const partMax = 64 << 10

func (s *Service) read(_ context.Context, r ReadRequest) (part FilePart, err error) {
	file, err := s.Open(r.Path)
	if err != nil {
		return part, err
	}
	defer file.Close()
	data := make([]byte, partMax)
	n, err := file.ReadAt(data, r.Offset)
	if err != nil && err != io.EOF {
		return part, about(r.Path, err)
	}
	return FilePart{data[:n], r.Offset + int64(n), err == io.EOF}, nil
}

// errNotFile refuses what has no content of its own.
var errNotFile = errors.New("is not a file")

// Open opens a file for reading. It never waits, whatever the path names.
func (s *Service) Open(p storage.Path) (file *os.File, err error) {
	if err := mayRead(p); err != nil {
		return nil, err
	}
	err = s.on(p, func(volume *os.Root) error {
		// Without O_NONBLOCK a named pipe on a stick would hold us up for ever.
		if file, err = volume.OpenFile(p.Name, os.O_RDONLY|unix.O_NONBLOCK, 0); err != nil {
			return err
		}
		info, err := file.Stat()
		if err == nil && !info.Mode().IsRegular() {
			err = errNotFile
		}
		if err == nil {
			err = s.straight(p, file)
		}
		if err != nil {
			file.Close()
			file = nil
		}
		return err
	})
	return file, err
}

// space is how full a volume is, in octets.
type space struct {
	total, free uint64
	fat         bool
}

// spaceOf is that of the volume that an open file is on.
func spaceOf(file *os.File) (space, error) {
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(file.Fd()), &stat); err != nil {
		return space{}, err
	}
	block := uint64(stat.Bsize)
	return space{stat.Blocks * block, stat.Bavail * block, stat.Type == unix.MSDOS_SUPER_MAGIC}, nil
}

// spaceIn is that of the volume that a directory is on.
func spaceIn(dir *os.Root) (space, error) {
	file, err := dir.Open(".")
	if err != nil {
		return space{}, err
	}
	defer file.Close()
	return spaceOf(file)
}
