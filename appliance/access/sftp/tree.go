package sftp

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/storage"
	"causeway/appliance/storage/files"
)

// branch is a place in the tree where a file or directory of a volume stands.
type branch struct {
	at    string
	leads storage.Path
}

// runningName is where the text of the configuration in force stands.
const runningName = "/config/running-config"

// The licence log has the names that the source documents give it (L-49, L-50).
var licenseLog = storage.Path{Volume: storage.Harddisk, Name: "log/sml.log"}

// branches are all of them. Only that of the CDR files depends on the
// configuration.
func branches(cdr storage.Path) []branch {
	return []branch{
		{"/CUSP/log/sml.log", licenseLog},
		{"/opt/CUSP/dsnrs/log/sml.log", licenseLog},
		{"/bootflash", storage.Path{Volume: storage.Bootflash, Name: "."}},
		{"/harddisk", storage.Path{Volume: storage.Harddisk, Name: "."}},
		{"/usb0", storage.Path{Volume: storage.USB, Name: "."}},
		{"/logs", storage.Path{Volume: storage.Harddisk, Name: "log"}},
		{"/config/revisions", files.Revisions},
		{"/cdr", cdr},
	}
}

// node is what a name in the tree stands for: something on a volume, which
// need not be there, or else a text or a directory that is on none.
type node struct {
	name    string // the whole, in its clean form
	on      storage.Path
	running bool     // the configuration in force
	within  []string // the names in a directory of the tree itself
}

// find finds a name. Whatever it is, it does not lead out of the tree.
func find(name string, cdr storage.Path) (node, error) {
	n := node{name: path.Clean("/" + name)}
	if n.name == runningName {
		n.running = true
		return n, nil
	}
	for _, b := range branches(cdr) {
		rest, below := strings.CutPrefix(n.name, b.at+"/")
		if !below && n.name != b.at {
			continue
		}
		n.on = b.leads
		if below {
			var err error
			if n.on, err = b.leads.Join(rest); err != nil {
				return node{}, err
			}
		}
		return n, nil
	}
	if n.within = within(n.name, cdr); len(n.within) == 0 {
		return node{}, &fs.PathError{Op: "find", Path: n.name, Err: fs.ErrNotExist}
	}
	return n, nil
}

// within gives the names in a directory of the tree that is on no volume.
func within(dir string, cdr storage.Path) (names []string) {
	dir = strings.TrimSuffix(dir, "/") + "/"
	add := func(at string) {
		if rest, below := strings.CutPrefix(at, dir); below {
			name, _, _ := strings.Cut(rest, "/")
			names = append(names, name)
		}
	}
	for _, b := range branches(cdr) {
		add(b.at)
	}
	add(runningName)
	slices.Sort(names)
	return slices.Compact(names)
}

// mayRead says whether somebody may read there.
func (n node) mayRead(r model.Rights) bool {
	if n.running { // it is one of those that were saved
		return files.MayRead(r, files.Revisions)
	}
	return files.MayRead(r, n.on)
}

// info tells of what is on no volume. It is an fs.FileInfo.
type info struct {
	name string
	size int64
	mode fs.FileMode
	time time.Time
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return i.time }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }
