package web

import (
	"bytes"
	"cmp"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/model"
	"causeway/appliance/storage"
	"causeway/appliance/storage/files"
)

// filing is a box with volumes, and what is on them.
func filing(t *testing.T) (b *box, dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, volume := range storage.Volumes() {
		if err := os.Mkdir(filepath.Join(dir, volume), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put := func(name, text string) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("harddisk/notes/page.html", "<script>alert(1)</script>")
	put("harddisk/notes/Ämter.txt", "x")
	put("harddisk/log/messages", "up")
	put("bootflash/control/revisions/1", "hostname a")
	put("bootflash/license/key", "secret")
	b = newBox(t, map[string]any{"control.access.audit": struct{}{}}, func(o *Options) { o.Files = files.New(dir, nil) })
	b.people.rights["reader"] = model.Rights{FilesRead: true}
	b.people.rights["writer"] = model.Rights{FilesWrite: true}
	return b, dir
}

func fileQuery(path string) string {
	return filesPath + "?" + url.Values{"part": {"files"}, "as": {"file"}, "path": {path}}.Encode()
}

func TestFilesList(t *testing.T) {
	b, _ := filing(t)
	w := b.login(t, "reader")
	for path, want := range map[string][]string{
		"":                             {"harddisk:/", ">notes/</a>", ">log/</a>", "usb0:"},
		"harddisk:/notes":              {">page.html</a>", ">Ämter.txt</a>", ">..</a>", "as=file"},
		"bootflash:control":            {"<td>revisions/</td>"}, // no way to configurations for who may not see the one in force
		"bootflash:/control/revisions": {"no group of yours permits that"},
		"harddisk:/../etc":             {"leads out of its volume"},
		"/etc":                         {"does not begin with a volume"},
		"harddisk:/none":               {"no such file or directory"},
	} {
		_, page := w.get(filesPath + "?" + url.Values{"path": {path}}.Encode())
		for _, text := range want {
			if !strings.Contains(page, text) {
				t.Errorf("the page of %q does not have %q:\n%s", path, text, page)
			}
		}
		if strings.Contains(page, `name="delete"`) || strings.Contains(page, `type="file"`) {
			t.Errorf("the page of %q offers changes to who may only read", path)
		}
	}
	if status, _ := b.login(t, "bob").get(filesPath); status != http.StatusForbidden {
		t.Errorf("who may not read files has the page: %d", status)
	}
}

func TestFilesDownload(t *testing.T) {
	b, _ := filing(t)
	w := b.login(t, "reader")
	answer, text := w.do(w.request(http.MethodGet, fileQuery("harddisk:/notes/page.html"), ""))
	if text != "<script>alert(1)</script>" {
		t.Errorf("the file is %q", text)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/octet-stream", "Content-Disposition": "attachment; filename=page.html",
		"X-Content-Type-Options": "nosniff", "Content-Length": "25",
	} {
		if got := answer.Header.Get(name); got != want {
			t.Errorf("%s: %s; want %s", name, got, want)
		}
	}
	if answer, _ = w.do(w.request(http.MethodGet, fileQuery("harddisk:/notes/Ämter.txt"), "")); answer.Header.Get("Content-Disposition") != "attachment; filename*=utf-8''%C3%84mter.txt" {
		t.Errorf("the file is called %s", answer.Header.Get("Content-Disposition"))
	}
	for path, want := range map[string]string{
		"bootflash:/license/key":         "holds a secret",
		"bootflash:/control/revisions/1": "no group of yours permits that",
		"harddisk:/notes":                "is not a file",
		"harddisk:/notes/none":           "no such file",
		"harddisk:../../etc/passwd":      "leads out of its volume",
		"/etc/passwd":                    "does not begin with a volume",
	} {
		if answer, text := w.do(w.request(http.MethodGet, fileQuery(path), "")); answer.StatusCode != http.StatusNotFound || !strings.Contains(text, want) {
			t.Errorf("%s is answered with %s and not with %q: %s", path, answer.Status, want, text)
		}
	}
	if status, text := b.login(t, user).get(fileQuery("bootflash:/control/revisions/1")); status != http.StatusOK || text != "hostname a" {
		t.Errorf("who may do all gets %d, %s; want the configuration", status, text)
	}
}

func TestFilesChange(t *testing.T) {
	b, dir := filing(t)
	w := b.login(t, "writer")
	path := filesPath + "?path=harddisk%3A%2Fnotes"
	there := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, "harddisk/notes", name))
		return err == nil
	}
	if status, text := w.send(path, "files", url.Values{"delete": {"page.html"}}); status != http.StatusUnprocessableEntity || !strings.Contains(text, "Delete page.html?") || !there("page.html") {
		t.Errorf("nobody was asked: %d %s", status, text)
	}
	if status, text := w.send(path, "files", url.Values{"delete": {"page.html"}, "sure": {"1"}}); status != http.StatusOK || !strings.Contains(text, "Deleted harddisk:/notes/page.html") || there("page.html") {
		t.Errorf("it is not deleted: %d %s", status, text)
	}
	if _, text := w.send(path, "files", url.Values{"directory": {"new"}}); !strings.Contains(text, "Made directory harddisk:/notes/new") || !there("new") {
		t.Errorf("there is no directory: %s", text)
	}
	for _, test := range []struct {
		fields url.Values
		want   string
	}{
		{url.Values{"delete": {"../log"}, "sure": {"1"}}, "is no name of a file"},
		{url.Values{"directory": {".."}}, "is a whole volume"},
		{url.Values{"directory": {"a b"}}, "a name has a blank"},
		{url.Values{"directory": {""}}, "is no name of a file"},
		{url.Values{"path": {"harddisk:/log"}, "delete": {"messages"}, "sure": {"1"}}, "belongs to the box itself"},
	} {
		if status, text := w.send(path, "files", test.fields); status != http.StatusUnprocessableEntity || !strings.Contains(text, test.want) {
			t.Errorf("%v: %d, without %q: %s", test.fields, status, test.want, text)
		}
	}
	if _, text := b.login(t, "reader").send(path, "files", url.Values{"directory": {"no"}}); !strings.Contains(text, "No group of yours permits that") || there("no") {
		t.Errorf("who may only read has made a directory: %s", text)
	}
	audited := slices.DeleteFunc(b.Called(), func(call string) bool { return !strings.HasPrefix(call, "control.access.audit ") })
	if len(audited) != 2 || !strings.Contains(audited[0], `"line":"web delete harddisk:/notes/page.html"`) {
		t.Errorf("written down was %q", audited)
	}
}

// TestBackupFiles: a backup that was brought may be taken home and restored.
func TestBackupFiles(t *testing.T) {
	b, _ := filing(t)
	b.people.rights["writer"] = everything
	w := b.login(t, "writer")
	_, page := w.get(backupPath)
	shows(t, page, "There is none in harddisk:/backup.")
	_, page = w.upload(backupPath, map[string]string{}, "box&1.age", "sealed", 0)
	shows(t, page, "harddisk:/backup/box&amp;1.age is on the box", `value="harddisk:/backup/box&amp;1.age"`, "?FROM=harddisk%3A%2Fbackup%2Fbox%261.age#part-backup-restore")
	if _, text := w.get(fileQuery("harddisk:/backup/box&1.age")); text != "sealed" {
		t.Errorf("the backup is %q", text)
	}
}

// upload fills in the form that brings a file; of what is sent the first octets
// arrive, or all if cut is 0.
func (w *browser) upload(path string, fields map[string]string, name, content string, cut int) (status int, text string) {
	w.t.Helper()
	_, page := w.get(path)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	fields["part"], fields["token"] = cmp.Or(fields["part"], "upload"), tokenOf(w.t, page)
	for name, value := range fields {
		if err := form.WriteField(name, value); err != nil {
			w.t.Fatal(err)
		}
	}
	file, err := form.CreateFormFile("file", name)
	if err != nil {
		w.t.Fatal(err)
	}
	io.WriteString(file, content)
	form.Close()
	sent := body.String()
	if cut > 0 {
		sent = sent[:len(sent)-cut]
	}
	r := w.request(http.MethodPost, path, sent)
	r.Header.Set("Content-Type", form.FormDataContentType())
	answer, text := w.do(r)
	if to := answer.Header.Get("Location"); to != "" {
		return w.get(to)
	}
	return answer.StatusCode, text
}

func TestUpload(t *testing.T) {
	b, dir := filing(t)
	w := b.login(t, "writer")
	path := filesPath + "?path=harddisk%3A%2Fnotes"
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, "harddisk/notes", name))
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	long := strings.Repeat("0123456789", 200<<10) // more than what a form may have besides
	if status, text := w.upload(path, map[string]string{}, "box.age", long, 0); status != http.StatusOK || !strings.Contains(text, "harddisk:/notes/box.age is on the box") || read("box.age") != long {
		t.Errorf("the file is not there: %d %s", status, text)
	}
	for _, test := range []struct {
		fields     map[string]string
		name, want string
		file       string // that is there or is not
		content    string
	}{
		{map[string]string{}, "box.age", "file already exists", "box.age", long},
		{map[string]string{"replace": "1"}, "box.age", "is on the box", "box.age", "short"},
		{map[string]string{"name": "other"}, "a b (1).age", "notes/other is on the box", "other", "short"},
		{map[string]string{}, "a b.age", "a name has a blank", "a b.age", ""},
		{map[string]string{}, "../../up", "notes/up is on the box", "up", "short"},
		{map[string]string{"name": "../up2"}, "x", "is no name of a file", "../up2", ""},
		{map[string]string{"path": "bootflash:/keys"}, "x", "belongs to the box itself", "x", ""},
		{map[string]string{}, "", "Choose a file", "", ""},
	} {
		_, text := w.upload(path, test.fields, test.name, "short", 0)
		if !strings.Contains(text, test.want) {
			t.Errorf("%v of %q: no %q in %s", test.fields, test.name, test.want, text)
		}
		if got := read(test.file); test.content != "" && got != test.content || test.content == "" && got == "short" {
			t.Errorf("%v of %q: %s has %.20q; want %.20q", test.fields, test.name, test.file, got, test.content)
		}
	}
	// What does not come whole is not there, and what was there before stays.
	for cut := len("short\r\n"); cut > 4; cut-- { // the last boundary ends with "--\r\n"
		w.upload(path, map[string]string{"replace": "1"}, "other", "cut off", cut+len("\r\n--"))
		w.upload(path, map[string]string{"name": "fresh"}, "fresh", "cut off", cut+len("\r\n--"))
	}
	if got := read("other"); got != "short" {
		t.Errorf("half an upload has replaced a file: %q", got)
	}
	if got := read("fresh"); !strings.Contains(got, "no such file") {
		t.Errorf("half an upload is there: %q", got)
	}
	if list, err := filepath.Glob(filepath.Join(dir, "harddisk/notes/.causeway*")); err != nil || len(list) > 0 {
		t.Errorf("uploads have left %v, %v", list, err)
	}
	if status, text := b.login(t, "reader").upload(path, map[string]string{}, "no", "x", 0); status != http.StatusForbidden {
		t.Errorf("who may only read has brought a file: %d %s", status, text)
	}
}
