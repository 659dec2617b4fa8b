package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"causeway/board"
	"causeway/rootfs"
)

// writeNetboot writes the script by which iPXE starts an image from beside it: the
// program that the firmware checks where there is UEFI, else its parts.
func writeNetboot(dir string, b *board.Board, root *rootfs.Spec) error {
	var script strings.Builder
	fmt.Fprintf(&script, "#!ipxe\n# Causeway %s for %s\n", root.Info.Version, b.Name)
	if b.GOARCH == "amd64" {
		fmt.Fprintf(&script, "iseq ${platform} efi && goto efi ||\nkernel %s %s initrd=%s\ninitrd %[3]s\nboot\n:efi\n", kernelFile, b.CommandLine(), initramfsFile)
	}
	fmt.Fprintf(&script, "kernel %s\nboot\n", ukiFile)
	return os.WriteFile(filepath.Join(dir, ipxeFile), []byte(script.String()), 0o644)
}
