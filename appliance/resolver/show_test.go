package resolver

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

// TestShow types the commands, over link, on a resolver of which one server
// answers and one does not, before and after it looked something up.
func TestShow(t *testing.T) {
	servers := startServers(t, zone(t, "www.example.com. 300 IN A 192.0.2.80", "www.example.com. 60 IN AAAA 2001:db8::80",
		"example.com. 900 IN SOA ns.example.com. hostmaster.example.com. 1 2 3 4 120"))
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r := &Resolver{Port: servers.port, Now: func() time.Time { return now }}
	var s exectest.Session
	s.Serve(t, "control", r.Methods())
	var transcript strings.Builder
	for _, line := range []string{"show hosts", "show ip dns statistics"} {
		fmt.Fprintf(&transcript, "# %s\n%s", line, s.Type(t.Context(), t, ExecCommands(), line))
	}
	r.Apply(&model.Config{NameServers: servers.addresses})
	for _, name := range []string{"WWW.example.com", "none.example.com", "192.0.2.9"} {
		var found Addresses
		err := s.Call(t.Context(), "control", "control.resolve", Name{name}, &found)
		fmt.Fprintf(&transcript, "# resolve %s\n%v %v\n", name, found.Addresses, err)
	}
	r.mu.Lock()
	r.upstreams = append(r.upstreams,
		upstream{netip.MustParseAddr("192.0.2.53"), now}, upstream{netip.MustParseAddr("2001:db8::53"), now.Add(-time.Hour)})
	r.mu.Unlock()
	now = now.Add(10 * time.Second)
	for _, line := range []string{"show hosts", "show ip dns statistics"} {
		fmt.Fprintf(&transcript, "# %s\n%s", line, s.Type(t.Context(), t, ExecCommands(), line))
	}
	exectest.Golden(t, "show", transcript.String())
}
