package bench

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"
)

// datagram is an IPv4 packet with an INVITE.
func datagram(from, to uint16, callID string) []byte {
	packet := make([]byte, atPayload)
	binary.BigEndian.PutUint16(packet[atSource:], from)
	binary.BigEndian.PutUint16(packet[atTarget:], to)
	return append(packet, "INVITE sip:a@b SIP/2.0\r\nCall-ID:"+callID+"\r\n\r\n"...)
}

// TestTransit: only the first INVITE of a call counts on each side, and only one
// that was seen come.
func TestTransit(t *testing.T) {
	const proxy = 5060
	watch := &transit{proxy: proxy, arrived: map[string]time.Duration{}}
	for i, packet := range [][]byte{
		datagram(5200, proxy, " a"), // at 0
		datagram(5200, proxy, " b"),
		datagram(5200, proxy, " a"), // repeated
		datagram(proxy, 5100, " b"), // after 2
		datagram(proxy, 5100, " a"), // after 4
		datagram(proxy, 5100, " a"), // repeated
		datagram(5200, proxy, " a"), // too late
		datagram(proxy, 5100, " a"),
		datagram(proxy, 5100, " c"), // of whom nobody knows
		make([]byte, atPayload),     // no Call-ID
	} {
		watch.note(packet, time.Duration(i))
	}
	if want := []time.Duration{2, 4}; !slices.Equal(watch.times, want) {
		t.Errorf("times = %v; want %v", watch.times, want)
	}
}

func TestPercentile(t *testing.T) {
	var hundred []time.Duration
	for n := range 100 {
		hundred = append(hundred, time.Duration(100-n))
	}
	for _, test := range []struct {
		times []time.Duration
		want  time.Duration
	}{{nil, 0}, {[]time.Duration{7}, 7}, {hundred, 99}, {hundred[90:], 10}} {
		if got := percentile(test.times, 99); got != test.want {
			t.Errorf("percentile of %d values = %v; want %v", len(test.times), got, test.want)
		}
	}
}

// TestSIPString: the better Kamailio counts, and the ratios are those of the
// figures beside them.
func TestSIPString(t *testing.T) {
	billing := Cost{Calls: 10, CPU: 3 * time.Millisecond}
	got := SIP{
		Rate: 500, Workers: 1, Billing: &billing,
		Ours:     Cost{Calls: 10, CPU: time.Millisecond, MemoryKB: 100, P99: 300 * time.Microsecond},
		Kamailio: Cost{Calls: 10, CPU: 2 * time.Millisecond, MemoryKB: 200, P99: 600 * time.Microsecond, Retransmissions: 4},
	}.String()
	const want = `rate=500
cpu_us_per_call_ours=100
cpu_us_per_call_kamailio=200
cpu_ratio=0.50
mem_ratio=0.50
p99_ms_ours=0.300
p99_ms_kamailio=0.600
retransmissions_ours=0
retransmissions_kamailio=4
kamailio_workers=1
cpu_us_per_call_billing=300
cpu_ratio_billing=1.50
`
	if got != want {
		t.Errorf("String() =\n%s\nwant\n%s", got, want)
	}
}
