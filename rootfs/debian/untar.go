package debian

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
)

// untar writes the regular files of a tar stream below dir. Links and devices
// are left out: what we take from packages has none.
func untar(stream io.Reader, dir string, keep func(path string) bool) error {
	root, err := os.OpenRoot(dir) // no path in the stream leads out of dir
	if err != nil {
		return err
	}
	defer root.Close()
	for files := tar.NewReader(stream); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Clean(header.Name)
		if header.Typeflag != tar.TypeReg || keep != nil && !keep(name) {
			continue
		}
		if err := write(root, filepath.FromSlash(name), files); err != nil {
			return err
		}
	}
}

func write(root *os.Root, name string, content io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.Create(name)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, content); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
