package update

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/mod/semver"

	"causeway/appliance/bundle"
	"causeway/appliance/model"
	"causeway/appliance/storage"
	"causeway/appliance/storage/files"
	"causeway/appliance/storage/remote"
)

// StageRequest asks for the bundle of a place. A volume itself, "usb0:", stands
// for the newest bundle for this box that lies there. Closing the connection
// cancels it.
type StageRequest struct {
	Operator model.Operator `json:"operator"`
	From     files.Place    `json:"from"`
	Login    remote.Login   `json:"login"` // where the place asks for it
}

// Staging is a bundle on its way to the shelf.
type Staging struct {
	From string `json:"from"` // without what may be secret
	Have int64  `json:"have"` // octets
	Size int64  `json:"size"` // octets; 0: nobody says
}

// bringing is a Staging that goes on.
type bringing struct {
	from string
	size int64
	have atomic.Int64
}

// errStaging refuses what would be in the way of a bundle that comes.
var errStaging = errors.New("another bundle is being staged")

// begin notes that a bundle comes, unless the one on the shelf must stay.
func (u *Update) begin(from string) (*bringing, error) {
	if f := u.Firmware(); isWritten(f) {
		return nil, fmt.Errorf("the image %s is being put in slot %s", f.Writing.Version, f.Writing.Slot)
	}
	if s := u.scheduled(); s != nil && s.Problem == "" && !s.Rollback {
		return nil, fmt.Errorf("%s is to be put on trial %s: upgrade cancel forgets that", s.Version, s.When)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.staging != nil {
		return nil, errStaging
	}
	u.staging = &bringing{from: from}
	return u.staging, nil
}

// isWritten says whether an image is on its way into a slot.
func isWritten(f model.Firmware) bool { return f.Writing != nil && f.Writing.Problem == "" }

func (u *Update) ended() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.staging = nil
}

// stage puts a bundle on the shelf that is whole, signed and fits.
func (u *Update) stage(ctx context.Context, r StageRequest) (Staged, error) {
	b, err := u.begin(r.From.String())
	if err != nil {
		return Staged{}, err
	}
	defer u.ended()
	if !r.From.IsRemote() && r.From.Path.IsVolume() {
		if r.From, err = u.newest(ctx, r.From); err != nil {
			return Staged{}, err
		}
	}
	staged, err := u.bring(ctx, b, r)
	if err != nil {
		u.options.Log.Warn("a bundle is not staged", "from", r.From, "by", r.Operator.String(), "error", err)
		return Staged{}, fmt.Errorf("%v: %w", r.From, err)
	}
	u.options.Log.Info("a bundle is staged", "name", staged.Name, "from", r.From, "by", r.Operator.String())
	return *staged, nil
}

func (u *Update) bring(ctx context.Context, b *bringing, r StageRequest) (*Staged, error) {
	content, size, err := u.options.Files.Fetch(ctx, r.From, r.Login)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	if size > bundle.Max {
		return nil, fmt.Errorf("it has %d octets: a bundle has %d at most", size, bundle.Max)
	}
	u.mu.Lock()
	b.size = size
	u.mu.Unlock()
	return u.shelf.take(ctx, counted{content, &b.have}, u.floor())
}

// counted is a reader that says how far it is.
type counted struct {
	io.Reader
	have *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.have.Add(int64(n))
	return n, err
}

// mostOnStick bounds how many bundles of a volume are looked at.
const mostOnStick = 100

// newest finds the newest bundle for this box in the top directory of a volume.
func (u *Update) newest(ctx context.Context, on files.Place) (files.Place, error) {
	list, err := u.options.Files.OpenDirectory(on.Path)
	if err != nil {
		return on, err
	}
	defer list.Close()
	var found files.Place
	var best bundle.Manifest
	var unfit []string
	for looked := 0; looked < mostOnStick && ctx.Err() == nil; {
		entries, err := list.Next(mostOnStick)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return on, err
		}
		for _, e := range entries {
			path, err := on.Path.Join(e.Name())
			if err != nil || !e.Mode().IsRegular() || !strings.HasSuffix(strings.ToLower(e.Name()), bundle.Suffix) {
				continue
			}
			looked++
			m, err := u.manifestOn(path)
			if err == nil {
				err = m.Fits(u.options.Build, u.floor())
			}
			if err != nil {
				unfit = append(unfit, fmt.Sprintf("%s: %v", e.Name(), err))
			} else if found.Path.Name == "" || newer(m, best) {
				found, best = files.Place{Path: path}, m
			}
		}
	}
	switch {
	case found.Path.Name != "":
		return found, nil
	case len(unfit) == 0:
		return on, fmt.Errorf("there is no file *%s on %s", bundle.Suffix, on)
	}
	slices.Sort(unfit)
	return on, fmt.Errorf("no bundle on %s fits: %s", on, strings.Join(unfit[:min(len(unfit), 5)], "; "))
}

// newer says whether a is to be preferred to b.
func newer(a, b bundle.Manifest) bool {
	if order := semver.Compare(a.Version, b.Version); order != 0 {
		return order > 0
	}
	return a.Time.After(b.Time)
}

// manifestOn is what a file on a volume says it is.
func (u *Update) manifestOn(p storage.Path) (m bundle.Manifest, err error) {
	file, err := u.options.Files.Open(p)
	if err != nil {
		return m, err
	}
	defer file.Close()
	b, err := u.shelf.open(file)
	if err != nil {
		return m, err
	}
	return b.Manifest, nil
}
