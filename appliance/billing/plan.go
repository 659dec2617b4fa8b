package billing

import (
	"cmp"
	"fmt"
	"math/bits"
	"net/netip"
	"path/filepath"
	"reflect"
	"time"

	"causeway/appliance/billing/cache"
	"causeway/appliance/billing/halfcall"
	"causeway/appliance/config"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// The defaults of the mode tree (seed 003).
const (
	defaultCachePath = "harddisk:/billcache/"
	defaultBatchTime = 1000 // ms
	// resendInterval is how often delivery is tried while the transport is
	// down, in seconds.
	resendInterval = 10
)

// plan is what a configuration asks of the process.
type plan struct {
	model.Billing
	sbc      string // its name
	aaa      netip.Addr
	timeZone model.TimeZone
	zone     *time.Location // the same
	clients  map[string]model.RADIUSClient
	keys     map[string]map[string]string // of each client's servers, opened
	cache    storage.Path
	cdr      storage.Path
	transfer string // the password of "cdr transfer", opened
}

// newPlan reads a configuration. The error names what it cannot be done with.
func (p *process) newPlan(c *model.Config) (*plan, error) {
	next := &plan{Billing: c.SBC.Billing, sbc: c.SBC.Name, aaa: c.SBC.AAAAddress, timeZone: c.Time.Zone, clients: map[string]model.RADIUSClient{}, keys: map[string]map[string]string{}}
	var err error
	if next.zone, err = c.Time.Zone.Location(); err != nil {
		return nil, err
	}
	if next.cache, err = storage.ParsePath(cmp.Or(c.SBC.Billing.Cache.Path, defaultCachePath)); err != nil {
		return nil, fmt.Errorf("cache path: %w", err)
	}
	for _, x := range c.SBC.Billing.XML {
		if next.cdr, err = storage.ParsePath(cmp.Or(x.Path, model.DefaultCDRPath)); err != nil {
			return nil, fmt.Errorf("cdr path: %w", err)
		}
		if next.transfer, err = p.unseal(x.Transfer.Secret); err != nil {
			return nil, fmt.Errorf("password of cdr transfer: %w", err)
		}
	}
	for _, client := range c.SBC.RADIUSClients {
		next.clients[client.Name] = client
		if next.keys[client.Name], err = p.openKeys(client); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// openKeys opens the secrets of a client's servers.
func (p *process) openKeys(client model.RADIUSClient) (map[string]string, error) {
	keys := map[string]string{}
	for _, server := range client.Servers {
		key, err := p.unseal(server.Key)
		if err != nil {
			return nil, fmt.Errorf("key of RADIUS server %s of client %s: %w", server.Name, client.Name, err)
		}
		keys[server.Name] = key
	}
	return keys, nil
}

// unseal opens a secret of the configuration; an empty one stays empty.
func (p *process) unseal(stored string) (string, error) {
	if stored == "" {
		return "", nil
	}
	key, err := config.ReadBoxKey(p.options.KeyDir)
	if err != nil {
		return "", err
	}
	return key.Open(stored)
}

// placed is an instance of a method and its place in the cache.
type placed struct {
	cache.Consumer
	attached  bool
	deactMode model.DeactMode
	longCheck *model.TimeOfDay
}

// instances are all that are configured.
func (n *plan) instances() (all []placed) {
	for _, m := range n.PacketCable {
		all = append(all, placed{cache.Consumer{Name: packetCableName(m.Index), Place: uint8(m.Index)}, m.Attached, m.DeactMode, m.LongCheck})
	}
	for _, x := range n.XML {
		all = append(all, placed{cache.Consumer{Name: xmlName(x.Index), Place: placeXML}, x.Attached, x.DeactMode, x.LongCheck})
	}
	return all
}

// placeXML is the place of the XML instance: there is one at the most.
var placeXML = uint8(bits.TrailingZeros16(uint16(halfcall.XML)))

// packetCableName and xmlName name the place of an instance in the cache.
func packetCableName(index int) string { return fmt.Sprintf("packetcable-em-%d", index) }

func xmlName(index int) string { return fmt.Sprintf("xml-%d", index) }

// placeOf is the place that an instance of that name has.
func placeOf(name string) (place uint8, known bool) {
	for index := range uint8(indexMax + 1) {
		switch name {
		case packetCableName(int(index)):
			return index, true
		case xmlName(int(index)):
			return placeXML, true
		}
	}
	return 0, false
}

// consumers are the instances as the cache knows them.
func (n *plan) consumers() (all []cache.Consumer) {
	for _, i := range n.instances() {
		all = append(all, i.Consumer)
	}
	return all
}

// same reports whether nothing of billing differs.
func (n *plan) same(other *plan) bool { return reflect.DeepEqual(n, other) }

// directory is where a path is in the file system, and the mount point that
// must be there; on a plain host, volumes are directories.
func (o *Options) directory(path storage.Path) (dir, mount string) {
	dir = filepath.Join(o.Volumes, path.Volume, path.Name)
	if o.Volumes == "/" {
		mount = filepath.Join("/", path.Volume)
	}
	return dir, mount
}

// localAddress is what stands in the records of an instance.
func (n *plan) localAddress(own netip.Addr) netip.Addr {
	for _, a := range []netip.Addr{own, n.LocalAddress, n.aaa} {
		if a.IsValid() {
			return a
		}
	}
	return netip.Addr{}
}

// longCheck is when an instance reports long calls.
func (n *plan) longCheck(own *model.TimeOfDay) model.TimeOfDay {
	if own != nil {
		return *own
	}
	return n.LongCheck
}
