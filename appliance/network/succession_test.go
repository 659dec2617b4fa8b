package network

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"causeway/appliance/model"
)

// TestCable: a route gives way to the one of the next metric while the cable of
// its port is out, and is used again with the cable.
func TestCable(t *testing.T) {
	b := newBox(t)
	peers, peersHandle := namespace(t)
	plug(t, b.links, peers, peersHandle, lan1)
	plug(t, b.links, peers, peersHandle, lan2)
	config := dualLANs()
	b.reconciler.Apply(config)
	b.becomes("two default routes of each family", config, nil)
	leaves := func(when, destination string, want model.Port) {
		t.Helper()
		eventually(t, when, func() string {
			routes, err := b.links.RouteGet(net.ParseIP(destination))
			if err != nil || len(routes) != 1 || routes[0].LinkIndex != b.link(want).Attrs().Index {
				return fmt.Sprintf("the route to %s = %v, %v; want one by %v", destination, routes, err, want)
			}
			return ""
		})
	}
	for _, test := range []struct {
		destination string
		first, next model.Port
	}{{"203.0.113.9", lan2, lan1}, {"2001:db8:99::9", lan1, lan2}} {
		cable, err := peersHandle.LinkByName("peer" + test.first.Interface())
		if err != nil {
			t.Fatal(err)
		}
		leaves("with the cable", test.destination, test.first)
		if err := peersHandle.LinkSetDown(cable); err != nil {
			t.Fatal(err)
		}
		leaves("without", test.destination, test.next)
		for _, taken := range plan(config, nil).Routes { // those to its networks, and those that need them
			if taken.Port != test.first {
				continue
			}
			if err := b.kernel.Remove(taken); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "repaired without a cable", func() string {
			actual, err := b.read()
			for _, change := range difference(plan(config, nil), actual) {
				return fmt.Sprintf("still to do: %s (%v)", change.what, err)
			}
			return ""
		})
		routes, err := b.kernel.allRoutes()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range routes {
			if marked := strings.HasSuffix(r.code(), "-"); marked != (r.Port == test.first) {
				t.Errorf("code of the %v by %v while the cable of %v is out = %q", r.Route, r.Port, test.first, r.code())
			}
		}
		if err := peersHandle.LinkSetUp(cable); err != nil {
			t.Fatal(err)
		}
		leaves("with the cable again", test.destination, test.first)
	}
}

// TestSuccession has configurations follow one another on the real kernel, and
// nothing of one is left when the next is there.
func TestSuccession(t *testing.T) {
	b := newBox(t)
	peers, peersHandle := namespace(t)
	plug(t, b.links, peers, peersHandle, lan1)
	plug(t, b.links, peers, peersHandle, lan2)
	one, two := []string{"192.168.42.1/24", "2001:db8:42::1/64"}, []string{"192.168.43.1/24", "2001:db8:43::1/64"}
	via := func(port model.Port, destination, gateway string, metric int) model.IPRoute {
		return model.IPRoute{Destination: prefix(destination), Gateway: addr(gateway), Port: port, Metric: metric}
	}
	for _, step := range []struct {
		name     string
		one, two []string
		routes   []model.IPRoute
	}{
		{"default routes by LAN1", one, two, []model.IPRoute{
			via(lan1, "0.0.0.0/0", "192.168.42.254", 1), via(lan1, "::/0", "2001:db8:42::fe", 1)}},
		{"by LAN2", one, two, []model.IPRoute{
			via(lan2, "0.0.0.0/0", "192.168.43.254", 1), via(lan2, "::/0", "fe80::1", 1)}},
		{"by the same router's address on LAN1", one, two, []model.IPRoute{
			via(lan1, "0.0.0.0/0", "192.168.42.254", 1), via(lan1, "::/0", "fe80::1", 1)}},
		{"with another metric", one, two, []model.IPRoute{
			via(lan1, "0.0.0.0/0", "192.168.42.254", 9), via(lan1, "::/0", "fe80::1", 9)}},
		{"the networks swapped", two, one, []model.IPRoute{
			via(lan1, "0.0.0.0/0", "192.168.43.254", 1), via(lan1, "::/0", "2001:db8:43::fe", 1)}},
		{"smaller networks", []string{"192.168.42.1/25", "2001:db8:42::1/80"}, two, []model.IPRoute{
			via(lan1, "0.0.0.0/0", "192.168.42.126", 1), via(lan1, "::/0", "2001:db8:42::fe", 1)}},
		{"larger networks", []string{"192.168.42.1/23", "2001:db8:42::1/48"}, nil, []model.IPRoute{
			via(lan1, "0.0.0.0/0", "192.168.43.126", 1), via(lan1, "::/0", "2001:db8:42::fe", 1)}},
		{"networks of one address", []string{"192.168.42.1/32", "2001:db8:42::1/128"}, two, []model.IPRoute{
			via(lan2, "0.0.0.0/0", "192.168.43.126", 1)}},
		{"networks of two", []string{"192.168.42.0/31", "2001:db8:42::/127"}, two, []model.IPRoute{
			via(lan1, "0.0.0.0/0", "192.168.42.1", 1), via(lan1, "::/0", "2001:db8:42::1", 1)}},
		{"IPv4 link-local", []string{"169.254.7.1/16"}, two, []model.IPRoute{
			via(lan1, "0.0.0.0/0", "169.254.9.9", 1)}},
		{"a router to what was on the link", []string{"192.168.44.1/24", "2001:db8:44::1/64"}, two, []model.IPRoute{
			via(lan1, "192.168.42.0/24", "192.168.44.9", 1), via(lan1, "2001:db8:42::/64", "2001:db8:44::9", 1)}},
		{"and on the link again", one, two, nil},
	} {
		config := &model.Config{LANs: []model.LAN{configured(lan1, step.one...), configured(lan2, step.two...)}, Routes: step.routes}
		b.reconciler.Apply(config)
		b.becomes(step.name, config, nil)
		actual, err := b.read()
		if err != nil {
			t.Fatal(err)
		}
		desired := plan(config, nil) // difference leaves alone what is in the place of a route that comes
		if got, want := len(actual.Routes), len(desired.Routes); got != want {
			t.Errorf("%s: %d routes; want %d: %v", step.name, got, want, without(actual.Routes, desired.Routes))
		}
	}
}
