//go:build e2e

package e2e

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway/qemu/lab"
)

// ladderCase is calls from LAN1 to one or more callees on LAN2, told by their
// ports. Both ends must see each call go as their ladder has it.
type ladderCase struct {
	name      string
	config    string // beside twoLANs and nextHop
	caller    lab.Ladder
	callees   map[uint16]lab.Ladder
	callerTCP bool
	calleeTCP bool
	repeats   bool // messages may come twice
}

// nextHop sends all calls to the callee on port 5060.
const nextHop = "sip next-hop lan1 udp 192.168.43.2 5060 lan2\n"

// callsTo routes the calls of LAN1 to a destination of a route table.
func callsTo(destination string, before ...string) string {
	return strings.Join(before, "") + `route table calls
 key service ` + destination + `
 exit
policy lookup calls
 sequence 1 calls request-uri uri-component user
  rule exact
  exit
 exit
trigger condition from-lan1
 sequence 1
  in-network lan1
  exit
 exit
trigger routing sequence 10 policy calls condition from-lan1
`
}

// group is a server group of LAN2, the first server first; no failure takes one
// out.
func group(name, codes string, ports ...string) string {
	text := "server-group sip element-retries udp 1000\nserver-group sip group " + name + " lan2\n lbtype highest-q\n failover-resp-codes " + codes + "\n"
	for i, port := range ports {
		text += " element ip-address 192.168.43.2 " + port + " udp q-value " + []string{"1.0", "0.9", "0.8"}[i] + " weight 10\n"
	}
	return text + " exit\n"
}

// shortTimers has LAN2 give up soon.
func shortTimers(timers ...string) string {
	return "sip network lan2\n retransmit-timer " + strings.Join(timers, "\n retransmit-timer ") + "\n exit\n"
}

const bothRing = "route group both\n parallel\n" +
	" element target-destination 192.168.43.2:5060 lan2 udp q-value 1.0\n" +
	" element target-destination 192.168.43.2:5061 lan2 udp q-value 1.0\n exit\n"

const tcpOnBoth = "sip listen lan1 tcp 192.168.42.1 5060\nsip listen lan2 tcp 192.168.43.1 5060\n"

// Ladders of calls that are set up and ended by the caller, for what happens
// in between.
const (
	begins   = "send INVITE, recv 100, recv 180, recv 200, send ACK, "
	ends     = ", send BYE, recv 200"
	answers  = "recv INVITE, send 180, send 200, recv ACK, "
	isEnded  = ", recv BYE, send 200"
	isSilent = "recv INVITE, wait 2s"
)

var ladderCases = []ladderCase{
	{name: "answered", caller: lab.Caller, callees: map[uint16]lab.Ladder{5060: lab.Callee}},
	{name: "callee hangs up", caller: lab.CallerHungUpOn, callees: map[uint16]lab.Ladder{5060: lab.CalleeHangsUp}},
	{name: "final response without 180",
		caller:  "send INVITE, recv 100, recv 200, send ACK" + ends,
		callees: map[uint16]lab.Ladder{5060: "recv INVITE, send 200, recv ACK" + isEnded}},

	// RFC 3261 §9.1, §16.10: a CANCEL waits for a provisional response, and only
	// the callee can say 487.
	{name: "CANCEL before any response",
		caller:  "send INVITE, recv 100, send CANCEL, recv 200, recv 180?, recv 487, send ACK",
		callees: map[uint16]lab.Ladder{5060: "recv INVITE, wait 200ms, send 180, recv CANCEL, send 200, send 487, recv ACK"}},
	{name: "CANCEL before 180",
		caller:  "send INVITE, recv 100, wait 100ms, send CANCEL, recv 200, recv 487, send ACK",
		callees: map[uint16]lab.Ladder{5060: "recv INVITE, send 100, recv CANCEL, send 200, send 487, recv ACK"}},
	{name: "CANCEL after 180", caller: lab.CallerCancels, callees: map[uint16]lab.Ladder{5060: lab.CalleeCancelled}},
	{name: "CANCEL crosses 200",
		caller:  "send INVITE, recv 100, recv 180, send CANCEL, recv 200 of CANCEL, recv 200 of INVITE, send ACK" + ends,
		callees: map[uint16]lab.Ladder{5060: "recv INVITE, send 180, recv CANCEL, send 200 of CANCEL, send 200 of INVITE, recv ACK" + isEnded}},

	// RFC 3261 §16.8: who rings too long is cancelled; some call that a timeout.
	{name: "Timer C", config: shortTimers("C 1000"),
		caller:  "send INVITE, recv 100, recv 180, recv 408 ends, recv 487, send ACK",
		callees: map[uint16]lab.Ladder{5060: lab.CalleeCancelled}},
	{name: "no answer at all", config: shortTimers("clientTn 1000"), repeats: true,
		caller:  "send INVITE, recv 100, recv 408, send ACK",
		callees: map[uint16]lab.Ladder{5060: isSilent}},

	{name: "486", caller: lab.CallerFindsBusy, callees: map[uint16]lab.Ladder{5060: lab.CalleeBusy}},
	{name: "603",
		caller:  "send INVITE, recv 100, recv 603, send ACK",
		callees: map[uint16]lab.Ladder{5060: "recv INVITE, send 603, recv ACK"}},
	// RFC 3261 §16.7 step 6: that the callee is overloaded does not mean that we are.
	{name: "503 becomes 500",
		caller:  "send INVITE, recv 100, recv 500, send ACK",
		callees: map[uint16]lab.Ladder{5060: "recv INVITE, send 503, recv ACK"}},
	{name: "302 is the caller's",
		caller:  "send INVITE, recv 100, recv 302, send ACK",
		callees: map[uint16]lab.Ladder{5060: `recv INVITE, send 302 with "Contact: <sip:moved@192.168.43.2:5061>", recv ACK`}},
	{name: "302 is followed", config: "route recursion\n",
		caller: lab.Caller,
		callees: map[uint16]lab.Ladder{
			5060: `recv INVITE, send 302 with "Contact: <sip:moved@192.168.43.2:5061>", recv ACK`,
			5061: lab.Callee,
		}},
	{name: "Max-Forwards is used up",
		caller: `send INVITE with "Max-Forwards: 0", recv 100?, recv 483, send ACK`},
	{name: "no route", config: callsTo("response 404"),
		caller: "send INVITE, recv 100?, recv 404, send ACK"},

	// Forking (RFC 3261 §16.6, §16.7).
	{name: "one of two answers", config: callsTo("group both", bothRing),
		caller: "send INVITE, recv 100, recv 180?, recv 180?, recv 200, send ACK" + ends,
		callees: map[uint16]lab.Ladder{
			5060: "recv INVITE, send 180, wait 100ms, send 200, recv ACK" + isEnded,
			5061: "recv INVITE, send 180, recv CANCEL, send 200, send 487, recv ACK",
		}},
	{name: "both answer", config: callsTo("group both", bothRing),
		caller: "send INVITE, recv 100, recv 180?, recv 180?, recv 200, send ACK, recv 200 of INVITE, send ACK, recv BYE, send 200" + ends,
		callees: map[uint16]lab.Ladder{
			5060: "recv INVITE, send 180, wait 100ms, send 200, recv ACK, wait 300ms" + ends,
			5061: "recv INVITE, send 180, recv CANCEL, send 200 of CANCEL, send 200 of INVITE, recv ACK" + isEnded,
		}},
	{name: "603 ends all", config: callsTo("group both", bothRing),
		caller: "send INVITE, recv 100, recv 180?, recv 180?, recv 603, send ACK",
		callees: map[uint16]lab.Ladder{
			5060: "recv INVITE, send 180, wait 100ms, send 603, recv ACK",
			5061: "recv INVITE, send 180, recv CANCEL, send 200, send 487, recv ACK",
		}},
	{name: "both refuse, the best response is chosen", config: callsTo("group both", bothRing),
		caller: "send INVITE, recv 100, recv 404, send ACK",
		callees: map[uint16]lab.Ladder{
			5060: "recv INVITE, send 500, recv ACK",
			5061: "recv INVITE, wait 100ms, send 404, recv ACK",
		}},

	// Each with servers of its own, so that what one case has learned of them is
	// nothing to the next.
	{name: "failover on 503", config: callsTo("target-destination far lan2", group("far", "503", "5062", "5063")),
		caller:  lab.Caller,
		callees: map[uint16]lab.Ladder{5062: "recv INVITE, send 503, recv ACK", 5063: lab.Callee}},
	{name: "failover on a code of the group", config: callsTo("target-destination far lan2", group("far", "480,500-503", "5064", "5065")),
		caller:  lab.Caller,
		callees: map[uint16]lab.Ladder{5064: "recv INVITE, send 480, recv ACK", 5065: lab.Callee}},
	{name: "no failover on 486", config: callsTo("target-destination far lan2", group("far", "503", "5066", "5067")),
		caller:  lab.CallerFindsBusy,
		callees: map[uint16]lab.Ladder{5066: lab.CalleeBusy}},
	{name: "failover on silence", repeats: true,
		config:  callsTo("target-destination far lan2", group("far", "503", "5068", "5069"), shortTimers("TU1 500")),
		caller:  lab.Caller,
		callees: map[uint16]lab.Ladder{5068: isSilent, 5069: lab.Callee}},
	{name: "failover on ICMP", config: callsTo("target-destination far lan2", group("far", "503", "5070", "5071")),
		caller:  lab.Caller,
		callees: map[uint16]lab.Ladder{5071: lab.Callee}},

	// Within and beside dialogs.
	{name: "re-INVITE",
		caller:  begins + "send INVITE, recv 100?, recv 200, send ACK" + ends,
		callees: map[uint16]lab.Ladder{5060: answers + "recv INVITE, send 200, recv ACK" + isEnded}},
	{name: "re-INVITE by the callee",
		caller:  begins + "recv INVITE, send 200, recv ACK" + ends,
		callees: map[uint16]lab.Ladder{5060: answers + "send INVITE, recv 100?, recv 200, send ACK" + isEnded}},
	{name: "UPDATE",
		caller:  begins + "send UPDATE, recv 200" + ends,
		callees: map[uint16]lab.Ladder{5060: answers + "recv UPDATE, send 200" + isEnded}},
	{name: "PRACK",
		caller: `send INVITE with "Supported: 100rel", recv 100, recv 183, send PRACK with "RAck: 1 1 INVITE", recv 200, recv 200, send ACK` + ends,
		callees: map[uint16]lab.Ladder{
			5060: `recv INVITE, send 183 with "Require: 100rel" with "RSeq: 1", recv PRACK, send 200, send 200, recv ACK` + isEnded,
		}},
	{name: "INFO both ways",
		caller:  begins + "send INFO body 100, recv 200, recv INFO, send 200" + ends,
		callees: map[uint16]lab.Ladder{5060: answers + "recv INFO, send 200, send INFO body 100, recv 200" + isEnded}},
	{name: "REFER",
		caller: begins + `recv REFER, send 202, send NOTIFY with "Event: refer" with "Subscription-State: terminated", recv 200` + ends,
		callees: map[uint16]lab.Ladder{
			5060: answers + `send REFER with "Refer-To: <sip:third@example.com>", recv 202, recv NOTIFY, send 200` + isEnded,
		}},
	{name: "MESSAGE",
		caller:  "send MESSAGE body 300, recv 200",
		callees: map[uint16]lab.Ladder{5060: "recv MESSAGE, send 200"}},
	{name: "SUBSCRIBE and NOTIFY",
		caller: `send SUBSCRIBE with "Event: presence", recv 202, recv NOTIFY, send 200, ` +
			`send SUBSCRIBE with "Event: presence" with "Expires: 0", recv 200, recv NOTIFY, send 200`,
		callees: map[uint16]lab.Ladder{
			5060: `recv SUBSCRIBE, send 202, send NOTIFY with "Event: presence" with "Subscription-State: active", recv 200, ` +
				`recv SUBSCRIBE, send 200, send NOTIFY with "Event: presence" with "Subscription-State: terminated", recv 200`,
		}},

	// Transports (RFC 3261 §18).
	{name: "TCP to UDP", config: tcpOnBoth, callerTCP: true,
		caller: lab.Caller, callees: map[uint16]lab.Ladder{5060: lab.Callee}},
	{name: "UDP to TCP", config: callsTo("target-destination 192.168.43.2:5060 lan2 tcp", tcpOnBoth), calleeTCP: true,
		caller: lab.Caller, callees: map[uint16]lab.Ladder{5060: lab.Callee}},
	{name: "TCP to TCP", config: callsTo("target-destination 192.168.43.2:5060 lan2 tcp", tcpOnBoth), callerTCP: true, calleeTCP: true,
		caller: lab.CallerHungUpOn, callees: map[uint16]lab.Ladder{5060: lab.CalleeHangsUp}},
	{name: "large body over TCP", config: callsTo("target-destination 192.168.43.2:5060 lan2 tcp", tcpOnBoth), callerTCP: true, calleeTCP: true,
		caller: "send MESSAGE body 30000, recv 200", callees: map[uint16]lab.Ladder{5060: "recv MESSAGE, send 200"}},
	{name: "too large for UDP", config: tcpOnBoth, calleeTCP: true, // §18.1.1
		caller: "send MESSAGE body 3000, recv 200", callees: map[uint16]lab.Ladder{5060: "recv MESSAGE, send 200"}},
	{name: "too large, and the callee knows no TCP", config: tcpOnBoth, // §18.1.1: then UDP it is
		caller: "send MESSAGE body 3000, recv 200", callees: map[uint16]lab.Ladder{5060: "recv MESSAGE, send 200"}},
}

// TestSIPLadders has SIPp climb all ladders through one proxy, which is told
// what to do with each.
func TestSIPLadders(t *testing.T) {
	l, proxy := hostBox(t, twoLANs+nextHop)
	for _, c := range ladderCases {
		t.Run(c.name, func(t *testing.T) {
			ctx := within(t, time.Minute)
			if err := proxy.Configure(ctx, twoLANs+nextHop+c.config); err != nil {
				t.Fatal(err)
			}
			if err := c.place(ctx, l, 50); err != nil {
				t.Error(err)
			}
		})
	}
}

// ladderCalls is how many calls each case has.
const ladderCalls = 5

// place places the calls, that many a second. When the caller failed, callees would wait for calls
// that never come.
func (c ladderCase) place(ctx context.Context, l *lab.Lab, rate int) error {
	var callees []*lab.Run
	stop := func() {
		for _, callee := range callees {
			callee.Stop()
		}
	}
	for port, ladder := range c.callees {
		callee, err := l.LAN2.SIPp(ctx, lab.SIPp{
			Ladder: ladder, Local: netip.AddrPortFrom(lab.PeerLAN2, port), TCP: c.calleeTCP, Calls: ladderCalls, Repeats: c.repeats,
		})
		if err != nil {
			stop()
			return err
		}
		callees = append(callees, callee)
	}
	caller, err := l.LAN1.SIPp(ctx, lab.SIPp{
		Ladder: c.caller, Local: netip.AddrPortFrom(lab.PeerLAN1, lab.CallerPort), Remote: lab.BoxLAN1, TCP: c.callerTCP,
		Calls: ladderCalls, Rate: rate, Repeats: c.repeats,
	})
	if err == nil {
		_, err = caller.Wait()
	}
	if err != nil {
		stop()
	}
	errs := []error{err}
	for _, callee := range callees {
		_, err := callee.Wait()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
