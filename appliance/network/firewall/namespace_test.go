package firewall

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/qemu/lab"
)

// network is a network namespace that lives as long as the test, and its
// tables.
type network struct {
	*lab.Namespace
	tables Netlink
}

func newNetwork(t testing.TB) network {
	t.Helper()
	namespace, err := lab.NewNamespace()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { namespace.Close() })
	return network{namespace, Netlink{int(namespace.Handle())}}
}

// run runs a command inside and gives what it prints.
func (n network) run(t *testing.T, words ...string) string {
	t.Helper()
	var out strings.Builder
	command := exec.Command(words[0], words[1:]...)
	command.Stdout, command.Stderr = &out, &out
	if err := n.Start(command); err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	if err := command.Wait(); err != nil {
		t.Fatalf("%q: %v\n%s", words, err, &out)
	}
	return out.String()
}

// eventually waits until met gives an empty string.
func eventually(t *testing.T, what string, met func() string) {
	t.Helper()
	var missing string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if missing = met(); missing == "" {
			return
		}
	}
	t.Fatalf("%s: %s", what, missing)
}

var (
	lan1 = model.Port{LAN: model.LAN1}
	lan2 = model.Port{LAN: model.LAN2}
)

// configured gives a port with that address.
func configured(port model.Port, address string) model.LAN {
	lan := model.NewLAN(port)
	lan.Address = netip.MustParsePrefix(address)
	return lan
}

// listeners makes a SIP network of addresses such as "192.0.2.1:5060".
func listeners(addresses ...string) model.SIP {
	network := model.SIPNetwork{Name: "all"}
	for _, address := range addresses {
		network.Listens = append(network.Listens, model.SIPListen{Address: netip.MustParseAddrPort(address)})
	}
	return model.SIP{Networks: []model.SIPNetwork{network}}
}

// streams makes a SIP network that listens at addresses over TCP, TLS, WS, WSS
// and TCP again.
func streams(addresses ...string) model.SIPNetwork {
	network := model.SIPNetwork{Name: "streams"}
	for i, address := range addresses {
		transport := model.TCP + model.Transport(i)%(model.WSS-model.TCP+1)
		network.Listens = append(network.Listens, model.SIPListen{Transport: transport, Address: netip.MustParseAddrPort(address)})
	}
	return network
}

// builtIn is the configuration of a new box.
func builtIn() *model.Config {
	return &model.Config{
		LANs: []model.LAN{configured(lan1, "192.168.42.1/24"), configured(lan2, "192.168.43.1/24")},
		SIP:  listeners("192.168.42.1:5060", "192.168.43.1:5060"),
	}
}
