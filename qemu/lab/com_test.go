package lab

import (
	"crypto/tls"
	"net"
	"net/netip"
	"testing"

	"causeway/appliance/model"
	"causeway/qemu/lab/comd"
)

// TestCOM has a COM server in a namespace take links on both ports, on one, and
// on none.
func TestCOM(t *testing.T) {
	n, err := NewNamespace()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	at := netip.MustParseAddr("127.0.0.1")
	server, err := n.COM(at, comd.Options{Names: []string{"com.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	answers := func(port uint16) bool {
		var conn net.Conn
		err := n.Do(func() (err error) {
			conn, err = net.Dial("tcp", netip.AddrPortFrom(at, port).String())
			return err
		})
		if err != nil {
			return false
		}
		defer conn.Close()
		shown := tls.Client(conn, &tls.Config{ServerName: "com.example.com", InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
		shown.Handshake() // is refused, as this box has no certificate
		return len(shown.ConnectionState().PeerCertificates) > 0
	}
	for _, ports := range [][]uint16{model.COMPorts[:], {8443}, {}, {443}} {
		if err := server.Listen(ports...); err != nil {
			t.Fatal(err)
		}
		for _, port := range model.COMPorts {
			want := len(ports) == 2 || len(ports) == 1 && ports[0] == port
			if got := answers(port); got != want {
				t.Errorf("listening on %v: port %d answers: %v", ports, port, got)
			}
		}
	}
	if err := server.Stop(0); err != nil {
		t.Error(err)
	}
}
