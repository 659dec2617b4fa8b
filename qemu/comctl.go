package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"causeway/qemu/lab/comd/operator"
)

// comctl is an operator at COM.
type comctl struct {
	*operator.Client        // nil for keygen
	keyFile          string // of the operator's key
	out              io.Writer
}

// comctlCommand is one of its commands.
type comctlCommand struct {
	name      string // may be two words
	arguments string // as in the usage
	least     int    // arguments
	most      int    // -1: any number
	run       func(context.Context, *comctl, []string) error
}

var comctlCommands = []comctlCommand{
	{"keygen", "NAME", 1, 1, keygen},
	{"list", "", 0, 0, listBoxes},
	{"show", "BOX", 1, 1, showBox},
	{"alarms", "BOX", 1, 1, showAlarms},
	{"preregister", "BOX CUSTOMER", 2, 2, preregister},
	{"approve", "BOX", 1, 1, approve},
	{"revoke", "BOX", 1, 1, revoke},
	{"subscribe", "BOX {calls|remote-management} COUNT [DAYS]", 3, 4, subscribe},
	{"cli", "BOX [LINE ...]", 1, -1, boxCLI},
	{"config get", "BOX [running|startup|candidate]", 1, 2, configGet},
	{"config diff", "BOX", 1, 1, configDiff},
	{"config edit", "BOX FILE", 2, 2, configEdit},
	{"config validate", "BOX", 1, 1, configValidate},
	{"config commit", "BOX [COMMENT]", 1, 2, configCommit},
	{"config confirm", "BOX REVISION", 2, 2, configConfirm},
	{"config rollback", "BOX REVISION", 2, 2, configRollback},
	{"config abort", "BOX", 1, 1, configAbort},
	{"file list", "BOX PATH", 2, 2, fileList},
	{"file get", "BOX PATH [FILE]", 2, 3, fileGet},
	{"file upload", "BOX PATH URL", 3, 3, fileUpload},
	{"firmware stage", "BOX URL FILE", 3, 3, firmwareStage},
	{"firmware activate", "BOX [now|idle|drain|HH:MM]", 1, 2, firmwareActivate},
	{"firmware confirm", "BOX", 1, 1, firmwareConfirm},
	{"firmware cancel", "BOX", 1, 1, firmwareCancel},
	{"firmware status", "BOX", 1, 1, firmwareStatus},
	{"backup restore", "BOX NAME PASSPHRASE-FILE", 3, 3, backupRestore},
	{"backup", "BOX", 1, 1, backup},
	{"metrics", "BOX", 1, 1, metrics},
	{"log", "BOX", 1, 1, logTail},
	{"sessions", "BOX", 1, 1, sessions},
	{"tunnel", "BOX {web|ssh} [ADDRESS]", 2, 3, tunnel},
	{"partner", "NAME", 1, 1, addPartner},
	{"customer", "ID PARTNER", 2, 2, addCustomer},
	{"token", "NAME [PARTNER]", 1, 2, newToken},
	{"audit", "", 0, 0, audit},
}

// runComctl is one command of an operator.
func runComctl(ctx context.Context, args []string) error { return comctlTo(ctx, os.Stdout, args) }

// comctlTo is one command that prints there.
func comctlTo(ctx context.Context, out io.Writer, args []string) error {
	var url, dir, key, actor string
	set := flag.NewFlagSet("qemu comctl", flag.ContinueOnError)
	set.StringVar(&url, "api", "https://127.0.0.1:8481", "`URL` of COM")
	set.StringVar(&dir, "dir", comdDir, "`folder` with COM's root certificate and the operator's token")
	set.StringVar(&key, "key", filepath.Join(comdDir, "operator.pem"), "`file` of the operator's key")
	set.StringVar(&actor, "actor", "", "`name` of who acts, for the logs; the operator's if there is none")
	set.Usage = func() {
		fmt.Fprintln(set.Output(), comctlUsage())
		set.PrintDefaults()
	}
	if err := set.Parse(args); err != nil {
		return err
	}
	command, args, err := findComctl(set.Args())
	if err != nil {
		return err
	}
	c := &comctl{keyFile: key, out: out}
	if command.name != "keygen" {
		if c.Client, err = openComctl(url, dir, key); err != nil {
			return err
		}
		defer c.Close()
		c.Actor = actor
	}
	return command.run(ctx, c, args)
}

// findComctl finds the command of some words, and its arguments.
func findComctl(words []string) (*comctlCommand, []string, error) {
	i := slices.IndexFunc(comctlCommands, func(c comctlCommand) bool {
		name := strings.Fields(c.name)
		return len(words) >= len(name) && slices.Equal(words[:len(name)], name)
	})
	if i < 0 {
		return nil, nil, errors.New(comctlUsage())
	}
	c := &comctlCommands[i]
	args := words[len(strings.Fields(c.name)):]
	if len(args) < c.least || c.most >= 0 && len(args) > c.most {
		return nil, nil, fmt.Errorf("usage: comctl %s %s", c.name, c.arguments)
	}
	return c, args, nil
}

func comctlUsage() string {
	var usage strings.Builder
	usage.WriteString("usage: qemu comctl [flags] COMMAND\n")
	for _, c := range comctlCommands {
		fmt.Fprintln(&usage, "  "+strings.TrimSpace(c.name+" "+c.arguments))
	}
	return strings.TrimSpace(usage.String())
}

// openComctl has what an operator needs from its files. Without a key nothing
// can be signed.
func openComctl(url, dir, keyFile string) (*operator.Client, error) {
	root, err := os.ReadFile(filepath.Join(dir, comdRoot))
	if err != nil {
		return nil, err
	}
	token, err := os.ReadFile(filepath.Join(dir, comdToken))
	if err != nil {
		return nil, err
	}
	key, err := operator.ReadKey(keyFile)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return operator.NewClient(url, string(bytes.TrimSpace(token)), root, key)
}

// keygen makes the operator's key, and prints the line that boxes are given.
func keygen(_ context.Context, c *comctl, args []string) error {
	key, err := operator.NewKey(args[0])
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(c.keyFile), 0o700); err != nil {
		return err
	}
	if err := key.Save(c.keyFile); err != nil {
		return err
	}
	line, err := key.Trust()
	fmt.Fprintln(c.out, line)
	return err
}
