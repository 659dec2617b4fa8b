package lab

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

const invite = "INVITE sip:bob@192.0.2.1 SIP/2.0\r\n" +
	"Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK-b\r\n" +
	"VIA : SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK-a\r\n" +
	"Record-Route: <sip:192.0.2.9;lr>\r\n" +
	"From: <sip:a@192.0.2.2>;tag=1\r\n" +
	"To: <sip:bob@192.0.2.1>\r\n" +
	"Call-ID: c\r\n" +
	"CSeq: 7 INVITE\r\n" +
	"\r\n" +
	"Via: not a header\r\n"

func TestMessageHeader(t *testing.T) {
	for name, want := range map[string][]string{
		"via":     {"SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK-b", "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK-a"},
		"CSeq":    {"7 INVITE"},
		"Subject": nil,
	} {
		if got := Message(invite).Header(name); !slices.Equal(got, want) {
			t.Errorf("Header(%q) = %q; want %q", name, got, want)
		}
	}
}

func TestMessageReply(t *testing.T) {
	reply := Message(invite).Reply("180 Ringing", "sip:bob@192.0.2.7")
	if got := reply.StartLine(); got != "SIP/2.0 180 Ringing" {
		t.Errorf("StartLine() = %q", got)
	}
	for name, want := range map[string]string{
		"Via":          "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK-b|SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK-a",
		"Record-Route": "<sip:192.0.2.9;lr>",
		"To":           "<sip:bob@192.0.2.1>;tag=lab",
		"From":         "<sip:a@192.0.2.2>;tag=1",
		"Contact":      "<sip:bob@192.0.2.7>",
	} {
		if got := strings.Join(reply.Header(name), "|"); got != want {
			t.Errorf("Reply: %s = %q; want %q", name, got, want)
		}
	}
}

// TestAwaitOptions plays a box that refuses at first, as one without a grant
// does, and then answers.
func TestAwaitOptions(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l := newLab(t)
	loopback := netip.MustParseAddrPort("127.0.0.1:0")
	box, err := l.LAN1.Probe(loopback)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	prober, err := l.LAN1.Probe(loopback)
	if err != nil {
		t.Fatal(err)
	}
	defer prober.Close()
	served := make(chan error, 1)
	go func() {
		for _, status := range []string{"503 Service Unavailable", "200 OK"} {
			request, from, err := box.Expect(ctx, "OPTIONS sip:")
			if err == nil {
				err = box.Send(request.Reply(status, box.Contact()), from)
			}
			if err != nil {
				served <- err
				return
			}
		}
		served <- nil
	}()
	if _, err := prober.AwaitOptions(ctx, box.Local); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestAwaitOptionsGivesUp checks that no answer is an error that says so.
func TestAwaitOptionsGivesUp(t *testing.T) {
	l := newLab(t)
	prober, err := l.LAN1.Probe(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer prober.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*answerLimit)
	defer cancel()
	if _, err := prober.AwaitOptions(ctx, netip.MustParseAddrPort("127.0.0.1:9")); err == nil {
		t.Error("AwaitOptions of a closed port = nil; want an error")
	}
}
