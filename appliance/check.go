package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"causeway/appliance/config"
	"causeway/appliance/console"
	"causeway/appliance/grammar"
)

// runCheck prints the normalised text of a configuration file, or what is
// wrong with each line.
func runCheck(_ context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("check: which file? (- is the standard input)")
	}
	text, err := readText(args[0])
	if err != nil {
		return err
	}
	if err := check(os.Stdout, text); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return nil
}

func readText(file string) (string, error) {
	if file != "-" {
		text, err := os.ReadFile(file)
		return string(text), err
	}
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return "", fmt.Errorf("read standard input: %w", err)
	}
	return string(text), nil
}

// check writes the normalised text, or the errors. A secret in plain text is
// as good as on the appliance, and is printed under a key that nobody has.
func check(w io.Writer, text string) error {
	octets := make([]byte, 32)
	rand.Read(octets)
	key, err := config.NewBoxKey(octets)
	if err != nil {
		return err
	}
	g := grammar.All().Sealing(key).Hashing(config.NewHasher())
	c, err := g.Parse(text)
	var faults config.Errors
	switch {
	case errors.As(err, &faults):
		for _, fault := range faults {
			writeFault(w, fault)
		}
		return fmt.Errorf("%d of its lines are wrong", len(faults))
	case err != nil:
		return err
	}
	_, aside, _ := g.Load(g.Print(c, config.Aside(text)))
	_, err = io.WriteString(w, g.Print(c, aside))
	return err
}

// writeFault prints the rule, the line, and a caret below the word at fault.
func writeFault(w io.Writer, fault *config.Error) {
	if fault.Line > 0 {
		fmt.Fprintf(w, "line %d: ", fault.Line)
	}
	printable := func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}
	fmt.Fprintf(w, "%s\n  %s\n  %s\n", fault.Rule, strings.Map(printable, fault.Text), fault.Caret())
}

// runCommands prints the command reference, docs/commands.md.
func runCommands(_ context.Context, args []string) error {
	if len(args) != 0 {
		return errors.New("commands: unexpected arguments")
	}
	return grammar.Reference(os.Stdout, console.Commands(), console.ConfigurationCommands())
}
