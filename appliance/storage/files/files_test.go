package files

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/creachadair/jrpc2"
	"github.com/creachadair/jrpc2/handler"
)

func TestChanges(t *testing.T) {
	for _, tt := range []struct {
		method, params string
		want           string // what is there afterwards that was not before, or the error
		gone           string
	}{
		{"mkdir", `{"path":"harddisk:billing/"}`, "harddisk/billing/", ""},
		{"mkdir", `{"path":"usb0:/dir"}`, "% usb0:/dir: file exists", ""},
		{"mkdir", `{"path":"usb0:no/dir"}`, "% usb0:/no/dir: no such file or directory", ""},
		{"mkdir", `{"path":"usb0:"}`, "% usb0:/ is a whole volume", ""},
		{"write", `{"path":"bootflash:new.conf","text":"hostname x\n"}`, "bootflash/new.conf=hostname x\n", ""},
		{"write", `{"path":"usb0:file","text":"y"}`, "% usb0:/file: file already exists", ""},
		{"write", `{"path":"usb0:file","text":"y","replace":true}`, "usb0/file=y", "usb0/file="},
		{"write", `{"path":"usb0:dir","text":"y","replace":true}`, "% usb0:/dir: is not a file", ""},
		{"copy", `{"from":"usb0:file","to":"harddisk:x"}`, "harddisk/x=text", ""},
		{"copy", `{"from":"usb0:file","to":"usb0:dir/x"}`, "usb0/dir/x=text", ""},
		{"copy", `{"from":"usb0:file","to":"usb0:dir/inside"}`, "% usb0:/dir/inside: file already exists", ""},
		{"copy", `{"from":"usb0:file","to":"usb0:dir/inside","replace":true}`, "usb0/dir/inside=text", "usb0/dir/inside=more"},
		{"copy", `{"from":"usb0:none","to":"usb0:x"}`, "% usb0:/none: no such file or directory", ""},
		{"copy", `{"from":"usb0:dir","to":"usb0:x"}`, "% usb0:/dir: is not a file", ""},
		{"copy", `{"from":"usb0:pipe","to":"usb0:x"}`, "% usb0:/pipe: is not a file", ""},
		{"copy", `{"from":"usb0:file","to":"usb0:pipe/x"}`, "% usb0:/pipe/x: not a directory", ""},
		{"copy", `{"from":"usb0:file","to":"usb0:pipe","replace":true}`, "% usb0:/pipe: is not a file", ""},
		{"write", `{"text":"x"}`, "% there is no volume \"\"", ""},
		{"copy", `{"from":"usb0:out","to":"usb0:x"}`, "% usb0:/out: path escapes from parent", ""},
		{"copy", `{"from":"usb0:file","to":"usb0:away/x"}`, "% usb0:/away/x: path escapes from parent", ""},
		{"copy", `{"from":"usb0:file","to":"usb0:no/x"}`, "% usb0:/no/x: no such file or directory", ""},
		{"copy", `{"from":"bootflash:proxy/call.key","to":"usb0:x"}`, "% bootflash:/proxy/call.key holds a secret, which does not leave the box", ""},
		{"copy", `{"from":"harddisk:crash/x.txt","to":"usb0:x"}`, "usb0/x=crashed", ""},
		{"copy", `{"from":"usb0:huge","to":"harddisk:x"}`, "% harddisk:/x: no space left on device: 4398046511104 octets are to be written", ""},
		{"delete", `{"path":"usb0:file"}`, "", "usb0/file=text"},
		{"delete", `{"path":"usb0:out"}`, "", ""}, // the link, not what it points at
		{"delete", `{"path":"usb0:none","recursive":true}`, "% usb0:/none: no such file or directory", ""},
		{"delete", `{"path":"usb0:dir"}`, "% usb0:/dir: directory not empty", ""},
		{"delete", `{"path":"usb0:dir","recursive":true}`, "", "usb0/dir/"},
		{"delete", `{"path":"usb0:","recursive":true}`, "% usb0:/ is a whole volume", ""},
		{"delete", `{"path":"harddisk:crash/x.txt"}`, "% harddisk:/crash belongs to the box itself and is not changed by hand", ""},
	} {
		b := newBox(t)
		b.fill("secret", "not for anyone")
		b.fill("usb0/file", "text")
		b.fill("usb0/dir/inside", "more")
		b.fill("bootflash/proxy/call.key", "key")
		b.fill("harddisk/crash/x.txt", "crashed")
		b.must(os.Symlink("../secret", b.path("usb0/out")))
		b.must(os.Symlink("/tmp", b.path("usb0/away")))
		b.must(mkfifo(b.path("usb0/pipe")))
		b.fill("usb0/huge", "")
		b.must(os.Truncate(b.path("usb0/huge"), 1<<42))
		want := b.tree()
		err := b.call(tt.method, tt.params, nil)
		if refusal, refused := strings.CutPrefix(tt.want, "% "); refused {
			if err == nil || !strings.HasPrefix(err.Error(), refusal) {
				t.Errorf("%s %s = %v; want %s", tt.method, tt.params, err, refusal)
			}
		} else {
			if err != nil {
				t.Errorf("%s %s = %v", tt.method, tt.params, err)
			}
			want = slices.DeleteFunc(want, func(name string) bool { return tt.gone != "" && strings.HasPrefix(name, tt.gone) })
			if tt.want != "" {
				want = append(want, tt.want)
				slices.Sort(want)
			}
		}
		if got := b.tree(); !slices.Equal(got, want) {
			t.Errorf("%s %s makes it %q; want %q", tt.method, tt.params, got, want)
		}
	}
}

// The directories of the box are listed, and read unless they hold keys; no
// method changes anything in them.
func TestOwned(t *testing.T) {
	b := newBox(t)
	b.fill("usb0/file", "text")
	for _, dir := range owned {
		b.fill(filepath.Join(dir.Volume, dir.Name, "state"), "theirs")
	}
	for _, file := range []string{"proxy/call.key", "keys/box.key", "keys/box.key.new-17", "license/id", "com/idem.db", "control/subscription-state", "certificates/sip/identity.pem", "certificates/web/request.pem"} {
		b.fill("bootflash/"+file, "key")
	}
	before := b.tree()
	for _, dir := range owned {
		var listing Listing
		if err := b.call("dir", fmt.Sprintf(`{"path":%q}`, dir), &listing); err != nil || len(listing.Entries) == 0 {
			t.Errorf("dir %v = %+v, %v; want its entries", dir, listing, err)
		}
		for _, place := range []string{dir.String(), dir.String() + "/state", dir.String() + "/new"} {
			for method, params := range map[string]string{
				"mkdir":  `{"path":%q}`,
				"delete": `{"path":%q,"recursive":true}`,
				"write":  `{"path":%q,"text":"mine","replace":true}`,
				"copy":   `{"to":%q,"from":"usb0:file","replace":true}`,
			} {
				err := b.call(method, fmt.Sprintf(params, place), nil)
				if err == nil || !strings.Contains(err.Error(), "belongs to the box itself") {
					t.Errorf("%s %s = %v; want a refusal", method, place, err)
				}
			}
		}
	}
	for path, readable := range map[string]bool{
		"bootflash:init/state": true, "bootflash:control/state": true, "harddisk:billcache/state": true, "harddisk:crash/state": true,
		"bootflash:proxy/call.key": false, "bootflash:keys/box.key": false, "bootflash:keys/box.key.new-17": false, "bootflash:license/id": false,
		"bootflash:com/idem.db": false, "bootflash:control/subscription-state": false,
		"bootflash:certificates/sip/identity.pem": false, "bootflash:certificates/web/request.pem": false,
	} {
		for method, params := range map[string]string{"read": `{"path":%q}`, "copy": `{"from":%q,"to":"usb0:taken"}`} {
			if err := b.call(method, fmt.Sprintf(params, path), nil); (err == nil) != readable {
				t.Errorf("%s %s = %v; want it allowed: %v", method, path, err, readable)
			}
		}
		os.Remove(b.path("usb0/taken"))
	}
	if got := b.tree(); !slices.Equal(got, before) {
		t.Errorf("left is %q; want %q", got, before)
	}
}

// A link that some process made on a volume of the box leads nobody around
// what is refused by name.
func TestLinks(t *testing.T) {
	b := newBox(t)
	b.fill("usb0/file", "text")
	b.fill("bootflash/keys/box.key", "key")
	b.fill("bootflash/control/revisions/000001.conf", "hostname x")
	b.must(os.Symlink("keys/box.key", b.path("bootflash/notes")))
	b.must(os.Symlink("keys", b.path("bootflash/dir")))
	b.must(os.Symlink("control/revisions", b.path("bootflash/old")))
	b.must(os.Symlink("file", b.path("usb0/alias")))
	before := b.tree()
	for _, tt := range []struct{ method, params string }{
		{"read", `{"path":"bootflash:notes"}`},
		{"read", `{"path":"bootflash:dir/box.key"}`},
		{"copy", `{"from":"bootflash:notes","to":"usb0:taken"}`},
		{"copy", `{"from":"usb0:file","to":"bootflash:dir/box.key","replace":true}`},
		{"write", `{"path":"bootflash:old/000002.conf","text":"x"}`},
		{"delete", `{"path":"bootflash:old/000001.conf"}`},
		{"mkdir", `{"path":"bootflash:dir/x"}`},
	} {
		if err := b.call(tt.method, tt.params, nil); err == nil || !strings.HasSuffix(err.Error(), errLink.Error()) {
			t.Errorf("%s %s = %v; want %v", tt.method, tt.params, err, errLink)
		}
	}
	if got := b.tree(); !slices.Equal(got, before) {
		t.Errorf("left is %q; want %q", got, before)
	}
	b.must(b.call("read", `{"path":"usb0:alias"}`, nil)) // nothing is refused on a stick
	b.must(b.call("delete", `{"path":"bootflash:notes"}`, nil))
}

// A stick may have names of any octets, and as many as it likes.
func TestListOddNames(t *testing.T) {
	b := newBox(t)
	for i := range 2*listMax + 1 {
		b.fill(fmt.Sprintf("usb0/\xff\x1b[2J%04d", i), "x")
	}
	var seen []string
	for next := []byte(nil); len(seen) == 0 || len(next) > 0; {
		var listing Listing
		b.must(b.call("dir", fmt.Sprintf(`{"path":"usb0:","after":%q}`, base64.StdEncoding.EncodeToString(next)), &listing))
		for _, e := range listing.Entries {
			seen = append(seen, e.Name)
		}
		if next = listing.Next; len(seen) > 3*listMax {
			t.Fatal("the list has no end")
		}
	}
	if len(seen) != 2*listMax+1 || seen[0] != "??[2J0000" || seen[2*listMax] != "??[2J1000" {
		t.Errorf("listed %d from %q to %q; want all, as they can be printed", len(seen), seen[0], seen[len(seen)-1])
	}
}

func TestList(t *testing.T) {
	b := newBox(t)
	const files = listMax + 7
	for i := range files {
		b.fill(fmt.Sprintf("harddisk/many/%04d", i), strings.Repeat("x", i))
	}
	b.must(os.Mkdir(b.path("harddisk/many/zz"), 0o755))
	b.must(os.Symlink("/etc/passwd", b.path("harddisk/many/link")))
	var first, second, one Listing
	b.must(b.call("dir", `{"path":"harddisk:many"}`, &first))
	b.must(b.call("dir", fmt.Sprintf(`{"path":"harddisk:many","after":%q}`, base64.StdEncoding.EncodeToString(first.Next)), &second))
	if len(first.Entries) != listMax || len(second.Entries) != 9 || len(second.Next) != 0 {
		t.Errorf("pages of %d and %d entries, then %q", len(first.Entries), len(second.Entries), second.Next)
	}
	if e := second.Entries[0]; e.Name != "0500" || e.Size != 500 || e.IsDir || time.Since(e.Time) > time.Hour {
		t.Errorf("the second page begins with %+v; want 0500", e)
	}
	if dir, link := second.Entries[8], second.Entries[7]; dir.Name != "zz" || !dir.IsDir || link.Name != "link" || link.Size != 0 {
		t.Errorf("it ends with %+v, %+v; want the link and the directory", link, dir)
	}
	if first.TotalKB < 1000 || first.FreeKB > first.TotalKB {
		t.Errorf("%d KB, free %d", first.TotalKB, first.FreeKB)
	}
	b.must(b.call("dir", `{"path":"harddisk:many/0003"}`, &one))
	if len(one.Entries) != 1 || one.Entries[0].Size != 3 {
		t.Errorf("dir of a file = %+v", one)
	}
	b.must(os.Remove(b.path("usb0")))
	if err := b.call("dir", `{"path":"usb0:"}`, nil); err == nil || err.Error() != "usb0: is not mounted" {
		t.Errorf("dir without a stick = %v", err)
	}
}

func TestStatAndRead(t *testing.T) {
	b := newBox(t)
	text := strings.Repeat("0123456789", partMax/5)
	b.fill("usb0/file", text)
	var found Found
	b.must(b.call("stat", `{"path":"usb0:file"}`, &found))
	if found.Entry == nil || found.Entry.Size != int64(len(text)) {
		t.Errorf("stat = %+v; want a file of %d octets", found.Entry, len(text))
	}
	found = Found{}
	b.must(b.call("stat", `{"path":"usb0:none"}`, &found))
	if found.Entry != nil {
		t.Errorf("stat of nothing = %+v", found.Entry)
	}
	var got strings.Builder
	part := FilePart{}
	for !part.End {
		part = FilePart{Next: part.Next}
		b.must(b.call("read", fmt.Sprintf(`{"path":"usb0:file","offset":%d}`, part.Next), &part))
		got.Write(part.Data)
	}
	if got.String() != text {
		t.Errorf("read %d octets; want the %d of the file", got.Len(), len(text))
	}
	for params, want := range map[string]string{
		`{"path":"usb0:"}`:                    "usb0:/: is not a file",
		`{"path":"usb0:none"}`:                "usb0:/none: no such file or directory",
		`{"path":"usb0:file","offset":-1}`:    "usb0:/file: negative offset",
		`{"path":"usb0:/../etc/passwd"}`:      "",
		`{"path":"bootflash:/proxy/secret"}`:  "bootflash:/proxy/secret holds a secret",
		`{"path":"bootflash:control/logins"}`: "bootflash:/control/logins holds a secret",
	} {
		if err := b.call("read", params, nil); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("read %s = %v; want %s", params, err, want)
		}
	}
}

// Nothing is done for a caller who is not known to be an operator's session.
func TestOnlyOperators(t *testing.T) {
	methods := New(t.TempDir(), nil).Methods()
	if len(methods) != 10 {
		t.Errorf("%d methods; want 10", len(methods))
	}
	for name, method := range methods {
		requests, err := jrpc2.ParseRequests([]byte(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{}}`, name)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := handler.New(method)(t.Context(), requests[0].ToRequest()); err == nil || !strings.Contains(err.Error(), "may not do this") {
			t.Errorf("%s of a stranger = %v; want a refusal", name, err)
		}
	}
}
