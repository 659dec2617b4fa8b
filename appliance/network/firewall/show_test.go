package firewall

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

// counting is a kernel whose table is as wanted and has counted.
type counting struct{ fakeKernel }

func (*counting) Compare(r Ruleset) (string, Counters, error) {
	return "", Counters{
		"sip4: lan1 192.168.42.1:5060":     {120, 60000},
		"sip6: lan1 [2001:db8:42::1]:5060": {7, 3500},
		"lan1: ICMP errors":                {2, 140},
		"lan1: all else":                   {1000, 40000},
		"lan1.100: ping":                   {3, 252},
		"forward: NAT":                     {5, 300},
	}, nil
}

// TestShow types show firewall, over link.
func TestShow(t *testing.T) {
	var transcript strings.Builder
	for _, of := range []struct {
		kernel Kernel
		config *model.Config
	}{
		{&counting{}, builtIn()},
		{&counting{}, everything()},
		{&counting{}, firewallOff(everything())},
		{&fakeKernel{absent: true}, builtIn()},
		{&fakeKernel{}, builtIn()},
		{&counting{}, nil},
	} {
		f := New(of.kernel, slog.New(slog.DiscardHandler))
		if of.config != nil {
			f.Apply(of.config)
		}
		var s exectest.Session
		s.Serve(t, "control", f.Methods())
		fmt.Fprintf(&transcript, "# show firewall\n%s", s.Type(t.Context(), t, ExecCommands(), "show firewall"))
	}
	exectest.Golden(t, "show", transcript.String())
}
