package rootfs

import (
	"bufio"
	"errors"
	"os"

	"github.com/klauspost/compress/zstd"
	"github.com/u-root/mkuimage/cpio"
	"github.com/u-root/mkuimage/uimage/initramfs"
)

// zstdFile is an archive, packed: a file to be written.
type zstdFile string

// OpenWriter begins the file. It is made by one thread, so that the same input
// gives the same bytes on any machine.
func (name zstdFile) OpenWriter() (initramfs.Writer, error) {
	file, err := os.OpenFile(string(name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	packer, err := zstd.NewWriter(file,
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderLevel(zstd.SpeedBestCompression),
		// The kernel unpacks into one buffer of this size, early in boot.
		zstd.WithWindowSize(8<<20),
	)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	buffer := bufio.NewWriterSize(packer, 1<<20)
	return &zstdWriter{RecordWriter: cpio.Newc.Writer(buffer), buffer: buffer, packer: packer, file: file}, nil
}

type zstdWriter struct {
	cpio.RecordWriter
	buffer *bufio.Writer
	packer *zstd.Encoder
	file   *os.File
}

// Finish ends the archive and the file.
func (w *zstdWriter) Finish() error {
	return errors.Join(cpio.WriteTrailer(w), w.buffer.Flush(), w.packer.Close(), w.file.Close())
}
