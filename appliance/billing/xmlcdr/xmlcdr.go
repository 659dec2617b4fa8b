// Package xmlcdr is billing by XML: one record for each call that is over, in
// the words of the source documents' XML billing schema (billing requirements
// §3). Elements and attributes that the schema leaves open are ours;
// docs/cdr.xsd and docs/cdr.dtd say which there are.
//
// In: call records as the Billing Manager made them, from the billing cache.
// Out: files in the directory of "cdr path", and on another system if "cdr
// transfer" says so. The rules of the directory:
//
//   - Calls are appended to billing-INSTANCE-TIME-NUMBER.xml.part, behind those
//     of each write a mark with a checksum. A file that is full or old enough
//     becomes the same without .part: a copy without marks, which is whole on
//     the disk before the part goes. FAT has no rename that a power cut leaves
//     whole, so nothing depends on one there.
//   - What an earlier life or a fault left as .part is finished first, as far as
//     its marks are right. Calls that stand in it or in the newest files are not
//     written again. Where damage hides marks, the part is kept as .bad.
//   - Each finished file has a line in md5checksum1.log or md5checksum2.log.
//     Beyond 2 MB (2,000,000 octets) the other one is emptied and goes on.
//   - A file without calls is never made.
//   - After a fault everything is opened anew, for the directory may come back as
//     that of another stick. Nothing is written below a mount point whose
//     volume is gone.
package xmlcdr

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"causeway/appliance/billing/segment"
	"causeway/appliance/model"
)

// Options of Open.
type Options struct {
	Dir string // of the files
	// Mount is the mount point that Dir is below. Unless something is mounted
	// there nothing is written. Empty: that is not looked at.
	Mount string
	// Journal is the directory of the journal of call events. On its file system
	// room is left for it, so that calls go on when there is none for CDR files.
	// Empty: it is elsewhere.
	Journal  string
	SBC      netip.Addr // of the box, as the files name it; not valid: 0.0.0.0
	Settings model.XMLMethod
	Secret   string // the password of Settings.Transfer, opened
	Log      *slog.Logger

	open  func(path string) (directory, error)
	space func(path string) (segment.Space, error)
	look  time.Duration // between two looks for files to be transferred
}

// Defaults (seed 003).
const (
	DefaultInterval = 180   // seconds
	DefaultSize     = 10240 // KB
)

// retryInterval is how often a directory that cannot be used is tried without
// anybody asking.
const retryInterval = 10 * time.Second

// Files are the CDR files of the XML instance. Append, Run and Status may be
// called at the same time.
type Files struct {
	options  Options
	interval time.Duration // that a file is written to
	limit    int64         // of a file, in octets
	target   *target       // nil: nothing is transferred

	writing sync.Mutex // over what changes the disk; taken before mu, held while the disk works
	dir     directory  // in use; nil while there is a fault
	part    *part      // being written; nil: the next call begins one
	number  int        // of the newest file
	logs    checksums
	known   recent    // calls that stand in files
	tried   time.Time // when the directory was opened last
	// unreadable is how often in a row a part could not be read to its end.
	unreadable int
	owed       bool // the last Append failed
	closed     bool

	mu     sync.Mutex
	status model.CDRStatus
}

// Open takes the directory into use and makes it if it is not there. Trouble
// with the disk is no error: Append fails then, and Status says why. The error
// is that of CheckTransfer. Run must be called; it closes the files.
func Open(o Options) (*Files, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.open == nil {
		o.open = openDirectory
	}
	if o.space == nil {
		o.space = segment.SpaceOf
	}
	o.look = cmp.Or(o.look, transferInterval)
	f := &Files{
		options:  o,
		interval: time.Duration(cmp.Or(o.Settings.Interval, DefaultInterval)) * time.Second,
		limit:    int64(cmp.Or(o.Settings.Size, DefaultSize)) << 10,
		status:   model.CDRStatus{Directory: o.Dir},
	}
	if o.Settings.Transfer.URL != "" {
		t, err := parseTarget(o.Settings.Transfer)
		if err != nil {
			return nil, err
		}
		f.target = &t
	}
	f.writing.Lock()
	defer f.writing.Unlock()
	f.end(f.ready())
	return f, nil
}

// Append writes <call> elements as Call.AppendTo makes them. When it returns
// nil they are on the disk. After an error the same ones are to be given again:
// none of them counts, and those that reached the disk nevertheless will be
// known. fs.ErrClosed says that Run is over.
func (f *Files) Append(calls ...[]byte) error {
	f.writing.Lock()
	defer f.writing.Unlock()
	if f.closed {
		return fs.ErrClosed
	}
	err := f.ready()
	if err == nil {
		err = f.write(calls)
	}
	f.owed = err != nil
	f.end(err)
	return err
}

// Run finishes files when their time has come, watches the free space and
// transfers files. When ctx ends it finishes the last file and closes all.
func (f *Files) Run(ctx context.Context) error {
	var transfers sync.WaitGroup
	defer transfers.Wait()
	if f.target != nil {
		transfers.Go(func() { f.transfer(ctx) })
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return f.close()
		case <-ticker.C:
			f.keepUp()
		}
	}
}

// keepUp does the work of one second.
func (f *Files) keepUp() {
	f.writing.Lock()
	defer f.writing.Unlock()
	if f.dir == nil && time.Since(f.tried) < retryInterval {
		return
	}
	err := f.ready()
	if err == nil && f.part != nil && time.Since(f.part.begun) >= f.interval {
		err = f.roll()
	}
	if err == nil {
		_, err = f.measure()
	}
	f.end(err)
}

// end ends a piece of work. After a fault the directory is given up, for what
// the kernel did with the pages of its files cannot be known.
func (f *Files) end(err error) {
	if err != nil && !errors.Is(err, errRoom) {
		f.leave()
	}
	f.tell(err)
}

// close finishes the last file. Append fails from then on.
func (f *Files) close() error {
	f.writing.Lock()
	defer f.writing.Unlock()
	f.closed = true
	var err error
	if f.part != nil {
		err = f.roll()
	}
	f.leave()
	f.tell(err)
	return err
}

// Status says how the files stand.
func (f *Files) Status() *model.CDRStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	status := f.status
	return &status
}

// tell notes what is in the way of writing, nil for nothing, and logs it when it
// begins and ends. While calls wait to be given again an end is only believed
// once they are written.
func (f *Files) tell(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err != nil:
		if f.status.Problem == "" {
			f.options.Log.Error("CDR files cannot be written", "error", err)
		}
		f.status.Problem = err.Error()
	case f.status.Problem != "" && !f.owed:
		f.options.Log.Info("CDR files can be written again")
		f.status.Problem = ""
	}
	f.status.Current, f.status.CurrentBytes, f.status.CurrentCalls = "", 0, 0
	if p := f.part; p != nil && p.size > 0 {
		f.status.Current, f.status.CurrentBytes, f.status.CurrentCalls = p.name+partSuffix, p.size, p.calls
	}
}
