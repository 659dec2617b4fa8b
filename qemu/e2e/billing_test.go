//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"causeway/appliance/billing/packetcable"
	"causeway/qemu/audit"
	"causeway/qemu/lab"
)

// billedKinds are calls of all kinds.
var billedKinds = []callGroup{
	{ladderCase: ladderCase{name: "answered", caller: lab.Caller, callees: map[uint16]lab.Ladder{5060: lab.Callee}}},
	{ladderCase: ladderCase{name: "callee hangs up", caller: lab.CallerHungUpOn, callees: map[uint16]lab.Ladder{5060: lab.CalleeHangsUp}}},
	{ladderCase: ladderCase{name: "busy", caller: lab.CallerFindsBusy, callees: map[uint16]lab.Ladder{5060: lab.CalleeBusy}}},
	{ladderCase: ladderCase{name: "cancelled", caller: lab.CallerCancels, callees: map[uint16]lab.Ladder{5060: lab.CalleeCancelled}}},
	{ladderCase: ladderCase{name: "no answer",
		caller:  "send INVITE, recv 100, recv 180, recv 480, send ACK",
		callees: map[uint16]lab.Ladder{5060: "recv INVITE, send 180, send 480, recv ACK"}}},
	{ladderCase: ladderCase{name: "no answer until Timer C", config: shortTimers("C 1000"),
		caller:  "send INVITE, recv 100, recv 180, recv 408 ends, recv 487, send ACK",
		callees: map[uint16]lab.Ladder{5060: lab.CalleeCancelled}}},
	{ladderCase: ladderCase{name: "re-INVITE with other media",
		caller:  begins + "send INVITE sendonly, recv 100?, recv 200, send ACK" + ends,
		callees: map[uint16]lab.Ladder{5060: answers + "recv INVITE, send 200 recvonly, recv ACK" + isEnded}}},
	{ladderCase: ladderCase{name: "one of two answers", config: callsTo("group both", bothRing),
		caller: "send INVITE, recv 100, recv 180?, recv 180?, recv 200, send ACK" + ends,
		callees: map[uint16]lab.Ladder{
			5060: "recv INVITE, send 180, wait 100ms, send 200, recv ACK" + isEnded,
			5061: "recv INVITE, send 180, recv CANCEL, send 200, send 487, recv ACK",
		}}},
	{ladderCase: ladderCase{name: "failover", config: callsTo("target-destination far lan2", group("far", "503", "5062", "5063")),
		caller:  lab.Caller,
		callees: map[uint16]lab.Ladder{5062: "recv INVITE, send 503, recv ACK", 5063: lab.Callee}}},
}

// TestBillingKinds places calls of all kinds. Each must have its whole set of
// event messages, which tshark and FreeRADIUS can read.
func TestBillingKinds(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	const relayPort = 1900
	config := billingConfig{
		clients: [][]radiusServer{{{port: relayPort, secret: "cisco"}}}, instance: "batch-size 1200\nbatch-time 50\n", billing: "cdr media-info",
	}
	b := billedBox(t, config)
	keeper := b.begin(ctx, b.keeper(1813, "cisco"))
	capture := filepath.Join(t.TempDir(), "capture")
	file, err := os.Create(capture)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	relay, err := b.lab.LAN2.Relay(netip.AddrPortFrom(lab.PeerLAN2, relayPort), keeper.At, file)
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	for _, kind := range billedKinds {
		t.Run(kind.name, func(t *testing.T) {
			b := b.in(t)
			now := config
			now.routing = kind.config
			b.configure(ctx, now)
			kind.calls, kind.rate, kind.media = 5, 50, true
			b.place(ctx, kind)
			b.recorded(ctx, keeper)
		})
	}
	t.Run("standard attributes", func(t *testing.T) {
		stored, err := keeper.Stored()
		if err != nil {
			t.Fatal(err)
		}
		for _, request := range stored {
			for name, want := range map[string]string{"Acct-Status-Type": "Interim-Update", "NAS-IP-Address": lab.BoxLAN2.Addr().String()} {
				if got := request.Get(name); got != want {
					t.Fatalf("%s is %q; want %q in %v", name, got, want, request)
				}
			}
		}
	})
	t.Run("tshark", func(t *testing.T) { dissected(t, ctx, capture, relayPort) })
}

// eventFields is what tshark must find in an event message of each type besides
// its header.
var eventFields = map[string][]string{
	"Signaling_Start (1)":  {"radius.CableLabs_Direction_indicator", "radius.CableLabs_MTA_Endpoint_Name", "radius.CableLabs_Calling_Party_Number", "radius.CableLabs_Called_Party_Number"},
	"Signaling_Stop (2)":   nil,
	"QoS_Reserve (7)":      {"packetcable_avps.qs", "radius.CableLabs_SF_ID", "radius.CableLabs_Flow_Direction"},
	"QoS_Release (8)":      {"radius.CableLabs_SF_ID", "radius.CableLabs_Flow_Direction"},
	"Call_Answer (15)":     {"radius.CableLabs_Charge_Number", "packetcable_avps.bcid.ec"},
	"Call_Disconnect (16)": {"packetcable_avps.ctc.sd", "packetcable_avps.ctc.cc"},
	"QoS_Commit (19)":      {"packetcable_avps.qs", "radius.CableLabs_SF_ID", "radius.CableLabs_Flow_Direction"},
}

// dissected has tshark read all requests and answers of a capture.
func dissected(t *testing.T, ctx context.Context, capture string, port uint16) {
	packets, err := lab.Dissect(ctx, capture, port, "cisco")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for n, packet := range packets {
		if fault := packet.Malformed(); fault != "" {
			t.Errorf("packet %d: %s", n, fault)
		}
		messages, err := packet.EventMessages()
		if err != nil {
			t.Errorf("packet %d: %v", n, err)
		}
		for _, m := range messages {
			seen[m.Type]++
			for _, field := range eventFields[m.Type] {
				if len(m.Fields.Find(field)) == 0 {
					t.Errorf("packet %d: a %s has no %s", n, m.Type, field)
				}
			}
			for field, want := range map[string]string{
				"packetcable_avps.emh.element_id": fmt.Sprintf("%8d", elementID), "packetcable_avps.emh.et": "1", "packetcable_avps.emh.priority": "128",
			} {
				if got := m.Fields.Find(field); len(got) != 1 || got[0] != want {
					t.Errorf("packet %d: %s of a %s is %q; want %q", n, field, m.Type, got, want)
				}
			}
		}
		if valid := packet.Find("radius.authenticator.valid"); len(valid) > 0 && valid[0] != "1" && valid[0] != "True" {
			t.Errorf("packet %d: the authenticator of an answer is wrong", n)
		}
	}
	t.Logf("%d packets: %v", len(packets), seen)
	for kind := range eventFields {
		if seen[kind] == 0 {
			t.Errorf("there is no %s among %v", kind, slices.Collect(maps.Keys(seen)))
		}
	}
}

// TestBillingEndpoints looks at who is named in which message, for each kind of
// endpoint information (billing requirements §1.9).
func TestBillingEndpoints(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	config := billingConfig{clients: [][]radiusServer{{{port: 1813, secret: "cisco"}}}}
	b := billedBox(t, config)
	keeper := b.begin(ctx, b.keeper(1813, "cisco"))
	const unnamed = "MTA Endpoint"
	for info, ends := range map[string][2]string{
		"":           {},
		"adjacency":  {"SIPPA", "SIPPB"},
		"addressing": {fmt.Sprintf("%v,%d,UDP,SIPPA", lab.PeerLAN1, lab.CallerPort), fmt.Sprintf("%v,%d,UDP,SIPPB", lab.PeerLAN2, lab.CalleePort)},
	} {
		t.Run("cdr endpoint-info "+info, func(t *testing.T) {
			b := b.in(t)
			now := config
			source := unnamed
			if info != "" {
				now.billing, source = "cdr endpoint-info "+info, ends[0]
			}
			b.configure(ctx, now)
			kinds := []callGroup{billedKinds[0], billedKinds[2]} // answered; busy
			var numbers []string
			for _, kind := range kinds {
				kind.calls, kind.rate = 2, 50
				for _, call := range b.place(ctx, kind) {
					numbers = append(numbers, call.Number)
				}
			}
			for _, half := range b.recorded(ctx, keeper).Halves {
				if !slices.Contains(numbers, half.Number) {
					continue
				}
				want := map[packetcable.MessageType]string{packetcable.SignalingStart: source, packetcable.SignalingStop: ends[0]}
				if half.Direction == packetcable.Terminating {
					want = map[packetcable.MessageType]string{
						packetcable.SignalingStart: unnamed, packetcable.CallAnswer: ends[1], packetcable.SignalingStop: ends[1],
					}
				}
				for _, kind := range half.Types() {
					if got, _ := half.Find(kind, packetcable.TypeEndpointName); string(got) != want[kind] {
						t.Errorf("direction %d: %s names %q; want %q", half.Direction, kind, got, want[kind])
					}
				}
			}
		})
	}
}

// TestBillingCopies has two instances with a client each. Their servers get the
// same records; one of them knows the attributes by name.
func TestBillingCopies(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	b := billedBox(t, billingConfig{
		clients: [][]radiusServer{{{port: 1813, secret: "first"}}, {{port: 1814, secret: "second"}}}, billing: "cdr media-info",
	})
	keeper := b.begin(ctx, b.keeper(1813, "first"))
	naming := b.begin(ctx, b.prepare(lab.RADIUS{At: netip.AddrPortFrom(lab.PeerLAN2, 1814), Secret: "second", Named: true}))
	calls := ordinary(20, 40)
	calls.media = true
	b.place(ctx, calls)
	records := b.recorded(ctx, keeper)
	headers := map[string]bool{}
	for _, request := range mustStored(t, keeper) {
		for _, a := range request.Attributes {
			if a.Name == "Attr-26.4491.1" {
				headers[a.Value] = true
			}
		}
	}
	if len(headers) != records.Count {
		t.Fatalf("%d headers are stored; want %d", len(headers), records.Count)
	}
	named := map[string]int{}
	for missing := headers; len(missing) > 0; {
		if ctx.Err() != nil {
			t.Fatalf("the second server lacks %d of %d messages", len(missing), len(headers))
		}
		missing, named = maps.Clone(headers), map[string]int{}
		for _, request := range mustStored(t, naming) {
			for _, a := range request.Attributes {
				named[a.Name+" = "+a.Value]++
				delete(missing, a.Value)
			}
		}
	}
	for _, want := range []string{
		"PKTC-Direction-Indicator = Originating", "PKTC-Direction-Indicator = Terminating", "PKTC-Flow-Direction = Upstream",
		`CableLabs-MTA-Endpoint-Name = "MTA Endpoint"`,
	} {
		if named[want] == 0 {
			t.Errorf("FreeRADIUS has not stored %q", want)
		}
	}
}

func mustStored(t *testing.T, k audit.Keeper) []lab.Stored {
	t.Helper()
	stored, err := k.Stored()
	if err != nil {
		t.Fatal(err)
	}
	return stored
}
