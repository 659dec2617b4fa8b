package model

import (
	"cmp"
	"slices"
)

// Web says where the administration pages are.
type Web struct {
	On   bool
	LANs []int // ports 1 and 2 that they are on, ascending; empty: LAN1 alone
	Port int   // TCP, 1–65535; 0: DefaultWebPort
}

// DefaultWebPort is that of HTTPS.
const DefaultWebPort = 443

// TCPPort is the port that counts.
func (w Web) TCPPort() uint16 { return uint16(cmp.Or(w.Port, DefaultWebPort)) }

// WebAt says whether the pages are served at a port: never before there is somebody
// who may log in.
func (a Access) WebAt(p Port) bool {
	lans := a.Web.LANs
	if len(lans) == 0 {
		lans = []int{1}
	}
	return a.Web.On && len(a.Users) > 0 && p.VLAN == 0 && slices.Contains(lans, int(p.LAN)+1)
}
