package services

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"causeway/appliance/com/wire"
	"causeway/appliance/model"
	"causeway/appliance/storage"
	"causeway/appliance/storage/files"
)

func TestFind(t *testing.T) {
	s := newShelf(t)
	for _, test := range []struct{ name, want string }{
		{"log:", "harddisk:/log"},
		{"log:messages", "harddisk:/log/messages"},
		{"log:/access/access.log", "harddisk:/log/access/access.log"},
		{"log:access/../messages", "harddisk:/log/messages"},
		{"billing:billing-1.xml", "harddisk:/cdr/billing-1.xml"},
		{"core:proxy-1", "harddisk:/crash/proxy-1"},
		{"backup:a.tar.age", "harddisk:/backup/a.tar.age"},
		{"log:usb0:x", "harddisk:/log/usb0:x"},
		{"", ""},
		{"log", "harddisk:/log"},
		{"Log:messages", ""},
		{"bootflash:keys", ""},
		{"harddisk:log/messages", ""},
		{"log:../cdr/x", ""},
		{"backup:", "harddisk:/backup"},
		{"backup:notes", ""},
		{"backup:below/a.tar.age", ""},
		{"log:../log2", ""},
		{"log:../..", ""},
		{"log:a b", ""},
		{"log:" + strings.Repeat("x", 300), ""},
	} {
		got, err := s.files.find(test.name)
		if (err == nil) != (test.want != "") || err == nil && got.String() != test.want {
			t.Errorf("find(%q) = %v, %v; want %q", test.name, got, err, test.want)
		}
		if err != nil && codeOf(err) != wire.CodeUnsupported {
			t.Errorf("find(%q) has the code %d; want %d", test.name, codeOf(err), wire.CodeUnsupported)
		}
	}
}

func FuzzFind(f *testing.F) {
	for _, seed := range []string{"log:messages", "billing:", "core:../x", "backup:a/../../b", "log:usb0:/x", "log:\x00"} {
		f.Add(seed)
	}
	s := newShelf(f)
	f.Fuzz(func(t *testing.T, name string) {
		p, err := s.files.find(name)
		if err != nil {
			return
		}
		for _, r := range s.files.roots() {
			if p.Within(r.leads) && strings.HasPrefix(name, r.name) && filepath.IsLocal(p.Name) {
				return
			}
		}
		t.Errorf("find(%q) = %v, which is in none of the directories", name, p)
	})
}

func TestList(t *testing.T) {
	s := newShelf(t)
	s.write("harddisk/log/messages", "one\n")
	s.write("harddisk/log/access/access.log", "")
	s.write("harddisk/secret", "")
	names := func(p wire.FileList) (string, wire.Files) {
		t.Helper()
		got, err := call[wire.Files](t.Context(), s.files.Methods(), wire.MethodFileList, p)
		if err != nil {
			t.Fatalf("file.list %q = %v", p.Path, err)
		}
		var list []string
		for _, f := range got.Files {
			list = append(list, fmt.Sprintf("%s/%t/%d", f.Name, f.Directory, f.Size))
		}
		return strings.Join(list, " "), got
	}
	for _, test := range []struct{ path, want string }{
		{"", "log:/true/0"},
		{"log:", "access/true/0 messages/false/4"},
		{"log:access", "access.log/false/0"},
		{"log:messages", "messages/false/4"},
	} {
		if got, _ := names(wire.FileList{Path: test.path}); got != test.want {
			t.Errorf("file.list %q = %q; want %q", test.path, got, test.want)
		}
	}
	for i := range 700 {
		s.write(fmt.Sprintf("harddisk/cdr/billing-%03d.xml", i), "")
	}
	_, first := names(wire.FileList{Path: "billing:"})
	_, second := names(wire.FileList{Path: "billing:", After: first.Next})
	if n := len(first.Files) + len(second.Files); n != 700 || len(second.Next) > 0 {
		t.Errorf("two pages have %d entries, and more is %t; want 700 and no more", n, len(second.Next) > 0)
	}
	_, err := call[wire.Files](t.Context(), s.files.Methods(), wire.MethodFileList, wire.FileList{Path: "core:none"})
	if codeOf(err) != wire.CodeUnsupported {
		t.Errorf("file.list of what is not there = %v; want code %d", err, wire.CodeUnsupported)
	}
}

func TestFileStream(t *testing.T) {
	s := newShelf(t)
	const text = "0123456789"
	s.write("harddisk/log/messages", text)
	for _, test := range []struct {
		file wire.File
		want string
		code int
	}{
		{wire.File{Path: "log:messages"}, text, 0},
		{wire.File{Path: "log:messages", Offset: 4}, "456789", 0},
		{wire.File{Path: "log:messages", Offset: 4, Length: 3}, "456", 0},
		{wire.File{Path: "log:messages", Length: 100}, text, 0},
		{wire.File{Path: "log:messages", Offset: 10}, "", 0},
		{wire.File{Path: "log:messages", Offset: 11}, "", wire.CodeParams},
		{wire.File{Path: "log:messages", Offset: -1}, "", wire.CodeParams},
		{wire.File{Path: "log:messages", Length: -1}, "", wire.CodeParams},
		{wire.File{Path: "log:none"}, "", wire.CodeUnsupported},
		{wire.File{Path: "log:../secret"}, "", wire.CodeUnsupported},
	} {
		got, err := s.fetch(test.file)
		if codeOf(err) != test.code || got.content != test.want {
			t.Errorf("file %+v = %q, %v; want %q and code %d", test.file, got.content, err, test.want, test.code)
		}
		if err == nil && (!got.OK || got.Size != int64(len(text)) || got.SHA != sha(text)) {
			t.Errorf("file %+v is answered with %+v; want the size and hash of the whole", test.file, got.Answer)
		}
	}
	if _, err := s.fetch(wire.File{Path: "log:"}); err == nil {
		t.Error("the file of a directory = nil; want an error")
	}
}

// A file that has grown meanwhile is gone on with, and its hash says whether what
// came before is still its beginning.
func TestFileResumes(t *testing.T) {
	s := newShelf(t)
	whole := strings.Repeat("0123456789abcdef", 10_000)
	s.write("harddisk/log/messages", whole[:100_000])
	first, err := s.fetch(wire.File{Path: "log:messages", Length: 70_000})
	if err != nil {
		t.Fatal(err)
	}
	s.write("harddisk/log/messages", whole)
	second, err := s.fetch(wire.File{Path: "log:messages", Offset: 70_000})
	if err != nil {
		t.Fatal(err)
	}
	if got := first.content + second.content; got != whole || sha(got) != second.SHA || first.SHA == second.SHA {
		t.Errorf("the parts make %d octets with %s; want %d with %s", len(got), sha(got), len(whole), second.SHA)
	}
}

func TestFilesNeedTheRight(t *testing.T) {
	s := newShelf(t)
	mays := []func(model.Rights) bool{s.files.Streams()[0].May}
	for _, m := range s.files.Methods() {
		mays = append(mays, m.May)
	}
	for _, may := range mays {
		if may(model.Rights{Rules: []model.Rule{{Permit: true, Kind: model.RuleExec}}}) || !may(model.Rights{FilesRead: true}) {
			t.Error("files are read without the right to, or not with it")
		}
	}
}

func TestUpload(t *testing.T) {
	s := newShelf(t)
	text := strings.Repeat("call record\n", 10_000)
	s.write("harddisk/cdr/billing-1.xml", text)
	s.write("harddisk/cdr/empty.xml", "")
	var got, query string
	s.serves(func(w http.ResponseWriter, r *http.Request) {
		content, _ := io.ReadAll(r.Body)
		got, query = fmt.Sprintf("%s %s %d %s", r.Method, r.URL.Path, r.ContentLength, sha(string(content))), r.URL.RawQuery
	})
	for name, content := range map[string]string{"billing-1.xml": text, "empty.xml": ""} {
		answer, err := call[wire.Uploaded](t.Context(), s.files.Methods(), wire.MethodFileUpload,
			wire.FileUpload{Path: "billing:" + name, URL: "https://example.com/box/" + name + "?signature=s3cret"})
		if want := (wire.Uploaded{Size: int64(len(content)), SHA: sha(content)}); err != nil || answer != want {
			t.Errorf("file.upload of %s = %+v, %v; want %+v", name, answer, err, want)
		}
		if want := fmt.Sprintf("PUT /box/%s %d %s", name, len(content), sha(content)); got != want || query != "signature=s3cret" {
			t.Errorf("the store got %q with %q; want %q with the query", got, query, want)
		}
	}
	if s.line.sent < len(text) {
		t.Errorf("%d octets waited for the line; want all %d", s.line.sent, len(text))
	}
}

func TestUploadRefused(t *testing.T) {
	s := newShelf(t)
	s.write("harddisk/log/messages", "some lines\n")
	s.serves(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "https://example.org/?signature=s3cret", http.StatusTemporaryRedirect)
		case "/denied":
			http.Error(w, "no", http.StatusForbidden)
		case "/early":
			w.WriteHeader(http.StatusOK) // without reading
		}
	})
	for _, test := range []struct {
		url  string
		code int
		say  string
	}{
		{"https://example.org/x?signature=s3cret", wire.CodeNotAllowed, "is not the file store"},
		{"http://example.com/x?signature=s3cret", wire.CodeNotAllowed, "not a URL"},
		{"https://user:s3cret@example.com/x", wire.CodeNotAllowed, "not a URL"},
		{"https://example.com:8443/x?s3cret", wire.CodeNotAllowed, "is not the file store"},
		{"https://example.com.evil.example/x?s3cret", wire.CodeNotAllowed, "is not the file store"},
		{"https://example.com@192.0.2.1/?s3cret", wire.CodeNotAllowed, "not a URL"},
		{":s3cret", wire.CodeNotAllowed, "not a URL"},
		{"https://example.com/moved?s3cret", 0, "answers 307"},
		{"https://example.com/denied?s3cret", 0, "answers 403 Forbidden"},
	} {
		_, err := call[wire.Uploaded](t.Context(), s.files.Methods(), wire.MethodFileUpload, wire.FileUpload{Path: "log:messages", URL: test.url})
		if err == nil || codeOf(err) != test.code || !strings.Contains(err.Error(), test.say) {
			t.Errorf("file.upload to %s = %v; want code %d and %q", test.url, err, test.code, test.say)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("file.upload to %s = %v, which holds a secret", test.url, err)
		}
	}
	if _, err := s.store.Put(t.Context(), "https://example.com/early", strings.NewReader(strings.Repeat("x", 64<<20)), 64<<20); err == nil {
		t.Error("Put to a store that does not read = nil; want an error")
	}
	s.store.Host = func() string { return "files.example" }
	s.files.Backup = func() storage.Path { return storage.Path{Volume: storage.Harddisk, Name: "log"} }
	s.write("harddisk/log/a.tar.age", "")
	_, err := call[wire.Uploaded](t.Context(), s.files.Methods(), wire.MethodFileUpload, wire.FileUpload{Path: "backup:a.tar.age", URL: "https://example.com/x"})
	if codeOf(err) != wire.CodeNotAllowed {
		t.Errorf("file.upload to the store of before = %v; want code %d", err, wire.CodeNotAllowed)
	}
}

// TestBackupsOnly: a schedule that has backups in a directory of other things
// gives COM the backups, and no saved configuration.
func TestBackupsOnly(t *testing.T) {
	s := newShelf(t)
	for _, name := range []string{"a.tar.age", "notes", "control/revisions/7", "keys/box"} {
		s.write("bootflash/"+name, "text")
	}
	for _, test := range []struct {
		directory     storage.Path
		listed, wants string
	}{
		{storage.Path{Volume: storage.Bootflash, Name: "."}, "a.tar.age", "a.tar.age"},
		{storage.Path{Volume: storage.Bootflash, Name: "control"}, "", ""},
		{files.Revisions, "", ""},
	} {
		s.files.Backup = func() storage.Path { return test.directory }
		listed := ""
		if got, err := call[wire.Files](t.Context(), s.files.Methods(), wire.MethodFileList, wire.FileList{Path: "backup:"}); err == nil {
			for _, f := range got.Files {
				listed += f.Name
			}
		}
		if listed != test.listed {
			t.Errorf("file.list of backups in %v = %q; want %q", test.directory, listed, test.listed)
		}
		for _, name := range []string{"a.tar.age", "notes", "control/revisions/7", "revisions/7", "7", "keys/box"} {
			got, err := s.fetch(wire.File{Path: "backup:" + name})
			if (err == nil) != (name == test.wants) {
				t.Errorf("backup:%s in %v = %q, %v; want it only if it is %q", name, test.directory, got.content, err, test.wants)
			}
		}
	}
}
