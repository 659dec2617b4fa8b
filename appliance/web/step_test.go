package web

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"causeway/appliance/model"
)

// TestWarnings: what a commit may do to the one who commits is said before it.
func TestWarnings(t *testing.T) {
	const risky, harmless = `value="confirmed" checked`, `value="yes" checked`
	first := []string{
		"username alice create", "username alice password " + hash, "username alice group pfs-privusers",
		"username bert create", "username bert group pfs-readonly", "ip http secure-server", "hostname one",
	}
	for _, test := range []struct {
		name  string
		lines []string
		want  []string
	}{
		{"name", []string{"hostname two"}, []string{harmless, "!If it cuts you off", "!The addresses of these pages", "!this session ends"}},
		{"address", []string{"lan LAN1", " ip address 192.0.2.1 255.255.255.0"}, []string{
			risky, "LAN1 or LAN2", "The addresses of these pages change", `<a href="https://192.0.2.1/">https://192.0.2.1/</a> (LAN1)`,
		}},
		{"address of the other port", []string{"lan LAN2", " ip address 198.51.100.1 255.255.255.0"}, []string{
			risky, "LAN1 or LAN2", "!The addresses of these pages change",
		}},
		{"IPv6", []string{"lan LAN1", " ipv6 address 2001:db8::1/64"}, []string{
			risky, `<a href="https://192.168.42.1/">https://192.168.42.1/</a> (LAN1), <a href="https://[2001:db8::1]/">`,
		}},
		{"port and LAN", []string{"ip http secure-port 8443", "ip http lan LAN2"}, []string{
			risky, "ip http", `<a href="https://192.168.43.1:8443/">https://192.168.43.1:8443/</a> (LAN2)`,
		}},
		{"DHCP", []string{"lan LAN1", " no ip address", " dhcp mode client"}, []string{
			risky, "the address that a DHCP server gives to LAN1",
		}},
		{"shut down", []string{"lan LAN1", " shutdown"}, []string{risky, "These pages are nowhere afterwards"}},
		{"off", []string{"no ip http secure-server"}, []string{risky, "These pages are nowhere afterwards"}},
		{"firewall", []string{"firewall off"}, []string{risky, "the firewall", "!The addresses of these pages"}},
		{"route", []string{"ip route 198.51.100.0 255.255.255.0 192.168.42.9 LAN1"}, []string{risky, "the routes"}},
		{"another user", []string{"no username bert"}, []string{risky, "the users", "!this session ends"}},
		{"password", []string{"username bert password " + hash}, []string{risky, "the users", "&#43; username bert password ********", "!argon2id"}},
		{"what he may do", []string{"username alice group pfs-readonly"}, []string{risky, "What alice may do", "this session ends"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, first...)
			s.edit(t, somebody, test.lines...)
			s.release(t, somebody)
			_, page := s.login(t, user).get(candidatePath)
			shows(t, page, test.want...)
		})
	}
}

// TestMovedPages: who commits another address is told where the box is, at once:
// there is nothing to be fetched from here any more.
func TestMovedPages(t *testing.T) {
	s := newSite(t, "ip http secure-server", "hostname one")
	w := s.login(t, user)
	s.edit(t, somebody, "lan LAN1", " ip address 192.0.2.1 255.255.255.0", "no sip listen lan1 udp 192.168.42.1 5060", "no sip next-hop lan2 udp 192.168.42.2 5060 lan1")
	s.release(t, somebody)
	_, page := w.get(candidatePath)
	status, page, to := w.post(candidatePath, fill(t, page, "commit"))
	if status != http.StatusOK || to != "" {
		t.Errorf("commit = %d to %q; want 200 and no other page", status, to)
	}
	shows(t, page, "Revision 2 is in force. Confirm it within 5 minutes", `<a href="https://192.0.2.1/">`, "confirm the commit at "+candidatePath)
	s.runs(t, "one", 2)
}

// TestStaysAt: whether who commits is led on by his browser.
func TestStaysAt(t *testing.T) {
	places := []place{{"LAN1", "https://192.0.2.1/"}, {"LAN1", "https://[2001:db8::1]/"}, {"LAN2", "https://198.51.100.1:8443/"}, {Port: "LAN2"}}
	for _, test := range []struct {
		origin, local string
		want          bool
	}{
		{"web 192.0.2.7", "192.0.2.1:443", true},
		{"web 192.0.2.7", "192.0.2.1:8443", false},
		{"web 192.0.2.7", "[2001:db8::1]:443", true},
		{"web 192.0.2.7", "[::ffff:192.0.2.1]:443", true},
		{"web 192.0.2.7", "198.51.100.1:8443", true},
		{"web 192.0.2.7", "203.0.113.1:443", false},
		{"web com ops", "203.0.113.1:443", true},
	} {
		local := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(test.local))
		r, err := http.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, local), http.MethodGet, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		v := &visit{request: r, login: model.Login{Operator: model.Operator{User: user, Origin: test.origin}}}
		if got := v.staysAt(places); got != test.want {
			t.Errorf("staysAt from %s at %s = %v; want %v", test.origin, test.local, got, test.want)
		}
	}
}
