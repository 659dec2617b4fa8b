// Package bundle is the form in which a new firmware comes to a box: one file
// with the image of a slot, what it is, and who says so.
//
// A bundle is a tar archive (POSIX ustar) of exactly these files in this order:
//
//	manifest.json  what the image is (Manifest), in JSON
//	manifest.sig   64 octets: the Ed25519 signature of manifest.json as it stands
//	notes.txt      the release notes, plain text
//	causeway.efi   the image: one signed EFI program
//
// The manifest is small, comes first and holds the SHA-256 of all that follows:
// who opens a bundle knows who made it before anything else is looked at.
package bundle

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"golang.org/x/mod/semver"

	"causeway/appliance/model"
)

// The files of a bundle.
const (
	ManifestName  = "manifest.json"
	SignatureName = "manifest.sig"
	notesName     = "notes.txt"
	ImageName     = "causeway.efi"
)

// The bounds of a bundle, in octets.
const (
	manifestMax = 16 << 10
	notesMax    = 64 << 10
	// ImageMax is what a slot has room for.
	ImageMax = 90 << 20
	// Max is the size of a whole bundle at most.
	Max = ImageMax + notesMax + manifestMax + 16<<10
)

// Suffix ends the name of a bundle's file.
const Suffix = ".causeway"

// format is the one that this firmware reads and writes.
const format = 1

// The variants of an image.
const (
	Release = "release"
	Debug   = "debug" // whoever is at the console gets a shell: no box in use takes it
)

// Manifest says what an image is. It is what the release key signs.
type Manifest struct {
	Format  int    `json:"format"`  // of the bundle: 1
	Board   string `json:"board"`   // board.Board.Name
	Variant string `json:"variant"` // Release or Debug
	Version string `json:"version"` // semantic version: "v1.4.0+0123456789ab"
	// Floor is the lowest version that a box takes once this image is blessed
	// on it: what came before has a hole that must not come back.
	Floor  string    `json:"floor"`
	Time   time.Time `json:"time"` // the commit's
	Size   int64     `json:"size"` // octets of the image
	SHA256 string    `json:"sha256"`
	Notes  string    `json:"notes_sha256"`
}

var sha256Text = regexp.MustCompile(`^[0-9a-f]{64}$`)

// IsSHA256 reports whether a text is a SHA-256 as manifests have it: 64 characters
// of hexadecimal, in small letters.
func IsSHA256(text string) bool { return sha256Text.MatchString(text) }

// check says what is wrong with a manifest in itself.
func (m *Manifest) check() error {
	switch {
	case m.Format != format:
		return fmt.Errorf("it is of format %d, this firmware reads %d", m.Format, format)
	case m.Board == "":
		return errors.New("it names no board")
	case m.Variant != Release && m.Variant != Debug:
		return fmt.Errorf("variant %q is neither %s nor %s", m.Variant, Release, Debug)
	case !semver.IsValid(m.Version):
		return fmt.Errorf("version %q is not like v1.2.3", m.Version)
	case !semver.IsValid(m.Floor):
		return fmt.Errorf("floor %q is not like v1.2.3", m.Floor)
	case semver.Compare(m.Floor, m.Version) > 0:
		return fmt.Errorf("its floor %s is above its own version %s", m.Floor, m.Version)
	case m.Size < 1 || m.Size > ImageMax:
		return fmt.Errorf("an image has 1 to %d octets, not %d", ImageMax, m.Size)
	case !IsSHA256(m.SHA256) || !IsSHA256(m.Notes):
		return errors.New("a SHA-256 in it is not 64 characters of hexadecimal")
	}
	return nil
}

// Fits says why a box that runs such an image, and has that floor, may not take
// this one. An empty floor lets all versions in.
func (m *Manifest) Fits(running model.BuildInfo, floor string) error {
	switch {
	case m.Board != running.Board:
		return fmt.Errorf("it is for the board %s, this is %s", m.Board, running.Board)
	case m.Variant != Release && m.Variant != running.Variant:
		return fmt.Errorf("it is a %s image: only a box that runs one takes it", m.Variant)
	case Below(m.Version, floor):
		return fmt.Errorf("version %s is older than %s, the oldest that this box takes", m.Version, floor)
	}
	return nil
}

// Below reports whether a version is older than the floor; a version that is
// none is older than all. An empty floor is below everything.
func Below(version, floor string) bool {
	return floor != "" && semver.Compare(version, floor) < 0
}

// Higher gives the higher of two floors, either of which may be empty.
func Higher(a, b string) string {
	if semver.Compare(a, b) < 0 {
		return b
	}
	return a
}

// Bundle is one whose manifest is known to be signed. Nothing else of it has
// been looked at.
type Bundle struct {
	Manifest Manifest
	reader   *tar.Reader
}

// ErrSignature is that of a bundle that nobody whom this box knows has signed.
var ErrSignature = errors.New("no key that this box knows has signed it")

// Open reads the manifest of a bundle, which one of the keys must have signed.
func Open(r io.Reader, keys []ed25519.PublicKey) (*Bundle, error) {
	b := &Bundle{reader: tar.NewReader(r)}
	text, err := b.file(ManifestName, manifestMax)
	if err != nil {
		return nil, err
	}
	signature, err := b.file(SignatureName, ed25519.SignatureSize)
	if err != nil {
		return nil, err
	}
	if b.Manifest, err = Verify(text, signature, keys); err != nil {
		return nil, fmt.Errorf("the bundle: %w", err)
	}
	return b, nil
}

// Verify reads a manifest, which one of the keys must have signed as it stands.
func Verify(manifest, signature []byte, keys []ed25519.PublicKey) (m Manifest, err error) {
	if !signed(manifest, signature, keys) {
		return m, ErrSignature
	}
	if err := json.Unmarshal(manifest, &m); err != nil {
		return m, fmt.Errorf("%s: %w", ManifestName, err)
	}
	if err := m.check(); err != nil {
		return m, fmt.Errorf("%s: %w", ManifestName, err)
	}
	return m, nil
}

func signed(text, signature []byte, keys []ed25519.PublicKey) bool {
	for _, key := range keys {
		if len(key) == ed25519.PublicKeySize && ed25519.Verify(key, text, signature) {
			return true
		}
	}
	return false
}

// next goes to the next file, which must have that name, and gives its size.
func (b *Bundle) next(name string) (int64, error) {
	header, err := b.reader.Next()
	switch {
	case errors.Is(err, io.EOF):
		return 0, fmt.Errorf("the bundle ends before %s", name)
	case err != nil:
		return 0, fmt.Errorf("the bundle before %s: %w", name, err)
	case header.Typeflag != tar.TypeReg || header.Name != name:
		return 0, fmt.Errorf("the bundle has %q where %s belongs", header.Name, name)
	case header.Format != tar.FormatUSTAR:
		return 0, fmt.Errorf("%s of the bundle is not in plain ustar, but %s", name, header.Format)
	}
	return header.Size, nil
}

// file reads the next file whole.
func (b *Bundle) file(name string, most int64) ([]byte, error) {
	size, err := b.next(name)
	if err != nil {
		return nil, err
	}
	if size > most {
		return nil, fmt.Errorf("%s of the bundle has %d octets, more than %d", name, size, most)
	}
	content := make([]byte, size)
	if _, err := io.ReadFull(b.reader, content); err != nil {
		return nil, fmt.Errorf("%s of the bundle: %w", name, err)
	}
	return content, nil
}

// Unpack gives the release notes, and writes the image to a writer as it comes.
// What was written counts only when Unpack has returned no error: then the image
// is the one of the manifest, and nothing follows it. It ends early with ctx.
func (b *Bundle) Unpack(ctx context.Context, image io.Writer) (notes string, err error) {
	text, err := b.file(notesName, notesMax)
	if err != nil {
		return "", err
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != b.Manifest.Notes {
		return "", fmt.Errorf("%s of the bundle is not the one that was signed", notesName)
	}
	size, err := b.next(ImageName)
	if err != nil {
		return "", err
	}
	if size != b.Manifest.Size {
		return "", fmt.Errorf("%s of the bundle has %d octets, %d were signed", ImageName, size, b.Manifest.Size)
	}
	digest := sha256.New()
	if _, err := io.Copy(io.MultiWriter(image, digest), until{ctx, b.reader}); err != nil {
		return "", fmt.Errorf("%s of the bundle: %w", ImageName, err)
	}
	if hex.EncodeToString(digest.Sum(nil)) != b.Manifest.SHA256 {
		return "", fmt.Errorf("%s of the bundle is not the one that was signed", ImageName)
	}
	if header, err := b.reader.Next(); err == nil {
		return "", fmt.Errorf("the bundle has %q after its last file", header.Name)
	} else if !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("the bundle after its last file: %w", err)
	}
	return string(text), nil
}

// until reads until a context ends.
type until struct {
	ctx context.Context
	r   io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if err := context.Cause(u.ctx); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// Make gives the manifest of an image, and its signed text. The manifest's
// format, sizes and sums are set here.
func Make(m Manifest, notes, image []byte) (Manifest, []byte, error) {
	sum, of := sha256.Sum256(image), sha256.Sum256(notes)
	m.Format, m.Size, m.SHA256, m.Notes = format, int64(len(image)), hex.EncodeToString(sum[:]), hex.EncodeToString(of[:])
	if err := m.check(); err != nil {
		return m, nil, fmt.Errorf("%s: %w", ManifestName, err)
	}
	if len(notes) > notesMax {
		return m, nil, fmt.Errorf("%s has %d octets, more than %d", notesName, len(notes), notesMax)
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return m, nil, err
	}
	return m, append(text, '\n'), nil
}

// Write writes a bundle of a manifest's text, the signature of that, the release
// notes and the image. The same arguments give the same octets.
func Write(w io.Writer, manifest, signature, notes, image []byte) error {
	archive := tar.NewWriter(w)
	for _, file := range []struct {
		name    string
		content []byte
	}{
		{ManifestName, manifest}, {SignatureName, signature}, {notesName, notes}, {ImageName, image},
	} {
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: file.name, Size: int64(len(file.content)),
			Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
		}
		if err := archive.WriteHeader(header); err != nil {
			return fmt.Errorf("write %s of the bundle: %w", file.name, err)
		}
		if _, err := io.Copy(archive, bytes.NewReader(file.content)); err != nil {
			return fmt.Errorf("write %s of the bundle: %w", file.name, err)
		}
	}
	return archive.Close()
}
