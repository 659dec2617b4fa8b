package dhcp

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"

	"causeway/appliance/model"
)

func ip(text string) net.IP { return netip.MustParseAddr(text).AsSlice() }

// good is an answer that nothing is wrong with, but for what the modifiers do.
func good(more ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	m, err := dhcpv4.New(append([]dhcpv4.Modifier{
		dhcpv4.WithMessageType(dhcpv4.MessageTypeAck),
		dhcpv4.WithHwAddr(ownMAC[:]),
		dhcpv4.WithYourIP(ip("192.168.42.100")),
		dhcpv4.WithNetmask(net.CIDRMask(24, 32)),
		dhcpv4.WithRouter(ip("192.168.42.1")),
		dhcpv4.WithDNS(ip("192.0.2.53"), ip("192.0.2.54")),
		dhcpv4.WithOption(dhcpv4.OptNTPServers(ip("192.0.2.123"))),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(ip("192.168.42.1"))),
		dhcpv4.WithOption(dhcpv4.OptDomainName("example.com")),
		dhcpv4.WithGeneric(dhcpv4.OptionInterfaceMTU, []byte{5, 120}),
		dhcpv4.WithLeaseTime(3600),
	}, more...)...)
	if err != nil {
		panic(err)
	}
	m.OpCode = dhcpv4.OpcodeBootReply
	return m
}

func without(code dhcpv4.OptionCode) dhcpv4.Modifier { return dhcpv4.WithoutOption(code) }

func times(lease, t1, t2 time.Duration) dhcpv4.Modifier {
	return func(m *dhcpv4.DHCPv4) {
		m.UpdateOption(dhcpv4.OptIPAddressLeaseTime(lease))
		m.UpdateOption(dhcpv4.OptRenewTimeValue(t1))
		m.UpdateOption(dhcpv4.OptRebindingTimeValue(t2))
	}
}

func mask(octets ...byte) dhcpv4.Modifier {
	return dhcpv4.WithGeneric(dhcpv4.OptionSubnetMask, octets)
}

func TestJudgeRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change dhcpv4.Modifier
		reason string
	}{
		"no address":          {dhcpv4.WithYourIP(net.IPv4zero), "0.0.0.0 is not the address of a host"},
		"multicast":           {dhcpv4.WithYourIP(ip("224.0.0.9")), "224.0.0.9 is not the address of a host"},
		"broadcast":           {dhcpv4.WithYourIP(ip("255.255.255.255")), "is not the address of a host"},
		"loopback":            {dhcpv4.WithYourIP(ip("127.0.0.1")), "is not the address of a host"},
		"reserved":            {dhcpv4.WithYourIP(ip("240.0.0.1")), "is not the address of a host"},
		"this network":        {dhcpv4.WithYourIP(ip("0.1.2.3")), "is not the address of a host"},
		"the network itself":  {dhcpv4.WithYourIP(ip("192.168.42.0")), "is the address of the network itself"},
		"its broadcast":       {dhcpv4.WithYourIP(ip("192.168.42.255")), "is the broadcast address"},
		"the server's own":    {dhcpv4.WithYourIP(ip("192.168.42.1")), "the server's own address"},
		"no mask":             {without(dhcpv4.OptionSubnetMask), "no valid mask"},
		"mask 0":              {mask(0, 0, 0, 0), "the mask of length 0"},
		"mask with a hole":    {mask(255, 0, 255, 0), "no valid mask"},
		"short mask":          {mask(255, 255), "no valid mask"},
		"no server":           {without(dhcpv4.OptionServerIdentifier), "which server"},
		"server of multicast": {dhcpv4.WithOption(dhcpv4.OptServerIdentifier(ip("224.0.0.1"))), "which server"},
		"no lease time":       {without(dhcpv4.OptionIPAddressLeaseTime), "no lease time"},
		"lease of a second":   {dhcpv4.WithLeaseTime(1), "shorter than"},
		"lease of 0":          {dhcpv4.WithLeaseTime(0), "shorter than"},
	} {
		if l, _, err := judge(Received{good(test.change), serverMAC}, 0); err == nil || !strings.Contains(err.Error(), test.reason) {
			t.Errorf("%s: judge = %+v, %v; want refused: %s", name, l, err, test.reason)
		}
	}
}

func TestJudgeTakes(t *testing.T) {
	const now = time.Minute
	plain := lease{
		Lease: model.Lease{
			Address: netip.MustParsePrefix("192.168.42.100/24"), Router: netip.MustParseAddr("192.168.42.1"),
			NameServers: []netip.Addr{netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("192.0.2.54")},
			TimeServers: just("192.0.2.123")(), Server: netip.MustParseAddr("192.168.42.1"),
		},
		Domain: "example.com", MTU: 1400, Via: serverMAC,
		Obtained: now, Renew: now + 30*time.Minute, Rebind: now + 3150*time.Second, Expire: now + time.Hour,
	}
	timed := func(t1, t2, end time.Duration) func(*lease) {
		return func(l *lease) { l.Renew, l.Rebind, l.Expire = now+t1, now+t2, now+end }
	}
	noRouter := func(l *lease) { l.Router = netip.Addr{} }
	for name, test := range map[string]struct {
		change dhcpv4.Modifier
		want   func(*lease)
		note   string
	}{
		"all of it":        {func(*dhcpv4.DHCPv4) {}, func(*lease) {}, ""},
		"no router":        {without(dhcpv4.OptionRouter), noRouter, ""},
		"router elsewhere": {dhcpv4.WithRouter(ip("192.168.43.1")), noRouter, "router 192.168.43.1 left out: not on 192.168.42.0/24"},
		"router is us":     {dhcpv4.WithRouter(ip("192.168.42.100")), noRouter, "the appliance itself"},
		"router broadcast": {dhcpv4.WithRouter(ip("192.168.42.255")), noRouter, "is the broadcast address"},
		"two routers":      {dhcpv4.WithRouter(ip("192.168.42.1"), ip("192.168.42.2")), func(*lease) {}, ""},
		"half an address":  {dhcpv4.WithGeneric(dhcpv4.OptionRouter, []byte{192, 168}), noRouter, ""},
		"name servers that are none": {dhcpv4.WithDNS(net.IPv4zero, ip("224.0.0.1"), ip("192.0.2.7")),
			func(l *lease) { l.NameServers = just("192.0.2.7")() }, ""},
		"many time servers": {dhcpv4.WithOption(dhcpv4.OptNTPServers(repeat(ip("192.0.2.9"), 50)...)),
			func(l *lease) { l.TimeServers = repeat(netip.MustParseAddr("192.0.2.9"), listMax) }, ""},
		"a domain with a line break": {dhcpv4.WithOption(dhcpv4.OptDomainName("a\nb")), func(l *lease) { l.Domain = "" }, ""},
		"a tiny MTU":                 {dhcpv4.WithGeneric(dhcpv4.OptionInterfaceMTU, []byte{0, 1}), func(l *lease) { l.MTU = 0 }, ""},
		"for ever":                   {dhcpv4.WithLeaseTime(infinite), func(l *lease) { l.Renew, l.Rebind, l.Expire = forever, forever, forever }, ""},
		"136 years":                  {dhcpv4.WithLeaseTime(infinite - 1), timed(2147483647*time.Second, 3758096382250*time.Millisecond, 4294967294*time.Second), ""},
		"T1 and T2 given":            {times(time.Hour, 10*time.Minute, 20*time.Minute), timed(10*time.Minute, 20*time.Minute, time.Hour), ""},
		"T2 after the end":           {times(time.Hour, time.Minute, 2*time.Hour), timed(time.Minute, 3150*time.Second, time.Hour), ""},
		"T1 after T2":                {times(time.Hour, 40*time.Minute, 35*time.Minute), timed(20*time.Minute, 35*time.Minute, time.Hour), ""},
		"T1 of a moment":             {times(time.Hour, 1, 30*time.Minute), timed(30*time.Minute/7*4, 30*time.Minute, time.Hour), ""},
		"T1 of a second":             {times(time.Hour, time.Second, 30*time.Minute), timed(leaseMin/2, 30*time.Minute, time.Hour), ""},
	} {
		want := plain
		test.want(&want)
		got, note, err := judge(Received{good(test.change), serverMAC}, now)
		if err != nil || !strings.Contains(note, test.note) || (note == "") != (test.note == "") {
			t.Errorf("%s: judge = %q, %v; want the note %q", name, note, err, test.note)
		}
		if diff := cmp.Diff(want, got, equalAddresses, equalPrefixes); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func repeat[T any](one T, n int) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = one
	}
	return all
}
