package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"

	"causeway/appliance/com/wire"
)

// boxCLI runs lines on a box, or has a console of it on this terminal.
func boxCLI(ctx context.Context, c *comctl, args []string) error {
	if len(args) > 1 {
		return c.text(ctx, args[0], wire.MethodCLIExec, wire.CLIExec{Lines: args[1:]})
	}
	in, params := int(os.Stdin.Fd()), wire.CLI{}
	if term.IsTerminal(in) {
		width, height, err := term.GetSize(in)
		if err != nil {
			return fmt.Errorf("ask for the size of the terminal: %w", err)
		}
		params = wire.CLI{Width: width, Height: height, Raw: true}
	}
	stream, _, err := c.Open(ctx, args[0], wire.StreamCLI, params)
	if err != nil {
		return err
	}
	defer stream.Close()
	if params.Raw {
		state, err := term.MakeRaw(in)
		if err != nil {
			return fmt.Errorf("put the terminal into raw mode: %w", err)
		}
		defer term.Restore(in, state)
	}
	go io.Copy(stream, os.Stdin) // ends with this program
	_, err = io.Copy(c.out, stream)
	return err
}

func fileList(ctx context.Context, c *comctl, args []string) error {
	var answer wire.Files
	if err := c.Call(ctx, args[0], wire.MethodFileList, wire.FileList{Path: args[1]}, &answer); err != nil {
		return err
	}
	table := tabwriter.NewWriter(c.out, 0, 8, 2, ' ', 0)
	for _, f := range answer.Files {
		name := f.Name
		if f.Directory {
			name += "/"
		}
		fmt.Fprintf(table, "%d\t%s\t%s\n", f.Size, printable(f.Time), printable(name))
	}
	return table.Flush()
}

// fileGet fetches a file. What came of it before a link was cut lies beside it
// as .part, and the next try goes on from there.
func fileGet(ctx context.Context, c *comctl, args []string) error {
	name := path.Base(strings.ReplaceAll(args[1], ":", "/"))
	if len(args) > 2 {
		name = args[2]
	}
	part, err := os.OpenFile(name+".part", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer part.Close()
	size, came, err := c.Fetch(ctx, args[0], args[1], part)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%d octets, %d of them now\n", size, came)
	return os.Rename(name+".part", name)
}

// fileUpload has a box bring a file to the file store.
func fileUpload(ctx context.Context, c *comctl, args []string) error {
	var answer wire.Uploaded
	if err := c.Call(ctx, args[0], wire.MethodFileUpload, wire.FileUpload{Path: args[1], URL: args[2]}, &answer); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.out, "%d octets, SHA-256 %s\n", answer.Size, printable(answer.SHA))
	return err
}

// tunnel listens on an address and carries each connection to a server of the
// box, until it is interrupted.
func tunnel(ctx context.Context, c *comctl, args []string) error {
	address := "127.0.0.1:0"
	if len(args) > 2 {
		address = args[2]
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s of %s: %s\n", args[1], args[0], listener.Addr())
	return c.Tunnel(ctx, args[0], args[1], listener, func(err error) { fmt.Fprintln(os.Stderr, "tunnel:", err) })
}
