package storage

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	long := strings.Repeat("n", nameMax)
	for _, tt := range []struct{ text, want, err string }{
		{"usb0:", "usb0:/", ""},
		{"usb0:/", "usb0:/", ""},
		{"usb0:x", "usb0:/x", ""},
		{"usb0:/x", "usb0:/x", ""},
		{"USB0:X", "usb0:/X", ""},
		{"Harddisk:/billcache/", "harddisk:/billcache", ""},
		{"harddisk:billcache", "harddisk:/billcache", ""},
		{"bootflash://a///b/./c", "bootflash:/a/b/c", ""},
		{"bootflash:a/../b", "bootflash:/b", ""},
		{"bootflash:a/..", "bootflash:/", ""},
		{"harddisk:a:b", "harddisk:/a:b", ""},
		{"harddisk:été", "harddisk:/été", ""},
		{"harddisk:...", "harddisk:/...", ""},
		{"harddisk:" + long, "harddisk:/" + long, ""},
		{"harddisk:" + long + "n", "", "too long"},
		{"harddisk:" + strings.Repeat("a/", pathMax), "", "too long"},
		{"usb0:a/" + long + "/" + long[:pathMax-nameMax-len("usb0:/a//")], "usb0:/a/" + long + "/" + long[:pathMax-nameMax-len("usb0:/a//")], ""},
		{"usb0:a/" + long + "/" + long[:pathMax-nameMax-len("usb0:/a//")+1], "", "too long"},
		{"", "", "does not begin with a volume"},
		{"x", "", "does not begin with a volume"},
		{"/harddisk/x", "", "does not begin with a volume"},
		{"usb1:x", "", "does not begin with a volume"},
		{"flash:x", "", "does not begin with a volume"},
		{":x", "", "does not begin with a volume"},
		{"bootflash:..", "", "leads out of its volume"},
		{"bootflash:/../x", "", "leads out of its volume"},
		{"bootflash:a/../../x", "", "leads out of its volume"},
		{"harddisk:a b", "", "blank"},
		{"harddisk:a\x00", "", "cannot be printed"},
		{"harddisk:a\x1b[2J", "", "cannot be printed"},
		{"harddisk:a\u202eb", "", "cannot be printed"},
		{"harddisk:a\xff", "", "cannot be printed"},
		{"usb0:a:b", "", "has none of"},
		{"usb0:a\\b", "", "has none of"},
		{"usb0:dir./x", "", "end with a dot"},
		{"usb0:...", "", "end with a dot"},
	} {
		got, err := ParsePath(tt.text)
		switch {
		case tt.err == "" && (err != nil || got.String() != tt.want):
			t.Errorf("ParsePath(%q) = %v, %v; want %s", tt.text, got, err, tt.want)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("ParsePath(%q) = %v, %v; want an error with %q", tt.text, got, err, tt.err)
		}
	}
}

func TestPathRelations(t *testing.T) {
	parse := func(text string) Path {
		p, err := ParsePath(text)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, tt := range []struct {
		path, dir string
		want      bool
	}{
		{"harddisk:log/messages", "harddisk:log", true},
		{"harddisk:log", "harddisk:log", true},
		{"harddisk:logs", "harddisk:log", false},
		{"harddisk:", "harddisk:log", false},
		{"harddisk:log", "harddisk:", true},
		{"bootflash:log", "harddisk:log", false},
		{"bootflash:log", "harddisk:", false},
	} {
		if got := parse(tt.path).Within(parse(tt.dir)); got != tt.want {
			t.Errorf("%s within %s = %v; want %v", tt.path, tt.dir, got, tt.want)
		}
	}
	file := parse("usb0:a/b")
	if file.Dir() != parse("usb0:a") || file.Base() != "b" || file.IsVolume() {
		t.Errorf("Dir, Base = %v, %s; want usb0:/a, b", file.Dir(), file.Base())
	}
	if volume := parse("usb0:"); volume.Dir() != volume || !volume.IsVolume() {
		t.Errorf("Dir of a volume = %v; want itself", volume.Dir())
	}
	if got, err := file.Dir().Join("c"); err != nil || got != parse("usb0:a/c") {
		t.Errorf("Join = %v, %v; want usb0:/a/c", got, err)
	}
	if got, err := file.Join("../../.."); err == nil {
		t.Errorf("Join out of the volume = %v; want an error", got)
	}
}

func TestPathAsJSON(t *testing.T) {
	var p struct{ Path Path }
	if err := json.Unmarshal([]byte(`{"Path":"USB0:x/"}`), &p); err != nil || p.Path != (Path{USB, "x"}) {
		t.Errorf("Unmarshal = %+v, %v; want usb0:/x", p, err)
	}
	if text, err := json.Marshal(p); err != nil || string(text) != `{"Path":"usb0:/x"}` {
		t.Errorf("Marshal = %s, %v; want usb0:/x", text, err)
	}
	if err := json.Unmarshal([]byte(`{"Path":"usb0:../x"}`), &p); err == nil {
		t.Error("Unmarshal of a path that leaves the volume = nil; want an error")
	}
}

// What is read is one of our volumes, stays there, and reads the same again.
func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{"usb0:x", "usb0:/x/../y", "HARDDISK:billcache/", "bootflash:", "bootflash:../x", "x", "usb0:a:b", "usb0:a./b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePath(text)
		if err != nil {
			return
		}
		if !fs.ValidPath(p.Name) || strings.ContainsAny(p.Name, " \t\n\x00") {
			t.Errorf("ParsePath(%q) has the name %q", text, p.Name)
		}
		if again, err := ParsePath(p.String()); err != nil || again != p {
			t.Errorf("ParsePath(%q) = %v, %v; want %v", p, again, err, p)
		}
	})
}
