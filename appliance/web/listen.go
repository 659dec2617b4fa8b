package web

import (
	"net/http"
	"net/netip"
)

// peerOf is who a request is from, without the port.
func peerOf(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil { // through a tunnel
		return r.RemoteAddr
	}
	return peer.Addr().Unmap().String()
}
