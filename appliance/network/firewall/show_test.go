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
		"streams4:  198.51.100.1:5061":     {9, 700},
		"streams4: lan1 192.168.42.1:5060": {40, 8000},
		"lan1: SIP in connections":         {37, 7800},
		"lan1: new SIP connections":        {2, 120},
		"lan1: metrics, tcp port 9100":     {11, 900},
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
