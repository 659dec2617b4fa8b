package dhcp

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

func TestShow(t *testing.T) {
	lease := LeaseStatus{
		Lease: model.Lease{
			Port: model.Port{}, Address: netip.MustParsePrefix("192.168.42.100/24"), Router: netip.MustParseAddr("192.168.42.1"),
			NameServers: []netip.Addr{netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("192.0.2.54")},
			Server:      netip.MustParseAddr("192.168.42.1"),
		},
		State: "bound", Held: true, Domain: "example.com", MTU: 1400,
		Obtained: 90 * time.Second, Renew: 30 * time.Minute, Rebind: 52 * time.Minute, Expire: time.Hour,
	}
	for name, test := range map[string]struct {
		line   string
		answer any
	}{
		"lease": {"show dhcp lease", []LeaseStatus{lease,
			{Lease: model.Lease{Port: model.Port{LAN: model.LAN2, VLAN: 7}}, State: "selecting", Problem: "no DHCP server answers"}}},
		"lease-forever": {"show dhcp lease", []LeaseStatus{{Lease: model.Lease{Port: model.Port{}, Address: lease.Lease.Address, Server: lease.Lease.Server},
			State: "bound", Held: true, Problem: "router 192.168.43.1 left out: not on 192.168.42.0/24",
			Renew: -1, Rebind: -1, Expire: -1}}},
		"lease-none": {"show dhcp lease", []LeaseStatus{}},
		"binding": {"show dhcp binding", Bindings{[]Binding{
			{netip.MustParseAddr("192.168.42.10"), host(1), "01020000010001", "phone-1", "leased", 23 * time.Hour},
			{netip.MustParseAddr("192.168.42.11"), host(2), "01020000010002", "", "lapsed", 0},
			{netip.MustParseAddr("192.168.42.12"), MAC{}, "", "", "conflict", 59 * time.Minute},
		}, 5}},
		"binding-none": {"show dhcp binding", Bindings{}},
	} {
		s := exectest.Session{Answers: map[string]any{"control.leases": test.answer, "control.dhcp-bindings": test.answer}}
		t.Run(name, func(t *testing.T) {
			exectest.Golden(t, name, s.Type(t.Context(), t, ExecCommands(), test.line))
		})
	}
}

func TestDo(t *testing.T) {
	for line, want := range map[string]string{
		"dhcp renew lan1":                  `control.dhcp-renew {"port":"LAN1"}`,
		"dhcp release LAN2.100":            `control.dhcp-release {"port":"LAN2.100"}`,
		"clear dhcp binding 192.168.42.10": `control.dhcp-clear {"address":"192.168.42.10"}`,
		"clear dhcp binding all":           `control.dhcp-clear {"address":""}`,
	} {
		s := exectest.Session{Answers: map[string]any{
			"control.dhcp-renew": struct{}{}, "control.dhcp-release": struct{}{}, "control.dhcp-clear": struct{}{},
		}}
		if printed := s.Type(t.Context(), t, ExecCommands(), line); printed != "" {
			t.Errorf("%s prints %q; want nothing", line, printed)
		}
		if called := s.Called(); len(called) != 1 || called[0] != want {
			t.Errorf("%s calls %q; want %s", line, called, want)
		}
	}
	s := exectest.Session{Answers: map[string]any{"control.dhcp-renew": errors.New("LAN1 is not a DHCP client")}}
	if got, want := s.Type(t.Context(), t, ExecCommands(), "dhcp renew LAN1"), "% control refused: LAN1 is not a DHCP client\n"; got != want {
		t.Errorf("dhcp renew of no client prints %q; want %q", got, want)
	}
}

// TestMethods asks client and server over a real link.
func TestMethods(t *testing.T) {
	o := newOffice(t)
	o.lease(host(1))
	client := NewClient(ClientOptions{Dir: t.TempDir(), Boot: boot, Kernel: newHub(), Log: quiet(), Changed: func([]model.Lease) {}})
	lan2 := lanClient()
	lan2.LANs[0].Port = model.Port{LAN: model.LAN2}
	client.Apply(lan2)
	var s exectest.Session
	methods := o.Methods()
	for name, method := range client.Methods() {
		methods[name] = method
	}
	s.Serve(t, "control", methods)
	for _, step := range []struct{ line, want string }{
		{"show dhcp binding", "Address        MAC                State   Lapses      Host\n192.168.42.10  02:00:00:01:00:01  leased  in 24h0m0s  -\n"},
		{"clear dhcp binding 192.168.42.11", "% control refused: there is no binding of 192.168.42.11\n"},
		{"clear dhcp binding 192.168.42.10", ""},
		{"show dhcp binding", "No host has an address of the DHCP server\n"},
		{"clear dhcp binding all", ""},
		{"show dhcp lease", "LAN: LAN2\nState: without a link\n"},
		{"dhcp renew LAN2", ""},
		{"dhcp release LAN1", "% control refused: LAN1 is not a DHCP client\n"},
	} {
		if got := s.Type(t.Context(), t, ExecCommands(), step.line); got != step.want {
			t.Errorf("%s prints %q; want %q", step.line, got, step.want)
		}
	}
}
