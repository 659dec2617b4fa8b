package billing

import (
	"strings"
	"testing"

	"causeway/appliance/config"
)

// TestLocked holds what a commit may change against seed 003, "Restrictions".
func TestLocked(t *testing.T) {
	g := grammar(t)
	sole := strings.NewReplacer("  method xml\n", "", "  xml 1\n   attach\n", "").Replace(base)
	idle := base + "  no activate\n"
	const packets, files = "packetcable-em 0 transport radius set1\n", "xml 1\n"
	const active = "billing is active"
	for _, test := range []struct {
		running, lines string
		want           []string // how the faults begin, each as it is printed
	}{
		{base, "", nil},
		// Billing items.
		{base, "cdr media-info", []string{`"cdr media-info": ` + active}},
		{base, "element-id 7\ncache path usb0:", []string{`"element-id 7": ` + active, `"cache path usb0:": ` + active}},
		{base, packets + "no attach", []string{`"no attach": ` + active}},
		{base, packets + "deact-mode quiesce", []string{`"deact-mode quiesce": ` + active}},
		{base, files + "flipped-size 7", []string{`"flipped-size 7": ` + active}},
		{base, "packetcable-em 3 transport radius set2\nlocal-address ipv4 192.0.2.3", []string{`"packetcable-em 3 transport radius set2": ` + active}},
		{base, "no xml 1\nno method xml", []string{`"no method xml": ` + active, `"no xml 1": ` + active}},
		{base, "exit\nradius accounting set2\nactivate\nbilling\npacketcable-em 0 transport radius set2", []string{`"packetcable-em 0 transport radius set2": ` + active}},
		{idle, "cdr media-info\n" + packets + "no attach", nil},
		{base, "no activate\ncdr media-info", nil},
		{idle, "activate\ncdr media-info", nil},
		// Batches.
		{sole, packets + "batch-size 256\nbatch-time 22", nil},
		{base, packets + "batch-size 256", []string{`"batch-size 256": with 2 instances batches cannot be changed`}},
		{base + packets + "batch-time 22\n", packets + "no batch-time", []string{`"no batch-time 22": with 2 instances`}},
		// ldr-check of billing.
		{idle, "ldr-check 22 30", []string{`"ldr-check 22 30": billing has methods`}},
		{idle, packets + "ldr-check 22 30", nil},
		{idle, "no xml 1\nno method xml\nno packetcable-em 0\nno method packetcable-em\nldr-check 22 30", nil},
		{"sbe\n billing\n", "ldr-check 22 30\n  method xml\n  xml 1", nil},
		// RADIUS clients.
		{base, "exit\nradius accounting set1\nretry-limit 2", []string{`"retry-limit 2": RADIUS client set1 serves packetcable-em 0; ` + active}},
		{base, "exit\nradius accounting set1\nserver a\npriority 3", []string{`"priority 3": RADIUS client set1 serves`}},
		{base, "exit\nradius accounting set1\nserver c\naddress ipv4 192.0.2.7\nkey x", []string{`"server c": RADIUS client set1 serves`}},
		{base, "exit\nradius accounting set2\nretry-limit 2\nno server b", nil},
		{base, "exit\nno radius accounting set2\nradius accounting set9", nil},
		{idle, "exit\nradius accounting set1\nretry-limit 2", nil},
		// A value that is another one is told once.
		{base + "element-id 3\n", "element-id 7", []string{`"element-id 7": ` + active}},
	} {
		running, err := g.Parse(test.running)
		if err != nil {
			t.Fatalf("Parse(%q) = %v; want no error", test.running, err)
		}
		candidate, err := g.Parse(g.Render(running) + "sbe\nbilling\n" + test.lines)
		if err != nil {
			t.Fatalf("Parse of the lines %q = %v; want no error", test.lines, err)
		}
		if got := g.Locked(running, candidate); !begin(got, test.want) {
			t.Errorf("Locked by\n%sand %q = %v; want %q", test.running, test.lines, got, test.want)
		}
	}
}

// begin reports whether there are as many faults as texts, each beginning with its.
func begin(faults config.Errors, texts []string) bool {
	for i := range min(len(faults), len(texts)) {
		if !strings.HasPrefix(faults[i].Error(), texts[i]) {
			return false
		}
	}
	return len(faults) == len(texts)
}

// TestBillingStays: a configuration without billing does not end it.
func TestBillingStays(t *testing.T) {
	g := grammar(t)
	for _, test := range []struct {
		running string
		want    []string
	}{
		{base, []string{`"no billing": billing is active`}},
		{base + "  no activate\n", nil},
	} {
		running, err := g.Parse(test.running)
		if err != nil {
			t.Fatal(err)
		}
		candidate, err := g.Parse("sbe\n")
		if err != nil {
			t.Fatal(err)
		}
		candidate.SBC.RADIUSClients = running.SBC.RADIUSClients
		if got := g.Locked(running, candidate); !begin(got, test.want) {
			t.Errorf("Locked by a configuration without billing = %v; want %q", got, test.want)
		}
	}
}

// TestEverythingIsLocked: no line of billing is forgotten.
func TestEverythingIsLocked(t *testing.T) {
	for _, command := range Commands() {
		free := command.Mode == inSBE && command.Opens != inClient && command.Opens != inBilling
		if (command.Locked == nil) != free {
			t.Errorf("%s in %s is locked: %v; want %v", command.Syntax, command.Mode, command.Locked != nil, !free)
		}
	}
}
