package dhcp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"causeway/appliance/model"
)

// standing is what an address is to a host.
type standing uint8

const (
	offered standing = iota // for offerTime
	leased                  // until it lapses
	aside                   // another host has it, for asideTime; of no client
)

func (s standing) String() string { return [...]string{"offered", "leased", "conflict"}[s] }

// How long what is not a lease lasts.
const (
	offerTime = time.Minute
	asideTime = time.Hour
)

// binding is an address that a host has, had or is offered.
type binding struct {
	address  netip.Addr
	standing standing
	client   string // the key of the host, see clientKey
	mac      MAC
	host     string // its name; empty: not said
	lease    time.Duration
	until    time.Duration // on CLOCK_BOOTTIME; past: nobody has it, and it is kept for the host
	probing  bool          // of an offer: it is being asked for on the link
	stored   *record       // what the file has of it; nil: nothing
}

// record is the binding as the file has it.
func (b *binding) record(lapsed bool) *record {
	return &record{[]byte(b.client), b.mac, b.host, b.lease, lapsed}
}

// bindings are all of a server. There is at most one for an address, so they
// take no more memory than the pools are large.
type bindings struct {
	now       func() time.Duration
	store     *store
	byAddress map[netip.Addr]*binding
	byClient  map[string][]*binding // in no order; one for each network that it is on
}

func loadBindings(s *store, records map[netip.Addr]record, now func() time.Duration) *bindings {
	t := &bindings{now, s, map[netip.Addr]*binding{}, map[string][]*binding{}}
	for address, r := range records {
		b := &binding{
			address: address, standing: leased, client: string(r.Client), mac: r.MAC, host: r.Host,
			lease: r.Lease, until: now(), stored: &r,
		}
		if !r.Lapsed {
			b.until += r.Lease
		}
		t.add(b)
	}
	return t
}

func (t *bindings) add(b *binding) {
	t.drop(b.address)
	t.byAddress[b.address] = b
	if b.client != "" {
		t.byClient[b.client] = append(t.byClient[b.client], b)
	}
}

// drop forgets what is known of the address, in memory.
func (t *bindings) drop(address netip.Addr) {
	b := t.byAddress[address]
	if b == nil {
		return
	}
	delete(t.byAddress, address)
	rest := slices.DeleteFunc(t.byClient[b.client], func(one *binding) bool { return one == b })
	if len(rest) == 0 {
		delete(t.byClient, b.client)
	} else {
		t.byClient[b.client] = rest
	}
}

// alive reports whether the address is taken.
func (t *bindings) alive(b *binding) bool { return b != nil && b.until > t.now() }

// of gives the binding of a client in one of the pools, or nil.
func (t *bindings) of(client string, pools []model.DHCPPool) *binding {
	for _, b := range t.byClient[client] {
		if _, in := poolOf(pools, b.address); in {
			return b
		}
	}
	return nil
}

// choose finds an address for a client that has none in the pools: the one it
// asks for if nobody has it, else one that nobody ever had, else the one that
// lapsed first, else the one offered first, else the one declined first, so
// that no host can decline a whole pool. A living lease is never chosen, nor
// what was found in use.
func (t *bindings) choose(pools []model.DHCPPool, asked netip.Addr) (netip.Addr, bool) {
	if _, in := poolOf(pools, asked); in && !t.alive(t.byAddress[asked]) {
		return asked, true
	}
	var lapsed, waiting, declined *binding
	for _, pool := range pools {
		address := pool.Start.Addr()
		for range pool.Count {
			switch b := t.byAddress[address]; {
			case b == nil:
				return address, true
			case !t.alive(b):
				if lapsed == nil || b.until < lapsed.until {
					lapsed = b
				}
			case b.standing == offered && !b.probing:
				if waiting == nil || b.until < waiting.until {
					waiting = b
				}
			case b.standing == aside && b.mac == (MAC{}):
				if declined == nil || b.until < declined.until {
					declined = b
				}
			}
			address = address.Next()
		}
	}
	for _, b := range []*binding{lapsed, waiting, declined} {
		if b != nil {
			return b.address, true
		}
	}
	return netip.Addr{}, false
}

// offer sets an address apart for a client for a while, in memory only.
func (t *bindings) offer(address netip.Addr, client string, mac MAC, probing bool) {
	b := &binding{address: address, standing: offered, client: client, mac: mac, until: t.now() + offerTime, probing: probing}
	if was := t.byAddress[address]; was != nil {
		b.stored = was.stored
	}
	t.add(b)
}

// grant gives a client the address for the lease time. When it returns nil
// the binding survives a power cut. mayWrite is asked before the file is
// written; without leave, or if that fails, only what the file knows already
// is granted.
func (t *bindings) grant(address netip.Addr, client string, mac MAC, host string, lease time.Duration, mayWrite func() bool) error {
	b := &binding{address: address, standing: leased, client: client, mac: mac, host: host, lease: lease, until: t.now() + lease}
	if was := t.byAddress[address]; was != nil {
		b.stored = was.stored
	}
	if want := b.record(false); b.stored == nil || !b.stored.same(want) {
		err := errTooMany
		if mayWrite() {
			err = t.store.write(map[netip.Addr]*record{address: want})
		}
		switch {
		case err == nil:
			b.stored = want
		case b.stored == nil || b.stored.Lapsed || string(b.stored.Client) != client || b.stored.Lease < lease:
			return err
		}
	}
	t.add(b)
	return nil
}

var errTooMany = fmt.Errorf("more new leases at a time than are written")

// same reports whether a reader of the file would see no difference.
func (r *record) same(other *record) bool {
	return string(r.Client) == string(other.Client) && r.MAC == other.MAC && r.Host == other.Host &&
		r.Lease == other.Lease && r.Lapsed == other.Lapsed
}

// release ends a lease; the address is kept for its host. The file learns of
// it with the next sweep: until then a power cut only makes it last longer.
func (t *bindings) release(b *binding) { b.until = t.now() }

// setAside takes the address out of use for a while, because another host has it.
func (t *bindings) setAside(address netip.Addr, holder MAC) {
	b := &binding{address: address, standing: aside, mac: holder, until: t.now() + asideTime}
	if was := t.byAddress[address]; was != nil {
		b.stored = was.stored
	}
	t.add(b)
}

// sweep brings the file up to what has lapsed since the last time, in one
// transaction, and forgets what no host can come back for: what keep says no to.
func (t *bindings) sweep(keep func(netip.Addr) bool) error {
	writes := map[netip.Addr]*record{}
	var gone []netip.Addr
	for address, b := range t.byAddress {
		if t.alive(b) {
			if b.stored != nil && b.standing == aside {
				writes[address] = nil
			}
			continue
		}
		switch {
		case b.standing != leased || !keep(address):
			gone = append(gone, address)
			if b.stored != nil {
				writes[address] = nil
			}
		case !b.stored.Lapsed:
			writes[address] = b.record(true)
		}
	}
	if len(writes) > 0 {
		if err := t.store.write(writes); err != nil {
			return err
		}
	}
	for address, r := range writes {
		t.byAddress[address].stored = r
	}
	for _, address := range gone {
		t.drop(address)
	}
	return nil
}

// clear forgets bindings for good.
func (t *bindings) clear(addresses []netip.Addr) error {
	writes := map[netip.Addr]*record{}
	for _, address := range addresses {
		writes[address] = nil
	}
	if err := t.store.write(writes); err != nil {
		return err
	}
	for _, address := range addresses {
		t.drop(address)
	}
	return nil
}

// poolOf gives the pool that has the address.
func poolOf(pools []model.DHCPPool, address netip.Addr) (model.DHCPPool, bool) {
	for _, pool := range pools {
		if contains(pool, address) {
			return pool, true
		}
	}
	return model.DHCPPool{}, false
}

func contains(pool model.DHCPPool, address netip.Addr) bool {
	return address.Is4() && !address.Less(pool.Start.Addr()) && !end(pool).Less(address)
}

// end is the last address of a pool.
func end(pool model.DHCPPool) netip.Addr {
	start := pool.Start.Addr().As4()
	last := binary.BigEndian.Uint32(start[:]) + uint32(pool.Count-1)
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, last)))
}
