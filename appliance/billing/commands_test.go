package billing

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// grammar is billing's commands and the modes that they hang in.
func grammar(t testing.TB) *config.Grammar {
	t.Helper()
	open := func(mode config.Mode, syntax string, opens config.Mode, of func(*model.Config) *bool) config.Command {
		return config.Command{
			Mode: mode, Syntax: syntax, Opens: opens, Help: "A mode",
			Apply:  func(c *model.Config, _ config.Args) error { *of(c) = true; return nil },
			Render: func(c *model.Config, _ config.Args) []config.Args { return config.When(*of(c), config.Args{}) },
		}
	}
	g, err := config.New([]config.Command{open(config.Global, "sbe", inSBE, func(c *model.Config) *bool { return &c.SBC.SBE })}, Commands())
	if err != nil {
		t.Fatal(err)
	}
	key, err := config.NewBoxKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return g.Sealing(key)
}

// base is a configuration that can be committed: two clients, and an instance
// of each method.
const base = `sbe
 radius accounting set1
  server a
   address ipv4 192.0.2.1
   key cisco
  activate
 radius accounting set2
  server b
   address ipv4 192.0.2.2
   key cisco
 billing
  method packetcable-em
  method xml
  packetcable-em 0 transport radius set1
   attach
  xml 1
   attach
  activate
`

// TestRules: what may be typed, and what cannot be committed.
func TestRules(t *testing.T) {
	g := grammar(t)
	if _, err := g.Parse(base); err != nil {
		t.Fatalf("Parse(base) = %v; want no error", err)
	}
	const inSBE, inClient, inServer = "exit\n", "exit\nradius accounting set1\n", "exit\nradius accounting set1\nserver a\n"
	const inPackets, inFiles = "packetcable-em 0 transport radius set1\n", "xml 1\n"
	for _, test := range []struct{ lines, want string }{
		// RADIUS.
		{inServer + "no address ipv4", "server a has no address"},
		{inServer + "no key", ""}, // PacketCable has one
		{inServer + "no key\ntransport tls", ""},
		{inServer + "no address ipv4\nno activate\nbilling\n" + inPackets + "no attach", ""},
		{inServer + "address ipv4 224.0.0.1", "224.0.0.1 is not the address of a host"},
		{inServer + "address ipv6 2001:db8::1", ""},
		{inServer + "address ipv6 2001:db8::1\ncontrol address aaa ipv4 192.0.2.9", "requests come from 192.0.2.9, which cannot reach an IPv6 address"},
		{inSBE + "control address aaa ipv4 0.0.0.0", "0.0.0.0 is not the address of a host"},
		{inSBE + "control address aaa ipv4 192.0.2.9 vrf red", "red is not one of"},
		{inClient + "no server a", "RADIUS client set1 has no server"},
		{inClient + "no server c", "there is no server c"},
		{inSBE + "no radius accounting set1", "RADIUS client set1 serves packetcable-em 0"},
		{inSBE + "no radius accounting set2", ""},
		{inSBE + "no radius accounting set3", "there is no RADIUS client set3"},
		// Billing.
		{inSBE + "no billing", "billing is active"},
		{"no activate\nno billing", "billing has methods"},
		{"no activate\nno packetcable-em 0\nno xml 1\nno method xml\nno method packetcable-em\nno billing", ""},
		{"no packetcable-em 0\nno xml 1\nno method xml\nno method packetcable-em", "billing has no method"},
		{"no method packetcable-em", "method packetcable-em has an instance"},
		{"no method xml", "method xml has an instance"},
		{"no xml 1", "the method has no instance: add xml INDEX"},
		{"no packetcable-em 0", "the method has no instance: add packetcable-em INDEX"},
		{"packetcable-em 3 transport radius test", "there is no RADIUS client test"},
		{"packetcable-em 3 transport radius set1", "RADIUS client set1 serves instance"},
		{"packetcable-em 3 transport radius set2\nattach", "RADIUS client set2 is not active"},
		{"packetcable-em 3 transport radius set2", ""},
		{"xml 2", "there is the xml instance 1 already; there can be one"},
		// The cache.
		{"cache path harddisk:/billcache", "the slash at its end is missing"},
		{"cache path harddisk:/billcache/", ""},
		{"cache path usb0:billing_cache/", ""},
		{"cache path harddisk:", ""},
		{"cache path /etc/", "does not begin with a volume"},
		{"cache alarm", "minor, major or critical is expected"},
		{"cache alarm minor 3 critical 5 major 4", ""},
		{"cache alarm minor 3 critical 5 major 5", "do not rise"},
		{"cache alarm minor 488281", "minor (488281 KB), major (488281 KB)"},
		{"cache alarm critical 2000000", ""},
		// Times.
		{"ldr-check 22 30", ""},
		{"ldr-check 9 05", ""},
		{"ldr-check 22:30", ""},
		{"ldr-check 22:30 15", "the minute is in 22:30 already"},
		{"ldr-check 22 60", "60 is not a minute"},
		// XML.
		{inFiles + "cdr path usb0:cdr", ""},
		{inFiles + "cdr alarm minor 2000 major 1000 critical 500", ""},
		{inFiles + "cdr alarm minor 500 major 1000 critical 2000", "major (1000 KB) must be more than critical (2000 KB)"},
		{inFiles + "cdr alarm minor 500 critical 500", "minor (500 KB) must be more than critical (500 KB)"},
		{inFiles + "cdr alarm", "minor, major or critical is expected"},
		{inFiles + "cdr transfer sftp://cdr@192.0.2.1/in/", "password is expected"},
		{inFiles + "cdr transfer sftp://cdr@192.0.2.1/in/ password x", "no fingerprint of a host key"},
		{inFiles + "cdr transfer sftp://cdr@192.0.2.1/in/ host-key SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA password x", ""},
		{inFiles + "cdr transfer sftp://cdr:secret@192.0.2.1/in/ password x", "is not like sftp://user@host/directory/"},
	} {
		_, err := g.Parse(base + test.lines)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("Parse of base and %q = %v; want %q", test.lines, err, test.want)
		}
	}
}

// TestOldWordForAdjacency: "cdr adj-info" of release 2.6.1 loads as what 2.6.2
// made of it (seed 003, ISSU).
func TestOldWordForAdjacency(t *testing.T) {
	g := grammar(t)
	for _, test := range []struct{ lines, want string }{
		{"cdr adj-info", "   cdr endpoint-info adjacency\n"},
		{"cdr endpoint-info addressing\ncdr adj-info", "   cdr endpoint-info adjacency\n"},
		{"cdr adj-info\nno cdr adj-info", ""},
		{"cdr adj-info\nno cdr endpoint-info", ""},
	} {
		c, err := g.Parse("sbe\nbilling\n" + test.lines)
		if err != nil {
			t.Fatalf("Parse(%q) = %v; want no error", test.lines, err)
		}
		if diff := cmp.Diff("sbe\n billing\n"+strings.ReplaceAll(test.want, "   ", "  ")+"  exit\n exit\n", g.Render(c)); diff != "" {
			t.Errorf("%q (-want +rendered):\n%s", test.lines, diff)
		}
	}
}

// TestSecretsStayOut: neither what is printed nor an error repeats a key.
func TestSecretsStayOut(t *testing.T) {
	g := grammar(t)
	c, err := g.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	if text := g.Render(c); strings.Contains(text, "cisco") || !strings.Contains(text, "key sealed:") {
		t.Errorf("Render = %s; want the key sealed", text)
	}
	_, err = g.Parse(base + "xml 1\ncdr transfer sftp://cdr:hidden@192.0.2.1/in/ password open")
	var fault *config.Error
	if !errors.As(err, &fault) || strings.Contains(fault.Rule, "hidden") {
		t.Errorf("Parse = %v; want a rule without the password", err)
	}
}
