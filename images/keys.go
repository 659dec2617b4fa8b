package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"causeway/images/signing"
)

// keysFlag adds -keys. Its default is this source tree's own.
func keysFlag(flags *flag.FlagSet) *string {
	return flags.String("keys", os.Getenv("CAUSEWAY_KEYS"), "`directory` of the keys to sign with (default $CAUSEWAY_KEYS, or out/keys)")
}

// keysDir is the directory of keys that the flag asks for. Those of this source
// tree are made if they are not there; others are not.
func keysDir(flag, source string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	dir := filepath.Join(source, "out", "keys")
	_, err := signing.Make(dir)
	return dir, err
}

func keysCommand(ctx context.Context, args []string, out, log io.Writer) error {
	flags := flag.NewFlagSet("images keys", flag.ContinueOnError)
	flags.SetOutput(log)
	dir := keysFlag(flags)
	if err := parse(flags, args); err != nil {
		return err
	}
	source, err := moduleDir(ctx)
	if err != nil {
		return err
	}
	if *dir, err = keysDir(*dir, source); err != nil {
		return err
	}
	if _, err := signing.Make(*dir); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "keys=%s\n", *dir)
	return err
}
