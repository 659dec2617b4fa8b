package dhcp

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"causeway/appliance/model"
)

// TestFlood has thousands of invented hosts ask, and three real ones keep what
// they have.
func TestFlood(t *testing.T) {
	o := newOffice(t)
	first, second := o.lease(host(1)), o.lease(host(2))
	offers := 0
	for n := range 5000 {
		o.now += time.Millisecond
		m := from(host(1000+n), dhcpv4.MessageTypeDiscover)
		if a := o.ask(m); a.reply != nil {
			offers++
		}
	}
	if most := burst + 5*perSecond; offers > most {
		t.Errorf("%d offers in five seconds of a flood; want %d at the most", offers, most)
	}
	if len(o.table.byAddress) != 3 || len(o.table.byClient) != 3 {
		t.Errorf("%d bindings of %d hosts after the flood; want as many as the pool has addresses", len(o.table.byAddress), len(o.table.byClient))
	}
	for mac, address := range map[MAC]string{host(1): first, host(2): second} {
		if got := says(o.ask(from(mac, dhcpv4.MessageTypeRequest, having(address)))); got != "ACK "+address {
			t.Errorf("a renewal during the flood: %s; want ACK %s", got, address)
		}
	}
	if c := o.Conditions(); len(c) != 0 {
		t.Errorf("Conditions = %v; want none: offers do not fill a pool", c)
	}
	o.now += 10 * time.Second
	if got := o.lease(host(3)); got != "192.168.42.12" {
		t.Errorf("a third host after the flood: %s; want the last address, which was only offered", got)
	}
	// Now each wants a lease.
	for n := range 1000 {
		o.now += time.Second
		o.lease(host(5000 + n))
	}
	for mac, address := range map[MAC]string{host(1): first, host(2): second, host(3): "192.168.42.12"} {
		if got := o.lease(mac); got != address {
			t.Errorf("after all that %v has %s; want %s", mac, got, address)
		}
	}
}

func TestPoolFull(t *testing.T) {
	o := newOffice(t)
	for n := range 2 {
		o.lease(host(n))
	}
	if c := o.Conditions(); len(c) != 0 {
		t.Errorf("with one address left: %v; want no condition", c)
	}
	o.lease(host(2))
	c := o.Conditions()
	if len(c) != 1 || c[0].Name != "dhcp-pool-full" || c[0].Object != "LAN1" || c[0].Text != "all 3 addresses of the pools of 192.168.42.0/24 are taken" {
		t.Errorf("with none left: %v", c)
	}
	if got := o.lease(host(3)); got != "silence" {
		t.Errorf("a host too many: %s; want silence", got)
	}
	o.now += 24 * time.Hour
	if c := o.Conditions(); len(c) != 0 {
		t.Errorf("after a lease time: %v; want no condition", c)
	}
	for n := range 2 {
		o.lease(host(10+n), through("203.0.113.1"))
	}
	if c := o.Conditions(); len(c) != 1 || !strings.Contains(c[0].Text, "203.0.113.0/24") {
		t.Errorf("with none left behind the relay: %v", c)
	}
}

// TestPowerCut: each new lease is in the file when its ACK leaves, and lasts
// for its whole time after the cut, whatever the clock says.
func TestPowerCut(t *testing.T) {
	o := newOffice(t)
	address := o.lease(host(1))
	o.now += 20 * time.Hour
	size := o.writes.full
	if got := says(o.ask(from(host(1), dhcpv4.MessageTypeRequest, having(address)))); got != "ACK "+address {
		t.Errorf("renewal: %s", got)
	}
	if o.writes.full != size {
		t.Error("a renewal was written to the file; want no wear")
	}
	o.restart()
	o.now += 23 * time.Hour
	if got := o.lease(host(2)); got == address {
		t.Errorf("23 hours after the cut %s is given to another", got)
	}
	o.now += 2 * time.Hour
	o.sweep()
	o.expectFile("a lease time later", "-"+address, "192.168.42.11")
	o.restart()
	if b := o.table.byAddress[netip.MustParseAddr(address)]; o.table.alive(b) {
		t.Error("what had lapsed lives again after a restart")
	}
	if got := o.lease(host(1)); got != address {
		t.Errorf("the host comes back to %s; want %s", got, address)
	}
}

// TestFileFails: without a file nothing new is acknowledged; what is known goes on.
func TestFileFails(t *testing.T) {
	o := newOffice(t)
	address := o.lease(host(1))
	o.ask(from(host(2), dhcpv4.MessageTypeDiscover))
	if err := o.table.store.close(); err != nil {
		t.Fatal(err)
	}
	if got := says(o.ask(from(host(2), dhcpv4.MessageTypeRequest, asking("192.168.42.11"), ofServer("192.168.42.1")))); got != "silence" {
		t.Errorf("a new lease without a file: %s; want silence", got)
	}
	if got := says(o.ask(from(host(1), dhcpv4.MessageTypeRequest, having(address)))); got != "ACK "+address {
		t.Errorf("a renewal without a file: %s; want ACK", got)
	}
	if _, err := o.clear(t.Context(), ClearQuery{}); err == nil {
		t.Error("clear without a file = nil; want an error")
	}
}

// TestWritesAreLimited: a host that changes its name with each renewal is
// answered, and does not wear out the flash.
func TestWritesAreLimited(t *testing.T) {
	o := newOffice(t)
	address := o.lease(host(1))
	pages := func() int64 {
		stats := o.table.store.db.Stats()
		return stats.TxStats.GetWrite()
	}
	before := pages()
	for n := range 1000 {
		m := from(host(1), dhcpv4.MessageTypeRequest, having(address), dhcpv4.WithOption(dhcpv4.OptHostName(fmt.Sprint("name-", n))))
		if got := says(o.ask(m)); got != "ACK "+address {
			t.Fatalf("renewal %d: %s", n, got)
		}
	}
	if got := pages() - before; got > 10*burst {
		t.Errorf("%d pages written for a thousand names; want no more than the burst of %d transactions takes", got, burst)
	}
}

func TestSweepForgets(t *testing.T) {
	o := newOffice(t)
	o.lease(host(1))
	o.ask(from(host(2), dhcpv4.MessageTypeDiscover))
	o.now += 25 * time.Hour
	o.Apply(lanServer("192.168.42.1/24", pool("192.168.42.100/24", 3)))
	o.sweep()
	o.expectFile("the pool is gone")
	if n := len(o.table.byAddress) + len(o.table.byClient); n != 0 {
		t.Errorf("%d bindings are left in memory; want none", n)
	}
}

func TestClear(t *testing.T) {
	o := newOffice(t)
	o.lease(host(1))
	o.lease(host(2))
	if _, err := o.clear(t.Context(), ClearQuery{netip.MustParseAddr("192.168.42.99")}); err == nil {
		t.Error("clear of no binding = nil; want an error")
	}
	if _, err := o.clear(t.Context(), ClearQuery{netip.MustParseAddr("192.168.42.10")}); err != nil {
		t.Error(err)
	}
	o.expectFile("one cleared", "192.168.42.11")
	if got := says(o.ask(from(host(1), dhcpv4.MessageTypeRequest, having("192.168.42.10")))); got != "ACK 192.168.42.10" {
		t.Errorf("the host renews: %s; want its address back", got)
	}
	if _, err := o.clear(t.Context(), ClearQuery{}); err != nil {
		t.Error(err)
	}
	o.expectFile("all cleared")
}

// TestDamagedFile cuts the file and writes over it: the server begins anew,
// and sets aside what it cannot read.
func TestDamagedFile(t *testing.T) {
	o := newOffice(t)
	for n := range 3 {
		o.lease(host(n))
	}
	if err := o.table.store.close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(o.o.File)
	if err != nil {
		t.Fatal(err)
	}
	damaged := map[string][]byte{
		"no database":      []byte("no database"),
		"garbage":          bytes.Repeat([]byte{0xa5}, len(whole)),
		"cut in the first": whole[:100],
		"not JSON":         bytes.ReplaceAll(whole, []byte(`{"client"`), []byte(`["client"`)),
	}
	for length := 0; length < len(whole); length += 1111 {
		damaged[fmt.Sprintf("cut at %d", length)] = whole[:length]
	}
	for name, content := range damaged {
		if err := os.WriteFile(o.o.File, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s, records, err := openStore(o.o.File)
		if s == nil {
			t.Errorf("%s: openStore = %v; want a file, old or new", name, err)
			continue
		}
		if err == nil && len(records) != 3 && len(content) != 0 {
			t.Errorf("%s: %d records and no warning", name, len(records))
		}
		if err := s.write(map[netip.Addr]*record{netip.MustParseAddr("192.0.2.1"): {}}); err != nil {
			t.Errorf("%s: write = %v", name, err)
		}
		if err := s.close(); err != nil {
			t.Errorf("%s: close = %v", name, err)
		}
	}
	o.open() // for the cleanup
}

func TestNoDirectory(t *testing.T) {
	if s, _, err := openStore(t.TempDir() + "/missing/dhcp.db"); s != nil || err == nil {
		t.Errorf("openStore in a directory that is not there = %v, %v; want an error", s, err)
	}
}

// TestHolderRenews: after the file was lost, hosts that nobody knows any more
// are found by ARP, or by other hosts. They keep what they have.
func TestHolderRenews(t *testing.T) {
	const address = "192.168.42.10"
	for name, setAside := range map[string]func(o *office){
		"found by ARP": func(o *office) {
			m := from(host(1), dhcpv4.MessageTypeDiscover)
			o.desk.settle(m, o.desk.answer(m), host(9))
		},
		"declined": func(o *office) {
			o.lease(host(1))
			o.ask(from(host(1), dhcpv4.MessageTypeDecline, asking(address), ofServer("192.168.42.1")))
		},
	} {
		o := newOffice(t)
		setAside(o)
		if got := says(o.ask(from(host(9), dhcpv4.MessageTypeRequest, having(address)))); got != "ACK "+address {
			t.Errorf("%s: the host that has it renews: %s; want ACK %s", name, got, address)
		}
	}
	o := newOffice(t)
	m := from(host(1), dhcpv4.MessageTypeDiscover)
	o.desk.settle(m, o.desk.answer(m), strangeMAC)
	if got := says(o.ask(from(host(9), dhcpv4.MessageTypeRequest, having(address)))); got != "NAK" {
		t.Errorf("the address is in use by another than the one that renews: %s; want NAK", got)
	}
}

// TestRenewalsWithoutFile: what the file has is granted, if not with the new
// name, when it cannot be written.
func TestRenewalsWithoutFile(t *testing.T) {
	o := newOffice(t)
	address := o.lease(host(1))
	if err := o.table.store.close(); err != nil {
		t.Fatal(err)
	}
	m := from(host(1), dhcpv4.MessageTypeRequest, having(address), dhcpv4.WithOption(dhcpv4.OptHostName("renamed")))
	if got := says(o.ask(m)); got != "ACK "+address {
		t.Errorf("a renewal with a new name: %s; want ACK %s", got, address)
	}
}

// TestNetworkIsRenumbered: hosts with a lease of ours that is of no pool any
// more learn of it when they renew; those of another server do not.
func TestNetworkIsRenumbered(t *testing.T) {
	for name, pools := range map[string]struct {
		self string
		pool model.DHCPPool
	}{
		"another pool":    {"192.168.42.1/24", pool("192.168.42.100/24", 3)},
		"another network": {"192.168.43.1/24", pool("192.168.43.10/24", 3)},
	} {
		o := newOffice(t)
		address := o.lease(host(1))
		o.Apply(lanServer(pools.self, pools.pool))
		want := o.services[model.Port{}]
		o.desk.self, o.desk.pools = want.Self, want.DHCP.Pools
		for mac, want := range map[MAC]string{host(1): "NAK", host(2): "silence"} {
			if got := says(o.ask(from(mac, dhcpv4.MessageTypeRequest, having(address)))); got != want {
				t.Errorf("%s: %v renews: %s; want %s", name, mac, got, want)
			}
		}
		if got, want := says(o.ask(from(host(1), dhcpv4.MessageTypeDiscover))), "OFFER "+pools.pool.Start.Addr().String(); got != want {
			t.Errorf("%s: then: %s; want %s", name, got, want)
		}
	}
}

// TestAllDeclined: a host that declines whatever it is offered does not take
// the pool away from others; what is known to be in use is left out still.
func TestAllDeclined(t *testing.T) {
	o := newOffice(t)
	m := from(host(9), dhcpv4.MessageTypeDiscover)
	o.desk.settle(m, o.desk.answer(m), strangeMAC)     // .10
	o.table.drop(netip.MustParseAddr("192.168.42.11")) // that host has gone
	for range 5 {
		o.now += time.Second
		if address := o.lease(host(1)); address != "silence" {
			o.ask(from(host(1), dhcpv4.MessageTypeDecline, asking(address), ofServer("192.168.42.1")))
		}
	}
	for n, want := range []string{"192.168.42.12", "192.168.42.11", "silence"} {
		if got := o.lease(host(2 + n)); got != want {
			t.Errorf("host %d: %s; want %s", n, got, want)
		}
	}
}
