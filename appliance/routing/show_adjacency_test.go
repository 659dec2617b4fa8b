package routing

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
	"causeway/appliance/routing/servergroup"
)

func TestShowAdjacencies(t *testing.T) {
	since := time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)
	b := newBox(t)
	b.commit(`sip network spare
sbc proxy
sbe
adjacency sip carrier
network wan
remote-address ipv4 192.168.43.7 255.255.255.255
remote-address ipv4 192.168.43.16 255.255.255.240
remote-address ipv6 2001:db8::/32
account acme
group trunks
exit
adjacency sip phones
network lan
transport udp
exit
adjacency sip unheard
network lan
transport tls
exit
adjacency sip waiting
network spare
exit
`)
	carrier := servergroup.ElementStatus{Element: "udp 192.168.43.7:5060", Adjacency: "carrier", State: "up", Since: since, Reason: "a ping was answered"}
	second := servergroup.ElementStatus{Element: "tcp 192.168.43.20:5060", Adjacency: "carrier", State: "down", Since: since, Reason: "a call was not answered"}
	resting := servergroup.ElementStatus{Element: "udp 192.168.43.21:5060", Adjacency: "carrier", State: "up", Since: since, Reason: "a ping was answered", Shutdown: true}
	elsewhere := carrier
	elsewhere.Shutdown = true
	named := servergroup.ElementStatus{Element: "tls gw.example.com", State: "up", Since: since, Reason: "not heard of yet"}
	s := exectest.Session{Answers: map[string]any{
		"proxy.adjacency-calls": map[string]model.AdjacencyTraffic{
			"carrier": {In: model.AdjacencyCalls{Open: 2, Offered: 10, Admitted: 9, Answered: 7}, Out: model.AdjacencyCalls{Open: 3, Offered: 200, Admitted: 180, Answered: 150}, LastAnswer: since},
			"phones":  {In: model.AdjacencyCalls{Open: 3, Offered: 190, Admitted: 185, Answered: 150}},
			"wan":     {In: model.AdjacencyCalls{Offered: 1}}, // whoever has no adjacency
		},
		"proxy.server-groups": []servergroup.GroupStatus{
			{Name: "gws", Network: "wan", Elements: []servergroup.ElementStatus{carrier, second, named, resting}},
			{Name: "spare", Network: "wan", Elements: []servergroup.ElementStatus{elsewhere, resting}},
			{Name: "elsewhere", Network: "lan", Elements: []servergroup.ElementStatus{second}},
		},
	}}
	s.Serve(t, "proxy", b.Methods())
	var transcript strings.Builder
	for _, line := range []string{
		"show sbc proxy sbe adjacencies",
		"show sbc proxy sbe adjacencies carrier detail",
		"show sbc proxy sbe adjacencies phones detail",
		"show sbc proxy sbe adjacencies waiting detail",
		"show sbc proxy sbe adjacencies moon detail",
		"show sbc moon sbe adjacencies",
		"show sbc moon sbe adjacencies carrier detail",
	} {
		fmt.Fprintf(&transcript, "# %s\n%s", line, s.Type(t.Context(), t, ExecCommands(), line))
	}
	exectest.Golden(t, "adjacencies", transcript.String())
	delete(s.Answers, "proxy.server-groups")
	if got := s.Type(t.Context(), t, ExecCommands(), "show sbc proxy sbe adjacencies"); !strings.HasPrefix(got, "% ") {
		t.Errorf("without the states of server groups it prints %q", got)
	}
}
