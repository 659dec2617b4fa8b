package backup

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// entry is a file of an archive as somebody else may write it.
type entry struct {
	name, content string
	kind          byte
}

func archiveOf(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		header := tar.Header{Name: e.name, Size: int64(len(e.content)), Typeflag: e.kind, Mode: 0o600, Linkname: "/etc/passwd"}
		if e.kind == tar.TypeReg {
			header.Linkname = ""
		}
		if err := w.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadArchive(t *testing.T) {
	file := func(name, content string) entry { return entry{name, content, tar.TypeReg} }
	manifest := func(alter func(*Manifest), files ...entry) []entry {
		m := Manifest{Format: format, Serial: "CWY11111111"}
		for _, f := range files {
			m.Files = append(m.Files, newFile(f.name, []byte(f.content)))
		}
		alter(&m)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return append([]entry{file(manifestName, string(text))}, files...)
	}
	as := func(*Manifest) {}
	configuration, trust := file(configurationName, "hostname cube\n"), file("certificates/sip/trust.pem", "x")
	var many []entry
	for range filesMax + 1 {
		many = append(many, configuration)
	}
	for _, test := range []struct {
		name    string
		entries []entry
		want    string // of the error; empty: none
	}{
		{"right", manifest(as, configuration, trust), ""},
		{"configuration alone", manifest(as, configuration), ""},
		{"no manifest", []entry{configuration}, `"configuration.conf" is in the place of manifest.json`},
		{"nothing", nil, "manifest.json is missing"},
		{"no JSON", []entry{file(manifestName, "{")}, "read the manifest"},
		{"large manifest", []entry{file(manifestName, strings.Repeat(" ", manifestMax+1))}, "the most"},
		{"of tomorrow", manifest(func(m *Manifest) { m.Format++ }, configuration), "this firmware knows format 1"},
		{"no configuration", manifest(as, trust), "does not begin with the configuration"},
		{"many files", manifest(as, many...), "33 files"},
		{"twice", manifest(as, configuration, trust, trust), "there twice"},
		{"elsewhere", manifest(as, configuration, file("certificates/../../x/trust.pem", "x")), "is no file of a backup"},
		{"absolute", manifest(as, configuration, file("/certificates/sip/trust.pem", "x")), "is no file of a backup"},
		{"box key", manifest(as, configuration, file("keys/box.key", "x")), "is no file of a backup"},
		{"a link", append(manifest(as, configuration)[:1], entry{configurationName, "", tar.TypeSymlink}), "in the place of"},
		{"other content", append(manifest(as, configuration)[:1], file(configurationName, "hostname cubf\n")), "is not the file that the manifest says"},
		{"other size", append(manifest(as, configuration)[:1], file(configurationName, "hostname cube\n\n")), "is not the file that the manifest says"},
		{"too long", manifest(as, file(configurationName, strings.Repeat("!", fileMax+1))), "the most"},
		{"missing", manifest(as, configuration, trust)[:2], "certificates/sip/trust.pem is missing"},
		{"more", append(manifest(as, configuration), trust), "more in it than the manifest says"},
	} {
		m, err := readArchive(bytes.NewReader(archiveOf(t, test.entries...)))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: readArchive = %+v, %v; want %q", test.name, m, err, test.want)
		}
	}
}

// What the box writes is a plain tar archive, the same for the same content.
func TestWriteArchive(t *testing.T) {
	m := Manifest{Format: format, Time: time.Unix(1e9, 0).UTC(), Files: []File{newFile(configurationName, []byte("hostname cube\n"))}}
	var first, second bytes.Buffer
	for _, b := range []*bytes.Buffer{&first, &second} {
		if err := writeArchive(b, m); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two archives of the same content differ")
	}
	got, err := readArchive(&first)
	if err != nil || !got.Time.Equal(m.Time) || string(got.Files[0].content) != "hostname cube\n" {
		t.Errorf("readArchive = %+v, %v; want what was written", got, err)
	}
}
