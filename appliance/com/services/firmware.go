package services

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// FirmwareOptions are what a Firmware is made of.
type FirmwareOptions struct {
	Volumes string // directory that the volumes are mounted in
	Store   *Store
	Version string // that runs
	Log     *slog.Logger
}

// Firmware brings images of the firmware from the file store to
// harddisk:/firmware/, one at a time. Nothing here looks into an image, and
// nothing puts it in force.
//
// While an image comes it is a file SHA256.part, so whoever asks for the same
// image again goes on where it broke off, also after a reboot and with another
// URL. One that is whole, and is what was asked for, stands under its own name,
// with NAME.sha256 beside it as sha256sum(1) writes it.
type Firmware struct {
	options FirmwareOptions
	kick    chan struct{} // holds one: there is another job

	mu      sync.Mutex
	job     *wire.FirmwareStage // that is under way, or failed
	stop    context.CancelFunc  // ends the job
	have    int64               // octets of it
	problem string
}

// NewFirmware makes the service. Run must be called for it.
func NewFirmware(o FirmwareOptions) *Firmware {
	return &Firmware{options: o, kick: make(chan struct{}, 1), stop: func() {}}
}

// Methods are what COM may call.
func (f *Firmware) Methods() []gate.Method {
	return []gate.Method{
		{
			Name: wire.MethodFirmwareStage, Service: model.COMFirmware, Signed: true, May: mayStage, Handle: taking(f.stage),
			Told: told(func(p wire.FirmwareStage) string { return p.Name + " " + p.SHA }), // and not its URL
		},
		{Name: wire.MethodFirmwareStatus, Service: model.COMFirmware, May: gate.MayExec("show version"), Handle: taking(f.status)},
	}
}

// mayStage: who may bring files may bring an image.
func mayStage(r model.Rights) bool { return r.FilesWrite }

// sha256Text is a SHA-256 in hexadecimal.
var sha256Text = regexp.MustCompile(`^[0-9a-f]{64}$`)

// largest is the size of an image at most, in octets.
const largest = 2 << 30

// stage begins to fetch an image. One that is fetched already ends.
func (f *Firmware) stage(ctx context.Context, caller gate.Caller, p wire.FirmwareStage) (wire.Firmware, error) {
	if err := f.options.Store.check(p.URL); err != nil {
		return wire.Firmware{}, err
	}
	switch {
	case !fileName.MatchString(p.Name) || strings.HasSuffix(p.Name, partSuffix) || strings.HasSuffix(p.Name, sumSuffix):
		return wire.Firmware{}, gate.Refuse(wire.CodeParams, "%q is not the name of an image", p.Name)
	case p.Size < 1 || p.Size > largest:
		return wire.Firmware{}, gate.Refuse(wire.CodeParams, "an image has 1 to %d octets", largest)
	case !sha256Text.MatchString(p.SHA):
		return wire.Firmware{}, gate.Refuse(wire.CodeParams, "the SHA-256 is 64 characters of hexadecimal")
	}
	f.options.Log.Info("an image is to be fetched", "name", p.Name, "octets", p.Size, "sha256", p.SHA, "by", caller.Operator)
	f.mu.Lock()
	f.stop()
	f.job, f.have, f.problem = &p, 0, ""
	f.mu.Unlock()
	select {
	case f.kick <- struct{}{}:
	default: // there is one already
	}
	return f.status(ctx, caller, struct{}{})
}

// Apply takes the configuration in force. An image that is under way is left
// where it is when the service is switched off.
func (f *Firmware) Apply(c *model.Config) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.job == nil || c.COM.Serves(model.COMFirmware) {
		return
	}
	f.options.Log.Warn("an image is not fetched: the service is switched off", "name", f.job.Name)
	f.job = nil
	f.stop()
}

func (f *Firmware) status(context.Context, gate.Caller, struct{}) (wire.Firmware, error) {
	answer := wire.Firmware{Running: f.options.Version}
	if dir, err := f.dir(); err == nil {
		answer.Staged, answer.SHA, answer.Size = staged(dir)
		answer.Have = answer.Size
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.job != nil {
		answer.SHA, answer.Have, answer.Size, answer.Problem = f.job.SHA, f.have, f.job.Size, f.problem
	}
	return answer, nil
}

// Run fetches what is to be fetched until ctx ends.
func (f *Firmware) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.kick:
		}
		f.mu.Lock()
		job := f.job
		running, stop := context.WithCancel(ctx)
		f.stop = stop
		f.mu.Unlock()
		if job != nil {
			f.end(job, f.bring(running, *job))
		}
		stop()
	}
}

// end notes how a job has ended, unless there is another one.
func (f *Firmware) end(job *wire.FirmwareStage, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.job != job {
		return
	}
	if err != nil {
		f.problem = err.Error()
		f.options.Log.Warn("an image could not be fetched", "name", job.Name, "error", err)
		return
	}
	f.job = nil
	f.options.Log.Info("an image is there", "name", job.Name, "sha256", job.SHA)
}

// The ends of names of what is no image, and how rarely a failure is tried again.
const (
	partSuffix = ".part"
	sumSuffix  = ".sha256"

	firstRetry = 10 * time.Second // then twice as long each time
	lastRetry  = 10 * time.Minute
	mostTries  = 12 // in a row that bring nothing
)

// dir is the directory of images.
func (f *Firmware) dir() (string, error) {
	volume, err := storage.OpenVolume(f.options.Volumes, storage.Harddisk)
	if err != nil {
		return "", err
	}
	defer volume.Close()
	if err := volume.Mkdir("firmware", 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make harddisk:/firmware: %w", err)
	}
	return filepath.Join(f.options.Volumes, storage.Harddisk, "firmware"), nil
}

// bring makes an image stand in the directory. Unless the file store refuses it,
// it is tried again.
func (f *Firmware) bring(ctx context.Context, job wire.FirmwareStage) error {
	dir, err := f.dir()
	if err != nil {
		return err
	}
	if name, sum, _ := staged(dir); name == job.Name && sum == job.SHA {
		return nil
	}
	keep(dir, job.SHA+partSuffix, "")
	part, err := os.OpenFile(filepath.Join(dir, job.SHA+partSuffix), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return fmt.Errorf("keep the image: %w", err)
	}
	defer part.Close()
	most := int64(0)
	for tries, wait := 0, firstRetry; ; {
		have, err := f.fetch(ctx, part, job)
		if err == nil {
			break
		}
		if tries++; have > most {
			most, tries, wait = have, 0, firstRetry
		}
		if ctx.Err() != nil || tries == mostTries || isFinal(err) {
			return err
		}
		f.options.Log.Warn("the file store broke off, it is tried again", "name", job.Name, "error", err, "after", wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, lastRetry)
	}
	return finish(ctx, dir, part, job)
}

// errFinal ends what trying again would not mend.
var errFinal = errors.New("the image cannot be had")

// isFinal says whether trying again would not mend an error: one of ours, or what
// the store answers.
func isFinal(err error) bool {
	var status statusError
	if errors.As(err, &status) {
		return status/100 == 4 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests
	}
	return errors.Is(err, errFinal) || errors.Is(err, errRedirect)
}

// flushEvery is what is written before it is flushed, in octets.
const flushEvery = 8 << 20

// fetch goes on with a part until it has the size of the image, and says how many
// octets it has.
func (f *Firmware) fetch(ctx context.Context, part *os.File, job wire.FirmwareStage) (have int64, err error) {
	info, err := part.Stat()
	if err != nil {
		return 0, err
	}
	have = info.Size()
	f.progress(have)
	if have >= job.Size {
		return job.Size, part.Truncate(job.Size)
	}
	if err := room(part, job.Size-have); err != nil {
		return have, err
	}
	content, from, err := f.options.Store.Get(ctx, job.URL, have)
	if err != nil {
		return have, err
	}
	defer content.Close()
	if have = from; part.Truncate(have) != nil {
		return have, fmt.Errorf("%w: the file of it cannot be shortened", errFinal)
	}
	for have < job.Size {
		n, err := io.CopyN(io.NewOffsetWriter(part, have), content, min(flushEvery, job.Size-have))
		have += n
		f.progress(have)
		if flushed := part.Sync(); err == nil {
			err = flushed
		}
		if err != nil {
			return have, fmt.Errorf("after %d of %d octets: %w", have, job.Size, err)
		}
	}
	if n, _ := content.Read(make([]byte, 1)); n > 0 {
		return have, fmt.Errorf("%w: it has more than %d octets", errFinal, job.Size)
	}
	return have, nil
}

func (f *Firmware) progress(have int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.have = have
}

// room says why a volume has no room for so many octets more. A sixteenth of it
// stays free for what the box itself writes.
func room(on *os.File, octets int64) error {
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(on.Fd()), &stat); err != nil {
		return err
	}
	free, reserve := stat.Bavail*uint64(stat.Bsize), stat.Blocks*uint64(stat.Bsize)/16
	if uint64(octets)+reserve > free {
		return fmt.Errorf("%w: %d octets are to come, free are %d, of which %d stay free", errFinal, octets, free, reserve)
	}
	return nil
}

// finish makes an image of a part that has its size. What says which image is
// there is written before the part has its name, and after any other has lost it: a
// cut in between leaves the part, and no image.
func finish(ctx context.Context, dir string, part *os.File, job wire.FirmwareStage) error {
	sum, err := sumOf(ctx, io.NewSectionReader(part, 0, job.Size))
	if err != nil {
		return err
	}
	if sum != job.SHA {
		return errors.Join(fmt.Errorf("what came has the SHA-256 %s", sum), os.Remove(part.Name()))
	}
	if err := os.Remove(filepath.Join(dir, job.Name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the image of before: %w", err)
	}
	if err := storage.WriteFile(filepath.Join(dir, job.Name+sumSuffix), []byte(sum+"  "+job.Name+"\n"), 0o640); err != nil {
		return err
	}
	if err := os.Rename(part.Name(), filepath.Join(dir, job.Name)); err != nil {
		return fmt.Errorf("keep the image: %w", err)
	}
	keep(dir, "", job.Name)
	return storage.SyncDir(dir)
}

// keep removes the parts of other images than one; with a name also all images
// but that one.
func keep(dir, part, name string) {
	entries, _ := os.ReadDir(dir) // what cannot be removed now is removed the next time
	for _, e := range entries {
		isPart := strings.HasSuffix(e.Name(), partSuffix)
		if e.Name() == part || e.Name() == name || e.Name() == name+sumSuffix || name == "" && !isPart {
			continue
		}
		os.Remove(filepath.Join(dir, e.Name()))
	}
}

// staged gives the image that there is.
func staged(dir string) (name, sum string, size int64) {
	sums, _ := filepath.Glob(filepath.Join(dir, "*"+sumSuffix)) // the pattern is right
	for _, path := range sums {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		of := strings.TrimSuffix(path, sumSuffix)
		before, _, _ := strings.Cut(string(text), " ")
		if info, err := os.Stat(of); err == nil && sha256Text.MatchString(before) {
			return filepath.Base(of), before, info.Size()
		}
	}
	return "", "", 0
}
