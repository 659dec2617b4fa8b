package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/console"
	"causeway/appliance/grammar"
)

var update = flag.Bool("update", false, "write docs/commands.md")

func TestCommandReferenceIsUpToDate(t *testing.T) {
	var got bytes.Buffer
	if err := grammar.Reference(&got, console.Commands(), console.ConfigurationCommands()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "docs", "commands.md")
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(have), got.String()); diff != "" {
		t.Errorf("%s is not what the commands declare (-file +declared); write it with go test ./appliance -run Reference -update:\n%s", file, diff)
	}
}

func TestCheck(t *testing.T) {
	for _, test := range []struct{ name, text, want, wantErr string }{
		{"as printed", grammar.BuiltIn(), grammar.BuiltIn(), ""},
		{
			"as typed, with prompts", "host# conf t\nhost(config)# host Box\nhost(config)# ip name-server 192.0.2.1 192.0.2.2\nhost(config)#end\n",
			"hostname Box\n!\nip name-server 192.0.2.1\nip name-server 192.0.2.2\n", "",
		},
		{"lines kept aside stay", "hostname a\n!? colour red\n!? hostname b\n", "hostname b\n!\n!? colour red\n", ""},
		{
			"every error", "hostname a_b\nlan LAN1\n ip address 192.0.2.1 255.0.255.0\nip route 0.0.0.0 0.0.0.0 192.0.2.2 LAN1 256\n",
			"line 1: a_b is not a host name of 1 to 63 letters, digits and inner hyphens\n" +
				"  hostname a_b\n" +
				"           ^\n" +
				"line 3: 255.0.255.0 is not a contiguous mask\n" +
				"  ip address 192.0.2.1 255.0.255.0\n" +
				"                       ^\n" +
				"line 4: 256 is not between 1 and 255\n" +
				"  ip route 0.0.0.0 0.0.0.0 192.0.2.2 LAN1 256\n" +
				"                                          ^\n",
			"3 of its lines are wrong",
		},
		{"not for a terminal", "hostname \x1b[2J\n", "line 1: a character that cannot be printed\n  hostname ?[2J\n           ^\n", "1 of its lines are wrong"},
	} {
		var got bytes.Buffer
		err := check(&got, test.text)
		if got.String() != test.want || (err == nil) != (test.wantErr == "") || err != nil && err.Error() != test.wantErr {
			t.Errorf("%s: check(%q) = %v and\n%s\nwant %s and\n%s", test.name, test.text, err, got.String(), test.wantErr, test.want)
		}
	}
}

func TestCheckReadsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "box.conf")
	if err := os.WriteFile(file, []byte("hostname\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{nil, {file, file}, {file}, {file + ".not"}} {
		if err := runCheck(t.Context(), args); err == nil {
			t.Errorf("check %q = nil; want an error", args)
		}
	}
}

// TestReferenceHasEveryLevel guards the text against a table that got lost.
func TestReferenceHasEveryLevel(t *testing.T) {
	var text bytes.Buffer
	if err := grammar.Reference(&text, console.Commands(), console.ConfigurationCommands()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"- **`show version`**: .*\\*user\\*", "- **`reload \\[now\\].*\\*privileged\\*", "- **`commit ",
		"  - `METRIC` `<1-255>`: The route with the lowest is used; `1` unless given", "  - undone by `no hostname \\[NAME\\]`",
		"Opened by `lan LAN` in `\\(config\\)#`",
	} {
		if !regexp.MustCompile(strings.ReplaceAll(want, "**", `\*\*`)).Match(text.Bytes()) {
			t.Errorf("the reference has no line like %s", want)
		}
	}
}
