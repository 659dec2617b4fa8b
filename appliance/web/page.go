package web

import (
	"context"
	"io"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// page is one page of the menu: parts below each other.
type page struct {
	path  string // of its URL: "/monitor/calls"
	title string
	intro string // a sentence or two under the title; may be empty
	parts []part
	// mode is that of the places which the page is about; empty: it is about none.
	mode config.Mode
	// place gives the one that it is about where its address names none; nil: it
	// must name one.
	place func(c *model.Config) []string
	// hidden pages stand not in the menu: others lead to them.
	hidden bool
}

// part is a piece of a page. It keeps nothing of its own: what it needs to know it
// asks for at each view.
type part interface {
	// name is unique in its page, of small letters and hyphens: its anchor, and what
	// a form of it, and a request for it alone ("?part="), say.
	name() string
	// permits says what the groups of who looks have against the part; it is left
	// out then, and so is a page without parts.
	permits(rights model.Rights) error
	// show gives what the part's template is filled with. An error is shown in the
	// place of the part; the others do not suffer.
	show(ctx context.Context, v *visit) (view, error)
}

// view is a template ("doing" is templates/doing.html) and what it is filled with.
type view struct {
	template string
	data     any
	every    time.Duration // the part is to be fetched again after; 0: as live has it
}

// taker is a part that takes forms. Those have the hidden fields "part", its name,
// and "token", which stops forms of other origins; v has both checked already.
type taker interface {
	part
	take(ctx context.Context, v *visit) (answer, error)
}

// answer is what somebody is told who has sent a form.
type answer struct {
	to     string // a path of the box where he goes next; empty: to where he was
	notice string // a sentence that stands on top there, once
	// instead, where it is not zero, stands in the place of the part at once, with
	// nothing changed: the form again, with what is wrong with it.
	instead view
	done    bool // instead says what was done, since nothing more may be had from here
}

// lister is a part whose content may be had as CSV ("?part=NAME&as=csv").
type lister interface {
	part
	// list gives the heading and the rows.
	list(ctx context.Context, v *visit) (heading []string, rows [][]string, err error)
}

// downloader is a part that gives a file ("?part=NAME&as=file"). Its name is one
// for the disk of who asks; what writes it is called once, and an error of it cuts
// the answer off.
type downloader interface {
	part
	download(ctx context.Context, v *visit) (file download, err error)
}

// download is a file on its way to a browser.
type download struct {
	name   string
	octets int64 // 0: not known
	write  func(io.Writer) error
}

// receiver is a taker whose form brings a file (multipart/form-data), as its last
// field. take reads it from visit.file as it comes.
type receiver interface {
	taker
	most() int64 // octets of a file
}

// live is a part that is fetched again and again while somebody looks at it. That
// keeps no session from timing out.
type live interface {
	part
	every() time.Duration
}
