package halfcall

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pion/sdp/v3"

	"causeway/appliance/model"
)

// description puts the lines of a session description together.
func description(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n" }

func head(address string) string {
	return description("v=0", "o=- 1 1 IN IP4 "+address, "s=-", "c=IN IP4 "+address, "t=0 0")
}

func TestReadSDP(t *testing.T) {
	const v4 = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
	for _, test := range []struct{ name, text, want string }{
		{"G.711", v4 + "m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n",
			"1/3 192.0.2.1:4000 64000 0 8000 PCMU/8000"},
		{"line feeds alone", strings.ReplaceAll(v4, "\r", "") + "m=audio 4000 RTP/AVP 8", "1/3 192.0.2.1:4000 64000 8 8000 PCMA/8000"},
		{"a codec with a name", v4 + "m=audio 4000 RTP/SAVPF 111 0\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:111 opus/48000/2\r\na=sendonly\r\n",
			"1/1 192.0.2.1:4000 0 111 48000 opus/48000/2"},
		{"bandwidth of a stream", v4 + "m=video 4002 RTP/AVP 34\r\nb=AS:384\r\n", "2/3 192.0.2.1:4002 384000 34 90000 H263/90000"},
		{"without the headers of packets", v4 + "m=video 4002 RTP/AVP 34\r\nb=AS:400\r\nb=TIAS:384000\r\n", "2/3 192.0.2.1:4002 384000 34 90000 H263/90000"},
		{"bandwidth beyond all bounds", v4 + "m=audio 4000 RTP/AVP 97\r\nb=AS:99999999\r\nb=TIAS:99999999999\r\nb=X:1\r\nb=AS\r\n", "1/3 192.0.2.1:4000 4294967295 97 0 "},
		{"bandwidth of the session", v4 + "b=AS:1000\r\nm=audio 4000 RTP/AVP 18\r\n", "1/3 192.0.2.1:4000 8000 18 8000 G729/8000"},
		{"streams with addresses of their own", v4 + "a=recvonly\r\nm=audio 4000 RTP/AVP 9\r\nc=IN IP6 2001:db8::1\r\nm=video 4002/2 RTP/AVP 31\r\na=sendrecv\r\n",
			"1/2 [2001:db8::1]:4000 64000 9 8000 G722/8000\n2/3 192.0.2.1:4002 0 31 90000 H261/90000"},
		{"fax", v4 + "m=image 5000 udptl t38\r\na=T38FaxVersion:0\r\n", "3/3 192.0.2.1:5000 0 65535 0 t38"},
		{"something else", v4 + "m=message 2855 TCP/MSRP *\r\n", "4/3 192.0.2.1:2855 0 65535 0 *"},
		{"not used", v4 + "m=audio 0 RTP/AVP 0\r\n", "1/3 192.0.2.1:0 64000 0 8000 PCMU/8000"},
		{"hold", v4 + "m=audio 4000 RTP/AVP 0\r\na=inactive\r\n", "1/0 192.0.2.1:4000 64000 0 8000 PCMU/8000"},
		{"hold of RFC 2543", "c=IN IP4 0.0.0.0\r\nm=audio 4000 RTP/AVP 0\r\n", "1/1 0.0.0.0:4000 64000 0 8000 PCMU/8000"},
		{"multicast", "c=IN IP4 233.252.0.1/127\r\nm=audio 4000 RTP/AVP 0\r\n", "1/3 233.252.0.1:4000 64000 0 8000 PCMU/8000"},
		{"a name for an address", "c=IN IP4 media.example\r\nm=audio 4000 RTP/AVP 0\r\n", "1/3 invalid AddrPort 64000 0 8000 PCMU/8000"},
		{"broken lines", "x\r\nq=\r\n=\r\n\r\nb=\r\na=rtpmap:x y\r\na=rtpmap:0 G/9\r\nc=IN\r\nm=audio\r\nm=\r\nm=audio 99999 RTP/AVP 300\r\nm=audio 7 RTP/AVP 8\r\nc=\r\n",
			"1/3 invalid AddrPort 0 65535 0 \n4/3 invalid AddrPort 0 65535 0 \n1/3 invalid AddrPort 0 65535 0 300\n1/3 invalid AddrPort 64000 8 8000 PCMA/8000"},
		{"nothing", "", ""},
		{"nothing but a session", v4, ""},
		{"more streams than are looked at", v4 + strings.Repeat("m=audio 4000 RTP/AVP 0\r\n", mostStreams+1),
			strings.TrimSpace(strings.Repeat("1/3 192.0.2.1:4000 64000 0 8000 PCMU/8000\n", mostStreams))},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := renderFlows(New(Settings{}).readSDP([]byte(test.text))); got != test.want {
				t.Errorf("read\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func renderFlows(flows []flow) string {
	var lines []string
	for _, f := range flows {
		lines = append(lines, fmt.Sprintf("%d/%d %s %d %d %d %s", f.kind, f.direction, f.address, f.rate, f.payload, f.clock, f.codec))
	}
	return strings.Join(lines, "\n")
}

// TestCutSDP checks that the line at which an event had no more room is not
// taken for a whole one.
func TestCutSDP(t *testing.T) {
	text := head("192.0.2.1") + "m=audio 4000 RTP/AVP 0\r\n"
	text += strings.Repeat("a=x:0123456789\r\n", model.MaxCallSDP/16-(len(text)+26)/16)
	text += "m=video 40021 RTP/AVP 31\r\n"
	text = text[:len(text)-len("1 RTP/AVP 31\r\n")]
	text += strings.Repeat(" ", max(0, model.MaxCallSDP-len(text)))
	if got := New(Settings{}).readSDP([]byte(text[:model.MaxCallSDP])); len(got) != 1 {
		t.Errorf("read %s; want the first stream alone", renderFlows(got))
	}
}

// FuzzReadSDP checks that whatever stands in a session description is read,
// and where another parser reads it too, that both see the same streams.
func FuzzReadSDP(f *testing.F) {
	f.Add([]byte(head("192.0.2.1") + description("m=audio 4000 RTP/AVP 0 8", "b=AS:64", "a=sendonly", "m=video 0 RTP/AVP 31")))
	f.Add([]byte(head("0.0.0.0") + description("m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP6 2001:db8::1", "a=rtpmap:111 opus/48000/2", "a=inactive")))
	f.Add([]byte("m=image 5000 udptl t38\r\nc=IN IP4 192.0.2.1/127/3\na=rtpmap:\nb=TIAS:"))
	f.Fuzz(func(t *testing.T, text []byte) {
		flows := New(Settings{}).readSDP(text)
		if len(flows) > mostStreams {
			t.Fatalf("%d streams", len(flows))
		}
		for _, one := range negotiate(flows, flows, upstream) {
			_ = one.describe(upstream, 0).Codec
		}
		var other sdp.SessionDescription
		if len(text) >= model.MaxCallSDP || other.Unmarshal(text) != nil {
			return
		}
		for i, media := range other.MediaDescriptions {
			if i == mostStreams {
				break
			}
			if i == len(flows) {
				t.Fatalf("%q: %d streams; the other parser sees %d", text, len(flows), len(other.MediaDescriptions))
			}
			if port := media.MediaName.Port.Value; port >= 0 && port <= 65535 && int(flows[i].address.Port()) != port {
				t.Errorf("%q: port %d; the other parser sees %d", text, flows[i].address.Port(), port)
			}
		}
	})
}
