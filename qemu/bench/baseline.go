package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
	"github.com/u-root/u-root/pkg/cpio"

	"causeway/qemu/machine"
)

// baselineInitramfs builds qemu/baseline for the board and writes an initramfs
// that holds nothing else to path, compressed like the appliance's own. root
// is the project's folder.
func baselineInitramfs(ctx context.Context, root string, board machine.Board, path string) error {
	program := path + ".init"
	defer os.Remove(program)
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./qemu/baseline")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+board.GoArch)
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the baseline's init: %w: %s", err, output)
	}
	init, err := os.ReadFile(program)
	if err != nil {
		return fmt.Errorf("read the baseline's init: %w", err)
	}
	var archive bytes.Buffer
	writer := cpio.Newc.Writer(&archive)
	records := []cpio.Record{
		cpio.Directory("dev", 0o755),
		cpio.CharDev("dev/console", 0o600, 5, 1),
		cpio.StaticFile("init", string(init), 0o755),
	}
	if err := cpio.WriteRecords(writer, records); err != nil {
		return fmt.Errorf("archive the baseline: %w", err)
	}
	if err := cpio.WriteTrailer(writer); err != nil {
		return fmt.Errorf("archive the baseline: %w", err)
	}
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		return fmt.Errorf("compress the baseline: %w", err)
	}
	if err := os.WriteFile(filepath.Clean(path), encoder.EncodeAll(archive.Bytes(), nil), 0o644); err != nil {
		return fmt.Errorf("write the baseline: %w", err)
	}
	return nil
}
