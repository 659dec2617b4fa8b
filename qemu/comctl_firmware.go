package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"causeway/appliance/com/wire"
)

// firmwareStage has a box fetch a bundle. FILE is the same one here: it says what
// the box must get.
func firmwareStage(ctx context.Context, c *comctl, args []string) error {
	file, err := os.Open(args[2])
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, file)
	if err != nil {
		return err
	}
	return c.firmware(ctx, args[0], wire.MethodFirmwareStage, wire.FirmwareStage{
		URL: args[1], Name: path.Base(args[2]), Size: size, SHA: hex.EncodeToString(sum.Sum(nil)),
	})
}

// firmwareActivate puts what is staged on trial: now, idle, drain, or at a time.
func firmwareActivate(ctx context.Context, c *comctl, args []string) error {
	activate := wire.FirmwareActivate{When: "now"}
	if len(args) > 1 {
		activate.When = args[1]
	}
	if strings.Contains(activate.When, ":") {
		activate.When, activate.At = "at", args[1]
	}
	return c.firmware(ctx, args[0], wire.MethodFirmwareActivate, activate)
}

func firmwareConfirm(ctx context.Context, c *comctl, args []string) error {
	return c.firmware(ctx, args[0], wire.MethodFirmwareConfirm, nil)
}

func firmwareCancel(ctx context.Context, c *comctl, args []string) error {
	return c.firmware(ctx, args[0], wire.MethodFirmwareCancel, nil)
}

func firmwareStatus(ctx context.Context, c *comctl, args []string) error {
	return c.firmware(ctx, args[0], wire.MethodFirmwareStatus, nil)
}

// firmware calls a method, and prints how the firmware of the box stands.
func (c *comctl) firmware(ctx context.Context, serial, method string, params any) error {
	var f wire.Firmware
	if err := c.Call(ctx, serial, method, params, &f); err != nil {
		return err
	}
	for _, line := range []struct{ name, value string }{
		{"running", strings.TrimSpace(f.Running + " " + f.Slot)}, {"on trial, waits for", f.Trial}, {"staged", f.Staged}, {"planned", f.Planned},
		{"last", f.Last}, {"problem", f.Problem},
	} {
		if line.value != "" {
			fmt.Fprintf(c.out, "%s: %s\n", line.name, printable(line.value))
		}
	}
	if f.Have < f.Size {
		fmt.Fprintf(c.out, "%d of %d octets\n", f.Have, f.Size)
	}
	return nil
}
