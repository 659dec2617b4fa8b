package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"causeway/board"
	"causeway/images/flash"
	"causeway/rootfs"
)

func flashCommand(ctx context.Context, args []string, out, log io.Writer) error {
	flags := flag.NewFlagSet("images flash", flag.ContinueOnError)
	flags.SetOutput(log)
	boardName := flags.String("board", "x86_64", strings.Join(board.Names(), " or "))
	variant := flags.String("variant", string(rootfs.Release), "release or debug")
	dir := flags.String("o", "", "`directory` with the image (default out/BOARD-VARIANT)")
	installer := flags.Bool("installer", false, "write the installer instead of the disk of a box")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("flash takes one argument, the disk: /dev/sdb")
	}
	if *dir == "" {
		source, err := moduleDir(ctx)
		if err != nil {
			return err
		}
		*dir = filepath.Join(source, "out", *boardName+"-"+*variant)
	}
	name := diskFile
	if *installer {
		name = installerFile
	}
	image, err := openFlashed(*dir, *boardName, name)
	if err != nil {
		return err
	}
	defer image.Close()
	return flashDisk(ctx, image, flags.Arg(0), out)
}

// openFlashed opens a disk image in a directory, if it is the one that was built
// there, for that board.
func openFlashed(dir, boardName, name string) (*os.File, error) {
	info, err := readInfo(dir)
	if err != nil {
		return nil, err
	}
	if info.Board != boardName {
		return nil, fmt.Errorf("the image in %s is for the board %s, not for %s", dir, info.Board, boardName)
	}
	sums, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err != nil {
		return nil, err
	}
	sum, err := hashFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(sums, fmt.Appendf(nil, "%x  %s\n", sum, name)) {
		return nil, fmt.Errorf("%s in %s is not the one that was built: it is not as in %s", name, dir, sumsFile)
	}
	return os.Open(filepath.Join(dir, name))
}

// flashDisk writes an image to a disk when who is asked has typed its path.
func flashDisk(ctx context.Context, image *os.File, path string, out io.Writer) error {
	length, err := fileSize(image.Name())
	if err != nil {
		return err
	}
	disk, err := flash.Open(path)
	if err != nil {
		return err
	}
	defer disk.Close()
	fitted, err := flash.Fit(image, length, disk.Size)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := confirm(path, disk.String(), os.Stdin, out); err != nil {
		return err
	}
	said := ""
	err = fitted.Write(ctx, disk, func(step string, done, all int64) {
		if line := fmt.Sprintf("%s: %d %%", step, done*10/all*10); line != said {
			fmt.Fprintln(out, line)
			said = line
		}
	})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := disk.Reread(); err != nil {
		return fmt.Errorf("%s: have the kernel read its partitions: %w", path, err)
	}
	fmt.Fprintf(out, "%s holds %s\n", path, filepath.Base(image.Name()))
	return nil
}

// confirm has somebody type the path of a disk, who sees what it is.
func confirm(path, what string, in io.Reader, out io.Writer) error {
	fmt.Fprintf(out, "%s: %s\nAll that is on it will be lost. Type %[1]s to go on: ", path, what)
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != path {
		return errors.Join(fmt.Errorf("%s is left as it is", path), err)
	}
	return nil
}
