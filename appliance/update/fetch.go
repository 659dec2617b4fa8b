package update

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// Fetch is a bundle that COM has the box fetch, in the background. What has come of
// it is kept, by its SHA-256: whoever asks for the same bundle again goes on where
// it broke off, also after a reboot and from elsewhere.
type Fetch struct {
	Name   string // that the file gets
	Size   int64  // octets
	SHA256 string // in hexadecimal
	By     model.Operator
	// Get gives the octets from an offset on, and the offset that they begin at.
	// An error with a method Final() true is not tried again.
	Get func(ctx context.Context, offset int64) (content io.ReadCloser, from int64, err error)
}

// Fetching is how that stands.
type Fetching struct {
	SHA256  string
	Have    int64 // octets
	Size    int64
	Problem string // why it ended; empty: it goes on
}

// fetching is the Fetch that is under way, or failed.
type fetching struct {
	Fetch
	stop    context.CancelFunc // ends it
	have    int64
	problem string
}

// How rarely a failure is tried again.
const (
	firstRetry = 10 * time.Second // then twice as long each time
	lastRetry  = 10 * time.Minute
	mostTries  = 12 // in a row that bring nothing
)

// Fetch begins to fetch a bundle, in the place of any that was under way. One that
// is staged already ends.
func (u *Update) Fetch(f Fetch) {
	u.options.Log.Info("a bundle is to be fetched", "name", f.Name, "octets", f.Size, "sha256", f.SHA256, "by", f.By.String())
	u.Drop()
	u.mu.Lock()
	u.fetching = &fetching{Fetch: f, stop: func() {}}
	u.mu.Unlock()
	select {
	case u.fetch <- struct{}{}:
	default: // there is one already
	}
}

// Drop ends what Fetch began; what has come stays.
func (u *Update) Drop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if f := u.fetching; f != nil {
		f.stop()
		u.fetching = nil
	}
}

// Fetching tells of what Fetch began, until it is there; nil: nothing is under way.
func (u *Update) Fetching() *Fetching {
	u.mu.Lock()
	defer u.mu.Unlock()
	f := u.fetching
	if f == nil {
		return nil
	}
	return &Fetching{f.SHA256, f.have, f.Size, f.problem}
}

// RunFetches fetches what is to be fetched until ctx ends.
func (u *Update) RunFetches(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-u.fetch:
		}
		running, stop := context.WithCancel(ctx)
		u.mu.Lock()
		f := u.fetching
		if f != nil {
			f.stop = stop
		}
		u.mu.Unlock()
		if f != nil {
			u.fetched(f, u.bringFetch(running, f))
		}
		stop()
	}
}

// fetched notes how a Fetch has ended, unless there is another one.
func (u *Update) fetched(f *fetching, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.fetching != f {
		return
	}
	if err != nil {
		f.problem = err.Error()
		u.options.Log.Warn("a bundle is not staged", "name", f.Name, "error", err)
		return
	}
	u.fetching = nil
	u.options.Log.Info("a bundle is staged", "name", f.Name, "sha256", f.SHA256)
}

// bringFetch makes a bundle stand on the shelf. Unless trying again would not mend
// what is wrong, it is tried again.
func (u *Update) bringFetch(ctx context.Context, f *fetching) error {
	if s := u.shelf.staged(); s != nil && s.Name == f.Name && s.SHA256 == f.SHA256 {
		return nil
	}
	if _, err := u.begin("COM"); err != nil {
		return err
	}
	defer u.ended()
	dir, err := u.shelf.dir()
	if err != nil {
		return err
	}
	name := f.SHA256 + partSuffix
	sweep(dir, name, "")
	part, err := storage.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return fmt.Errorf("keep the bundle: %w", err)
	}
	defer part.Close()
	most := int64(0)
	for tries, wait := 0, firstRetry; ; {
		have, err := u.goOn(ctx, part, f)
		if err == nil {
			break
		}
		if tries++; have > most {
			most, tries, wait = have, 0, firstRetry
		}
		if ctx.Err() != nil || tries == mostTries || isFinal(err) {
			return err
		}
		u.options.Log.Warn("a bundle broke off, it is tried again", "name", f.Name, "error", err, "after", wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, lastRetry)
	}
	if err := u.checkPart(ctx, part, f); err != nil {
		return errors.Join(err, os.Remove(part.Name()))
	}
	_, err = u.shelf.finish(dir, part, f.Name, f.SHA256)
	return err
}

// checkPart says why a part that has its size is not the bundle that was asked for,
// or none for this box.
func (u *Update) checkPart(ctx context.Context, part *os.File, f *fetching) error {
	sum := sha256.New()
	whole := io.NewSectionReader(part, 0, f.Size)
	if _, err := io.Copy(sum, whole); err != nil {
		return err
	}
	if is := hex.EncodeToString(sum.Sum(nil)); is != f.SHA256 {
		return fmt.Errorf("what came has the SHA-256 %s", is)
	}
	if _, err := whole.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := u.shelf.check(ctx, whole, u.floor())
	return err
}

// errFinal ends what trying again would not mend.
var errFinal = errors.New("the bundle cannot be had")

// isFinal says whether trying again would not mend an error: one of ours, or what
// the other side says.
func isFinal(err error) bool {
	var of interface{ Final() bool }
	return errors.As(err, &of) && of.Final() || errors.Is(err, errFinal) || errors.Is(err, errRoom)
}

// goOn goes on with a part until it has the size of the bundle, and says how many
// octets it has.
func (u *Update) goOn(ctx context.Context, part *os.File, f *fetching) (have int64, err error) {
	info, err := part.Stat()
	if err != nil {
		return 0, err
	}
	have = info.Size()
	u.progress(f, have)
	if have >= f.Size {
		return f.Size, part.Truncate(f.Size)
	}
	if err := room(part, f.Size-have); err != nil {
		return have, err
	}
	content, from, err := f.Get(ctx, have)
	if err != nil {
		return have, err
	}
	defer content.Close()
	have = from
	if err := part.Truncate(have); err != nil {
		return have, fmt.Errorf("%w: shorten what has come of it: %w", errFinal, err)
	}
	for have < f.Size {
		n, err := io.CopyN(io.NewOffsetWriter(part, have), content, min(flushEvery, f.Size-have))
		have += n
		u.progress(f, have)
		if flushed := part.Sync(); err == nil {
			err = flushed
		}
		if err != nil {
			return have, fmt.Errorf("after %d of %d octets: %w", have, f.Size, err)
		}
	}
	if n, _ := content.Read(make([]byte, 1)); n > 0 {
		return have, fmt.Errorf("%w: it has more than %d octets", errFinal, f.Size)
	}
	return have, nil
}

func (u *Update) progress(f *fetching, have int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f.have = have
	if b := u.staging; b != nil {
		b.size = f.Size
		b.have.Store(have)
	}
}
