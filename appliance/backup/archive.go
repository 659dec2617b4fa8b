package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"
)

// Manifest is the first file of a backup, and says what the others are.
type Manifest struct {
	Format   int       `json:"format"`
	Serial   string    `json:"serial"` // of the box that made it
	HostName string    `json:"host_name"`
	Version  string    `json:"version"` // of its firmware
	Board    string    `json:"board"`
	Revision int       `json:"revision"` // of its configuration; 0: none that was committed
	Time     time.Time `json:"time"`
	Files    []File    `json:"files"`
	LeftOut  []string  `json:"left_out"` // what belongs to that box alone, a sentence each
}

// File is one file of a backup.
type File struct {
	Name   string `json:"name"`
	Size   int    `json:"size"` // octets
	SHA256 string `json:"sha256"`

	content []byte
}

func newFile(name string, content []byte) File {
	sum := sha256.Sum256(content)
	return File{name, len(content), hex.EncodeToString(sum[:]), content}
}

// The names of the files.
const (
	manifestName      = "manifest.json"
	configurationName = "configuration.conf"
	certificatesDir   = "certificates/"
)

var certificateName = regexp.MustCompile(`^certificates/[a-z]{1,20}/(identity|trust)\.pem$`)

// The bounds of a backup. Each is some way above what a box makes.
const (
	format      = 1
	filesMax    = 32
	fileMax     = 1 << 20  // octets: that of a configuration
	manifestMax = 64 << 10 // octets
	archiveMax  = 8 << 20  // octets, encrypted
)

// writeArchive writes a backup that is not encrypted yet: a tar archive.
func writeArchive(w io.Writer, m Manifest) error {
	manifest, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	archive := tar.NewWriter(w)
	for _, f := range append([]File{newFile(manifestName, append(manifest, '\n'))}, m.Files...) {
		header := tar.Header{Name: f.Name, Size: int64(f.Size), Mode: 0o600, ModTime: m.Time, Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(&header); err != nil {
			return fmt.Errorf("write %s: %w", f.Name, err)
		}
		if _, err := archive.Write(f.content); err != nil {
			return fmt.Errorf("write %s: %w", f.Name, err)
		}
	}
	return archive.Close()
}

// readArchive reads what writeArchive has written, to the end of r and no more
// than archiveMax. Every file is as the manifest says.
func readArchive(r io.Reader) (m Manifest, err error) {
	r = io.LimitReader(r, archiveMax)
	archive := tar.NewReader(r)
	manifest, err := nextFile(archive, manifestName, manifestMax)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(manifest, &m); err != nil {
		return m, fmt.Errorf("read the manifest: %w", err)
	}
	if err := m.check(); err != nil {
		return m, err
	}
	for i := range m.Files {
		f := &m.Files[i]
		content, err := nextFile(archive, f.Name, fileMax)
		if err != nil {
			return m, err
		}
		if read := newFile(f.Name, content); read.Size != f.Size || read.SHA256 != f.SHA256 {
			return m, fmt.Errorf("%s is not the file that the manifest says", f.Name)
		}
		f.content = content
	}
	if _, err := archive.Next(); err != io.EOF {
		return m, errors.Join(errors.New("there is more in it than the manifest says"), err)
	}
	_, err = io.Copy(io.Discard, r) // only its end says that nothing was cut off
	return m, err
}

// nextFile reads the next file of an archive, which must have that name.
func nextFile(archive *tar.Reader, name string, most int64) ([]byte, error) {
	header, err := archive.Next()
	switch {
	case err == io.EOF:
		return nil, fmt.Errorf("%s is missing", name)
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	case header.Name != name || header.Typeflag != tar.TypeReg:
		return nil, fmt.Errorf("%q is in the place of %s", header.Name, name)
	case header.Size > most:
		return nil, fmt.Errorf("%s has %d octets, and %d are the most", name, header.Size, most)
	}
	var content bytes.Buffer
	if _, err := io.Copy(&content, archive); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return content.Bytes(), nil
}

// check says why a manifest is none that this firmware can restore.
func (m *Manifest) check() error {
	switch {
	case m.Format != format:
		return fmt.Errorf("the backup is of format %d, and this firmware knows format %d", m.Format, format)
	case len(m.Files) == 0 || m.Files[0].Name != configurationName:
		return errors.New("the manifest does not begin with the configuration")
	case len(m.Files) > filesMax:
		return fmt.Errorf("the manifest has %d files, and %d are the most", len(m.Files), filesMax)
	}
	seen := map[string]bool{}
	for _, f := range m.Files[1:] {
		if !certificateName.MatchString(f.Name) || seen[f.Name] {
			return fmt.Errorf("%q is no file of a backup, or there twice", f.Name)
		}
		seen[f.Name] = true
	}
	return nil
}
