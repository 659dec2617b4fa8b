package sip

import (
	"net"
	"net/netip"
	"testing"
)

// INVITEs that are steered wait at the last socket, and all else at the
// readers' ones, that of one sender at one of them.
func TestSteer(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		for _, readers := range []int{1, 3} {
			place := netip.AddrPortFrom(netip.MustParseAddr(host), 0)
			var sockets []*socket
			for range readers + 1 {
				s, err := bindSocket(place)
				if err != nil {
					t.Fatal(err)
				}
				defer s.close()
				sockets = append(sockets, s)
				place = s.conn.LocalAddr().(*net.UDPAddr).AddrPort() // the first one has found a free port
			}
			if err := sockets[0].steer(readers, place.Addr().Is6()); err != nil {
				t.Fatal(err)
			}
			for sender := range 2 * readers {
				conn := dialUDP(t, place)
				first := waitsAt(t, conn, sockets, "ACK sip:a SIP/2.0")
				for _, test := range []struct {
					text string
					at   int
				}{{"INVITE sip:a SIP/2.0", readers}, {"BYE sip:a SIP/2.0", first}, {"SIP/2.0 200 OK", first}} {
					if at := waitsAt(t, conn, sockets, test.text); at != test.at || first == readers {
						t.Errorf("%s, %d readers, sender %d: %q waits at socket %d; want %d", host, readers, sender, test.text, at, test.at)
					}
				}
				if at := waitsAt(t, conn, sockets, "\r\n"); at == readers {
					t.Errorf("%s, %d readers: a keep-alive waits with INVITEs", host, readers)
				}
			}
			last := sockets[readers]
			if err := last.steerNoMore(); err != nil {
				t.Fatal(err)
			}
			last.close()
			if at := waitsAt(t, dialUDP(t, place), sockets[:readers], "INVITE sip:a SIP/2.0"); at < 0 {
				t.Errorf("%s, %d readers: an INVITE is lost when they are steered no more", host, readers)
			}
		}
	}
}

func dialUDP(t *testing.T, to netip.AddrPort) *net.UDPConn {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// waitsAt sends a datagram and gives the number of the socket that it has come
// to, -1 for none.
func waitsAt(t *testing.T, conn *net.UDPConn, sockets []*socket, text string) int {
	t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	for i, s := range sockets { // over the loopback it is there already
		if take(s) > 0 {
			return i
		}
	}
	return -1
}

// take reads what waits at a socket, and gives how many datagrams that were.
func take(s *socket) (n int) {
	s.raw.Control(func(fd uintptr) { n, _ = newInbox().receive(fd, batchSize) })
	return max(n, 0)
}
