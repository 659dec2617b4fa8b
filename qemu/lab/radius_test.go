package lab

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway/appliance/billing/packetcable"
)

// account has radclient send requests to at and gives how many were
// acknowledged, and what it said.
func account(t *testing.T, ctx context.Context, l *Lab, peers *Peers, at netip.AddrPort, secret, requests string) (acknowledged int, said string) {
	t.Helper()
	command, err := peers.Command(ctx, "radclient", "-x", "-r", "1", "-t", "1", "-d", t.TempDir(), "-D", peers.Root+"/usr/share/freeradius", at.String(), "acct", secret)
	if err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(requests), &output, &output
	if err := l.LAN2.Start(command); err != nil {
		t.Fatal(err)
	}
	command.Wait() // it fails when a request was not acknowledged
	return strings.Count(output.String(), "Received Accounting-Response"), output.String()
}

// TestRADIUS has FreeRADIUS store two event messages of one request, past a
// server that is frozen, a secret that is wrong and a line that loses replies.
func TestRADIUS(t *testing.T) {
	l, peers, ctx := newLab(t), openPeers(t), aMinute(t)
	if _, err := l.Box(); err != nil {
		t.Fatal(err)
	}
	at := netip.AddrPortFrom(PeerLAN2, 1813)
	keeper, err := l.LAN2.RADIUS(peers, t.TempDir(), RADIUS{At: at, Secret: "cisco"})
	if err != nil {
		t.Fatal(err)
	}
	if err := keeper.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer keeper.Kill()
	var want []packetcable.Message
	request := "Acct-Status-Type = Interim-Update\nAcct-Session-Id = \"one\"\n"
	element := packetcable.NewElementID(7)
	for n := range uint32(2) {
		m := packetcable.Message{
			Header: packetcable.NewHeader(packetcable.SignalingStart, packetcable.NewBCID(time.Now(), element, n), element, n, time.Now()),
			Attributes: []packetcable.Attribute{packetcable.Endpoint("a\"\\\n\x00"), packetcable.Small(packetcable.TypeDirection, 1),
				{Vendor: packetcable.DocumentationVendor, Type: 1, Value: []byte{0, 255}}},
		}
		want = append(want, m)
		for octets := m.AppendTo(nil); len(octets) > 0; octets = octets[octets[1]:] {
			request += fmt.Sprintf("Attr-26 += 0x%x\n", octets[2:octets[1]])
		}
	}

	if got, said := account(t, ctx, l, peers, at, "cisco", request); got != 1 {
		t.Fatalf("%d answers; want one: %s", got, said)
	}
	if got, said := account(t, ctx, l, peers, at, "wrong", request); got != 0 {
		t.Errorf("%d answers with a wrong secret; want none: %s", got, said)
	}
	if err := keeper.Freeze(); err != nil {
		t.Fatal(err)
	}
	if got, said := account(t, ctx, l, peers, at, "cisco", request); got != 0 {
		t.Errorf("%d answers of a server that is frozen; want none: %s", got, said)
	}
	keeper.Kill()
	if err := keeper.Start(ctx); err != nil {
		t.Fatal(err)
	}
	var captured bytes.Buffer
	relay, err := l.LAN2.Relay(netip.AddrPortFrom(PeerLAN2, 1900), at, &captured)
	if err != nil {
		t.Fatal(err)
	}
	relay.Lose.Store(100)
	if got, said := account(t, ctx, l, peers, netip.AddrPortFrom(PeerLAN2, 1900), "cisco", request); got != 0 {
		t.Errorf("%d answers over a line that loses all; want none: %s", got, said)
	}
	if err := relay.Close(); err != nil {
		t.Error(err)
	}
	if captured.Len() < 2*len(want[0].AppendTo(nil)) {
		t.Errorf("captured %d octets; want the request", captured.Len())
	}

	stored, err := keeper.Stored()
	if err != nil {
		t.Fatal(err)
	}
	if len(stored) != 2 {
		t.Fatalf("%d requests are stored; want 2", len(stored))
	}
	for _, request := range stored {
		got, err := request.Messages()
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("stored %v; want %v", got, want)
		}
		if id := request.Get("Acct-Session-Id"); id != "one" {
			t.Errorf("Acct-Session-Id is %q; want one", id)
		}
	}
}

// TestParseDetail leaves out a request that was being written when the power
// failed, also when others follow.
func TestParseDetail(t *testing.T) {
	const whole, torn = "Sun Nov 22 00:33:16 2026\n\tAcct-Session-Id = \"1\"\n\n", "Sun Nov 22 00:33:16 2026\n\tAcct-Session-Id = \"2\"\n\tAcct"
	for text, want := range map[string]int{"": 0, whole: 1, whole + whole: 2, whole + torn: 1, whole + torn + whole: 2} {
		if got := parseDetail(text); len(got) != want {
			t.Errorf("parseDetail(%q) = %v; want %d requests", text, got, want)
		}
	}
}
