package files

import "testing"

// places are what operators type, with their normal form, the directory at the
// other system and the name.
var places = []struct {
	text, want string // want is empty for an error
	dir, name  string
}{
	{"usb0:", "usb0:/", "", "."},
	{"USB0:a//b/", "usb0:/a/b", "", "b"},
	{"harddisk:/backup/x.age", "harddisk:/backup/x.age", "", "x.age"},
	{"sftp://a@192.0.2.1/b/c%20d.age", "sftp://a@192.0.2.1/b/c%20d.age", "/b/", "c d.age"},
	{"sftp://a@192.0.2.1/b/", "sftp://a@192.0.2.1/b/", "/b/", ""},
	{"scp://a@[2001:db8::1]:2222/b", "scp://a@[2001:db8::1]:2222/b", "/", "b"},
	{"https://192.0.2.1/b/c", "https://192.0.2.1/b/c", "", "c"},
	{"https://host.example:8443", "https://host.example:8443", "", ""},
	{"https://host.example/%zz", "", "", ""},
	{"https://a@host.example/b", "", "", ""},
	{"https://a:b@host.example/b", "", "", ""},
	{"https://host.example/b?token=c", "", "", ""},
	{"https:///b", "", "", ""},
	{"http://host.example/b", "", "", ""},
	{"sftp://a:b@192.0.2.1/b/", "", "", ""},
	{"ftp://a@192.0.2.1/b/", "", "", ""},
	{"usb1:x", "", "", ""},
	{"/etc/passwd", "", "", ""},
	{"usb0:../x", "", "", ""},
	{"", "", "", ""},
}

func TestParseSource(t *testing.T) {
	for _, tt := range places {
		p, err := ParseSource(tt.text)
		if err != nil && tt.want == "" {
			continue
		}
		dir, _ := p.Split()
		if err != nil || p.String() != tt.want || p.Base() != tt.name || dir.Host.Path != tt.dir {
			t.Errorf("ParseSource(%s) = %v, %v, in %q as %q; want %s in %q as %q", tt.text, p, err, dir.Host.Path, p.Base(), tt.want, tt.dir, tt.name)
		}
	}
	if p, err := ParsePlace("https://host.example/b"); err == nil {
		t.Errorf("ParsePlace of a web page = %v; want an error: nothing is written there", p)
	}
}

// What is a place stays the same one over link.
func FuzzParseSource(f *testing.F) {
	for _, tt := range places {
		f.Add(tt.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseSource(text)
		if err != nil {
			return
		}
		if again, err := ParseSource(p.String()); err != nil || again != p {
			t.Errorf("ParseSource(%q) = %+v, and of that %+v, %v; want the same", text, p, again, err)
		}
		p.Base()
	})
}
