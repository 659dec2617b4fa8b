package bundle

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
)

// The keys of these tests, and what they sign.
var (
	ours   = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	others = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, ed25519.SeedSize))

	testNotes = []byte("Calls are placed faster.\n")
	testImage = bytes.Repeat([]byte("image "), 100)
)

func public(keys ...ed25519.PrivateKey) (list []ed25519.PublicKey) {
	for _, key := range keys {
		list = append(list, key.Public().(ed25519.PublicKey))
	}
	return list
}

func testManifest() Manifest {
	return Manifest{Board: "x86_64", Variant: Release, Version: "v1.4.0+0123456789ab", Floor: "v1.2.0", Time: time.Unix(1_700_000_000, 0).UTC()}
}

// signedBundle is a bundle whose manifest our key signs.
func signedBundle(t testing.TB, m Manifest) []byte {
	t.Helper()
	_, text, err := Make(m, testNotes, testImage)
	if err != nil {
		t.Fatal(err)
	}
	return packed(t, text, ed25519.Sign(ours, text), testNotes, testImage)
}

func packed(t testing.TB, manifest, signature, notes, image []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, manifest, signature, notes, image); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unpack opens a bundle and gives all that is in it.
func unpack(content []byte, keys []ed25519.PublicKey) (Manifest, string, []byte, error) {
	b, err := Open(bytes.NewReader(content), keys)
	if err != nil {
		return Manifest{}, "", nil, err
	}
	var image bytes.Buffer
	notes, err := b.Unpack(context.Background(), &image)
	return b.Manifest, notes, image.Bytes(), err
}

// isTest fails unless it is our test bundle that was unpacked.
func isTest(t *testing.T, m Manifest, notes string, image []byte) {
	t.Helper()
	want, _, err := Make(testManifest(), testNotes, testImage)
	if err != nil || m != want || notes != string(testNotes) || !bytes.Equal(image, testImage) {
		t.Errorf("unpacked %+v, notes %q, image of %d octets; want %+v, %q, %d", m, notes, len(image), want, testNotes, len(testImage))
	}
}

func TestUnpack(t *testing.T) {
	content := signedBundle(t, testManifest())
	if !bytes.Equal(content, signedBundle(t, testManifest())) {
		t.Error("the same arguments gave two bundles")
	}
	// Either of two keys will do: a vendor changes from one to the next.
	for _, keys := range [][]ed25519.PublicKey{public(ours), public(others, ours)} {
		m, notes, image, err := unpack(content, keys)
		if err != nil {
			t.Fatal(err)
		}
		isTest(t, m, notes, image)
	}
}

func TestSignature(t *testing.T) {
	_, text, err := Make(testManifest(), testNotes, testImage)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		signature []byte
		keys      []ed25519.PublicKey
	}{
		{"unsigned", make([]byte, ed25519.SignatureSize), public(ours)},
		{"of no octets", nil, public(ours)},
		{"short", ed25519.Sign(ours, text)[:63], public(ours)},
		{"wrong key", ed25519.Sign(others, text), public(ours)},
		{"of another text", ed25519.Sign(ours, append(text, ' ')), public(ours)},
		{"no keys", ed25519.Sign(ours, text), nil},
		{"a key that is none", ed25519.Sign(ours, text), []ed25519.PublicKey{{1, 2}}},
	} {
		if _, err := Open(bytes.NewReader(packed(t, text, tt.signature, testNotes, testImage)), tt.keys); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: Open = %v; want %v", tt.name, err, ErrSignature)
		}
	}
}

// TestCut ends a bundle at every octet: it is refused, but where nothing of the
// image is missing.
func TestCut(t *testing.T) {
	content := signedBundle(t, testManifest())
	padding := -len(testImage) & (blockSize - 1)
	whole := len(content) - trailer - padding
	for length := range content {
		m, notes, image, err := unpack(content[:length], public(ours))
		switch {
		case err == nil && length >= whole:
			isTest(t, m, notes, image)
		case err == nil:
			t.Errorf("the first %d of %d octets were taken", length, len(content))
		}
	}
}

const (
	blockSize = 512
	trailer   = 2 * blockSize // what ends an archive
)

// TestFlips flips every bit of a bundle: it is refused, or the bit was one of those
// that fill up blocks, which nobody reads.
func TestFlips(t *testing.T) {
	content := signedBundle(t, testManifest())
	taken := 0
	for bit := range len(content) * 8 {
		content[bit/8] ^= 1 << (bit % 8)
		if m, notes, image, err := unpack(content, public(ours)); err == nil {
			isTest(t, m, notes, image)
			taken++
		}
		content[bit/8] ^= 1 << (bit % 8)
	}
	if most := 4 * blockSize * 8; taken > most {
		t.Errorf("%d bits did not matter; want %d at most", taken, most)
	}
}

// TestForms has archives that are not of the form, all with our signature.
func TestForms(t *testing.T) {
	_, text, err := Make(testManifest(), testNotes, testImage)
	if err != nil {
		t.Fatal(err)
	}
	signature := ed25519.Sign(ours, text)
	type file struct {
		name    string
		content []byte
		change  func(*tar.Header)
	}
	whole := func() []file {
		return []file{{ManifestName, text, nil}, {SignatureName, signature, nil}, {notesName, testNotes, nil}, {ImageName, testImage, nil}}
	}
	kind := func(flag byte) func([]file) []file {
		return func(f []file) []file {
			f[3].content, f[3].change = nil, func(h *tar.Header) { h.Typeflag, h.Linkname = flag, "/init" }
			return f
		}
	}
	for _, tt := range []struct {
		name   string
		change func([]file) []file
		want   string // of the error; empty: it is good
	}{
		{"good", func(f []file) []file { return f }, ""},
		{"empty", func([]file) []file { return nil }, "ends before manifest.json"},
		{"no image", func(f []file) []file { return f[:3] }, "ends before causeway.efi"},
		{"another order", func(f []file) []file { f[2], f[3] = f[3], f[2]; return f }, `has "causeway.efi" where notes.txt belongs`},
		{"another name", func(f []file) []file { f[3].name = "../causeway.efi"; return f }, `has "../causeway.efi" where`},
		{"a file too many", func(f []file) []file { return append(f, file{"init", nil, nil}) }, `has "init" after its last file`},
		{"symbolic link", kind(tar.TypeSymlink), "where causeway.efi belongs"},
		{"link", kind(tar.TypeLink), "where causeway.efi belongs"},
		{"device", kind(tar.TypeChar), "where causeway.efi belongs"},
		{"directory", kind(tar.TypeDir), "where causeway.efi belongs"},
		{"PAX", func(f []file) []file {
			f[3].change = func(h *tar.Header) {
				h.Format, h.PAXRecords = tar.FormatPAX, map[string]string{"VENDOR.key": "value"}
			}
			return f
		}, "not in plain ustar"},
		{"PAX for all", func(f []file) []file {
			return append([]file{{"", nil, func(h *tar.Header) {
				*h = tar.Header{Typeflag: tar.TypeXGlobalHeader, Format: tar.FormatPAX, PAXRecords: map[string]string{"path": ManifestName}}
			}}}, f...)
		}, "where manifest.json belongs"},
		{"GNU", func(f []file) []file { f[0].change = func(h *tar.Header) { h.Format = tar.FormatGNU }; return f }, "not in plain ustar"},
		{"manifest too large", func(f []file) []file { f[0].content = make([]byte, manifestMax+1); return f }, "more than 16384"},
		{"signature too large", func(f []file) []file { f[1].content = make([]byte, 65); return f }, "more than 64"},
		{"notes too large", func(f []file) []file { f[2].content = make([]byte, notesMax+1); return f }, "more than 65536"},
		{"other notes", func(f []file) []file { f[2].content = []byte("others"); return f }, "notes.txt of the bundle is not the one"},
		{"image too small", func(f []file) []file { f[3].content = testImage[1:]; return f }, "has 599 octets, 600 were signed"},
		{"another image", func(f []file) []file { f[3].content = bytes.ToUpper(testImage); return f }, "causeway.efi of the bundle is not the one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			archive := tar.NewWriter(&b)
			for _, f := range tt.change(whole()) {
				header := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Size: int64(len(f.content)), Mode: 0o644, Format: tar.FormatUSTAR}
				if f.change != nil {
					f.change(header)
				}
				if err := archive.WriteHeader(header); err != nil {
					t.Fatal(err)
				}
				if _, err := archive.Write(f.content); err != nil {
					t.Fatal(err)
				}
			}
			if err := archive.Close(); err != nil {
				t.Fatal(err)
			}
			m, notes, image, err := unpack(b.Bytes(), public(ours))
			if tt.want == "" && err == nil {
				isTest(t, m, notes, image)
			} else if err == nil || tt.want == "" || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("unpack = %v; want %q", err, tt.want)
			}
		})
	}
}

// TestHugeSize has a header that announces more than there is room for.
func TestHugeSize(t *testing.T) {
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: ManifestName, Size: 8<<30 - 1, Format: tar.FormatUSTAR}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(&b, public(ours)); err == nil || !strings.Contains(err.Error(), "8589934591 octets, more than 16384") {
		t.Errorf("Open = %v; want it refused before it is read", err)
	}
}

// TestManifest has manifests that are signed, and wrong.
func TestManifest(t *testing.T) {
	for _, tt := range []struct {
		text, want string
	}{
		{"", "JSON"},
		{"[]", "cannot unmarshal"},
		{`{"format":2}`, "of format 2"},
		{`{"format":1}`, "names no board"},
		{`{"format":1,"board":"b"}`, `variant "" is neither`},
		{`{"format":1,"board":"b","variant":"debug"}`, `version "" is not`},
		{`{"format":1,"board":"b","variant":"release","version":"1.2.3"}`, `version "1.2.3" is not`},
		{`{"format":1,"board":"b","variant":"release","version":"v1.2.3","floor":"low"}`, `floor "low" is not`},
		{`{"format":1,"board":"b","variant":"release","version":"v1.2.3-rc1","floor":"v1.2.3"}`, "above its own version"},
		{`{"format":1,"board":"b","variant":"release","version":"v1.2.3","floor":"v1.2.3"}`, "1 to 94371840 octets, not 0"},
		{`{"format":1,"board":"b","variant":"release","version":"v1.2.3","floor":"v1.2.3","size":-1}`, "not -1"},
		{`{"format":1,"board":"b","variant":"release","version":"v1.2.3","floor":"v1.2.3","size":94371841}`, "not 94371841"},
		{`{"format":1,"board":"b","variant":"release","version":"v1.2.3","floor":"v1.2.3","size":1,"sha256":"AB"}`, "64 characters"},
	} {
		text := []byte(tt.text)
		_, err := Open(bytes.NewReader(packed(t, text, ed25519.Sign(ours, text), nil, nil)), public(ours))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("manifest %s: %v; want %q", tt.text, err, tt.want)
		}
	}
	m := testManifest()
	m.Floor = "v2.0.0"
	if _, _, err := Make(m, nil, testImage); err == nil || !strings.Contains(err.Error(), "above its own version") {
		t.Errorf("Make of a floor above the version = %v; want it refused", err)
	}
	m = testManifest()
	m.Variant = ""
	if _, _, err := Make(m, nil, testImage); err == nil || !strings.Contains(err.Error(), "neither release nor debug") {
		t.Errorf("Make of no variant = %v; want it refused", err)
	}
	if _, _, err := Make(testManifest(), make([]byte, notesMax+1), testImage); err == nil || !strings.Contains(err.Error(), "more than 65536") {
		t.Errorf("Make of long notes = %v; want it refused", err)
	}
}

func TestFits(t *testing.T) {
	for _, tt := range []struct{ version, board, floor, want string }{
		{"v1.4.0+a", "x86_64", "", ""},
		{"v1.4.0+a", "x86_64", "v1.4.0+b.dirty", ""},
		{"v1.4.0", "x86_64", "v1.3.9", ""},
		{"v1.10.0", "x86_64", "v1.9.0", ""},
		{"v1.4.0", "arm64", "", "for the board x86_64, this is arm64"},
		{"v1.4.0", "x86_64", "v1.4.1", "v1.4.0 is older than v1.4.1"},
		{"v1.4.0-rc1", "x86_64", "v1.4.0", "older than"},
	} {
		m := Manifest{Board: "x86_64", Variant: Release, Version: tt.version}
		err := m.Fits(model.BuildInfo{Board: tt.board, Variant: Release}, tt.floor)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Fits(%s, %q) = %v; want %q", tt.version, tt.board, tt.floor, err, tt.want)
		}
	}
	for _, tt := range []struct {
		image, box string
		fits       bool
	}{{Release, Release, true}, {Release, Debug, true}, {Debug, Debug, true}, {Debug, Release, false}, {Debug, "", false}} {
		m := Manifest{Board: "x86_64", Variant: tt.image, Version: "v1.4.0"}
		if err := m.Fits(model.BuildInfo{Board: "x86_64", Variant: tt.box}, ""); (err == nil) != tt.fits {
			t.Errorf("a %s image on a %q box: %v; want that it fits %v", tt.image, tt.box, err, tt.fits)
		}
	}
	if !Below("not a version", "v0.0.1") || Below("v1.0.0", "") {
		t.Error("Below: what is no version is older than any floor, and without one nothing is")
	}
	for _, tt := range [][3]string{{"", "v1.0.0", "v1.0.0"}, {"v1.0.0", "", "v1.0.0"}, {"v1.2.0", "v1.10.0", "v1.10.0"}, {"v2.0.0", "v1.0.0", "v2.0.0"}} {
		if got := Higher(tt[0], tt[1]); got != tt[2] {
			t.Errorf("Higher(%q, %q) = %q; want %q", tt[0], tt[1], got, tt[2])
		}
	}
}

// TestEnd ends the unpacking with its context.
func TestEnd(t *testing.T) {
	b, err := Open(bytes.NewReader(signedBundle(t, testManifest())), public(ours))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := b.Unpack(ctx, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("Unpack = %v; want %v", err, context.Canceled)
	}
}

// FuzzOpen opens what need not be a bundle. The signature is made to fit the first
// file of it, so that what comes behind is reached.
func FuzzOpen(f *testing.F) {
	f.Add(signedBundle(f, testManifest()))
	f.Add([]byte{})
	_, text, err := Make(testManifest(), testNotes, testImage)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed(f, text, make([]byte, ed25519.SignatureSize), testNotes, testImage))
	f.Fuzz(func(t *testing.T, content []byte) {
		resign(content)
		m, notes, image, err := unpack(content, public(ours))
		if err != nil {
			return
		}
		_, text, err := Make(m, []byte(notes), image)
		if err != nil {
			t.Fatalf("taken, and cannot be made: %+v: %v", m, err)
		}
		again, _, _, err := unpack(packed(t, text, ed25519.Sign(ours, text), []byte(notes), image), public(ours))
		if err != nil || again != m {
			t.Errorf("%+v became %+v, %v", m, again, err)
		}
	})
}

// resign writes our signature of the first file of an archive into the second.
func resign(content []byte) {
	reader := bytes.NewReader(content)
	archive := tar.NewReader(reader)
	if header, err := archive.Next(); err != nil || header.Size > manifestMax {
		return
	}
	text, err := io.ReadAll(archive)
	if err != nil {
		return
	}
	if header, err := archive.Next(); err != nil || header.Size != ed25519.SignatureSize {
		return
	}
	at := len(content) - reader.Len()
	copy(content[at:min(at+ed25519.SignatureSize, len(content))], ed25519.Sign(ours, text))
}
