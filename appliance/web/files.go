package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"causeway/appliance/model"
	"causeway/appliance/storage"
	"causeway/appliance/storage/files"
)

// filesPath is the page of the files of the box.
const filesPath = "/administration/files"

// entriesMost is how many files stand on a page.
const entriesMost = 200

// errFiles refuses what the rules of groups call files.
var errFiles = errors.New("no group of yours permits that")

// browsing shows a directory of the box ("?path=harddisk:/log"), gives its files and
// changes what is in it. Who may do what is as over SFTP.
type browsing struct{}

func (browsing) name() string { return "files" }

func (browsing) permits(rights model.Rights) error {
	if !rights.FilesRead && !rights.FilesWrite {
		return errFiles
	}
	return nil
}

// directory is what stands in the template files.html.
type directory struct {
	Form    form
	Path    storage.Path
	URL     string
	Above   string // the URL of the directory above; empty: there is none
	Volumes []link
	Entries []file
	Next    string // the URL of the entries behind these; empty: those are all
	FreeKB  uint64
	TotalKB uint64
	Changes bool // who looks may write
	Delete  *deletion
}

// file is an entry of a directory.
type file struct {
	files.Entry
	URL string // empty: it is not to be had
}

// deletion is what somebody is asked before something is gone.
type deletion struct {
	Name  string
	IsDir bool
}

// directoryURL is where a directory is shown.
func directoryURL(p storage.Path) string {
	return filesPath + "?" + url.Values{"path": {p.String()}}.Encode()
}

// downloadURL is that of a file.
func downloadURL(p storage.Path) string {
	return filesPath + "?" + url.Values{"part": {browsing{}.name()}, "as": {"file"}, "path": {p.String()}}.Encode()
}

// pathOf is the file or directory that a request is about, as far as somebody may
// read it.
func pathOf(v *visit) (storage.Path, error) {
	p, err := storage.ParsePath(cmp.Or(v.request.PostForm.Get("path"), v.request.Form.Get("path"), storage.Harddisk+":"))
	if err == nil && !files.MayRead(v.login.Rights, p) {
		err = fmt.Errorf("%v: %w", p, errFiles)
	}
	return p, err
}

func (b browsing) show(ctx context.Context, v *visit) (view, error) { return b.look(ctx, v, nil) }

// look shows a directory, with what is asked about one of its entries.
func (b browsing) look(ctx context.Context, v *visit, asked *deletion) (view, error) {
	p, err := pathOf(v)
	if err != nil {
		return view{}, err
	}
	d := directory{Form: v.form(b), Path: p, URL: directoryURL(p), Changes: v.login.Rights.FilesWrite, Delete: asked}
	for _, volume := range storage.Volumes() {
		d.Volumes = append(d.Volumes, link{directoryURL(storage.Path{Volume: volume, Name: "."}), volume + ":", volume == p.Volume})
	}
	if !p.IsVolume() {
		d.Above = directoryURL(p.Dir())
	}
	list, err := v.Files.List(ctx, files.ListRequest{Path: p, After: []byte(v.request.Form.Get("after")), Most: entriesMost})
	if err != nil {
		return view{}, err
	}
	d.FreeKB, d.TotalKB = list.FreeKB, list.TotalKB
	if len(list.Next) > 0 {
		d.Next = directoryURL(p) + "&" + url.Values{"after": {string(list.Next)}}.Encode()
	}
	for _, e := range list.Entries {
		one := file{Entry: e}
		at, err := p.Join(e.Name)
		switch {
		case err != nil || !files.MayRead(v.login.Rights, at): // a name that cannot be typed, too
		case e.IsDir:
			one.URL = directoryURL(at)
		default:
			one.URL = downloadURL(at)
		}
		d.Entries = append(d.Entries, one)
	}
	return view{template: "files", data: d}, nil
}

// notHad is why somebody does not get the file that he asks for: there is none, or it
// is not for him. It is no fault of the box.
type notHad struct{ error }

// Unwrap gives the reason.
func (n notHad) Unwrap() error { return n.error }

// download gives a file: of one that grows, what is there now.
func (browsing) download(_ context.Context, v *visit) (download, error) {
	p, err := pathOf(v)
	if err != nil {
		return download{}, notHad{err}
	}
	opened, err := v.Files.Open(p)
	if err != nil {
		return download{}, notHad{err}
	}
	info, err := opened.Stat()
	if err != nil {
		opened.Close()
		return download{}, err
	}
	if v.request.Method == http.MethodHead { // nobody reads it
		opened.Close()
	}
	return download{p.Base(), info.Size(), func(to io.Writer) error {
		defer opened.Close()
		_, err := io.CopyN(to, opened, info.Size())
		return err
	}}, nil
}

func (b browsing) take(ctx context.Context, v *visit) (answer, error) {
	p, err := pathOf(v)
	if err == nil && !v.login.Rights.FilesWrite {
		err = errFiles
	}
	if err != nil {
		return answer{}, err
	}
	form := v.request.PostForm
	to := answer{to: directoryURL(p)}
	if name := form.Get("delete"); name != "" {
		at, err := within(p, name)
		if err != nil {
			return answer{}, err
		}
		if form.Get("sure") == "" {
			found, err := v.Files.Stat(at)
			if err != nil {
				return answer{}, err
			}
			to.instead, err = b.look(ctx, v, &deletion{name, found.IsDir()})
			return to, err
		}
		recursive := form.Get("recursive") != ""
		if err := v.Files.Remove(at, recursive); err != nil {
			return answer{}, err
		}
		to.notice = fmt.Sprintf("Deleted %v", at)
		v.note(ctx, fmt.Sprintf("web delete %v", at))
		return to, nil
	}
	at, err := within(p, form.Get("directory"))
	if err == nil {
		err = v.Files.Mkdir(at)
	}
	if err != nil {
		return answer{}, err
	}
	to.notice = fmt.Sprintf("Made directory %v", at)
	v.note(ctx, fmt.Sprintf("web mkdir %v", at))
	return to, nil
}

// within is the path of a name in a directory.
func within(dir storage.Path, name string) (storage.Path, error) {
	if name == "" || strings.Contains(name, "/") {
		return storage.Path{}, fmt.Errorf("%q is no name of a file: it has a character and no slash", name)
	}
	return dir.Join(name)
}

// uploading is a form that brings a file to a directory of the box. It is there
// whole or not at all.
type uploading struct {
	anchor, title, text string
	accept              string       // what the browser offers: ".pem,.crt"
	to                  storage.Path // zero: the directory that the page is about
	octets              int64        // at most
	then                func(storage.Path) answer
}

func (u uploading) name() string { return u.anchor }

func (u uploading) most() int64 { return u.octets }

func (uploading) permits(rights model.Rights) error {
	if !rights.FilesWrite {
		return errFiles
	}
	return nil
}

// directory is where the file goes.
func (u uploading) directory(v *visit) (storage.Path, error) {
	if u.to != (storage.Path{}) {
		return u.to, nil
	}
	return pathOf(v)
}

func (u uploading) show(_ context.Context, v *visit) (view, error) {
	to, err := u.directory(v)
	return view{template: "upload", data: struct {
		Form                form
		Title, Text, Accept string
		To                  storage.Path
	}{v.form(u), u.title, u.text, u.accept, to}}, err
}

func (u uploading) take(ctx context.Context, v *visit) (answer, error) {
	if v.file == nil {
		return answer{}, errors.New("choose a file")
	}
	dir, err := u.directory(v)
	if err == nil && u.to != (storage.Path{}) && !u.to.IsVolume() {
		if err = v.Files.Mkdir(u.to); errors.Is(err, fs.ErrExist) {
			err = nil
		}
	}
	if err != nil {
		return answer{}, err
	}
	form := v.request.PostForm
	to, err := within(dir, cmp.Or(form.Get("name"), v.file.name))
	if err == nil {
		err = v.Files.Receive(ctx, to, v.file, form.Get("replace") != "")
	}
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		err = fmt.Errorf("%s has more than %d octets", v.file.name, u.octets)
	}
	if err != nil {
		return answer{}, err
	}
	v.note(ctx, fmt.Sprintf("web put %v", to))
	return u.then(to), nil
}

// shelf shows the files of one directory, which is empty until something is put
// there, with what may be done with each.
type shelf struct {
	anchor, title string
	dir           storage.Path
	act           string                    // "Restore"
	leads         func(storage.Path) string // where that is done
}

func (s shelf) name() string { return s.anchor }

func (shelf) permits(rights model.Rights) error { return browsing{}.permits(rights) }

func (s shelf) show(ctx context.Context, v *visit) (view, error) {
	list, err := v.Files.List(ctx, files.ListRequest{Path: s.dir, Most: entriesMost})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return view{}, err
	}
	type row struct {
		file
		Leads string
	}
	var rows []row
	for _, e := range list.Entries {
		if at, err := s.dir.Join(e.Name); err == nil && !e.IsDir {
			rows = append(rows, row{file{e, downloadURL(at)}, s.leads(at)})
		}
	}
	return view{template: "shelf", data: struct {
		Title, Act, URL string
		Dir             storage.Path
		More            bool
		Files           []row
	}{s.title, s.act, directoryURL(s.dir), s.dir, len(list.Next) > 0, rows}}, nil
}
