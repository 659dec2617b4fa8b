package grammar_test

import (
	"fmt"
	"strings"
	"testing"

	"causeway/appliance/grammar"
)

// full is a configuration with as many routes and listen points as there can be.
func full() string {
	var text strings.Builder
	text.WriteString("lan LAN1\n ip address 10.255.255.1 255.255.255.0\n exit\n")
	for i := range 1024 {
		fmt.Fprintf(&text, "ip route 172.16.%d.%d 255.255.255.255 10.255.255.2 LAN1\n", i/256, i%256)
	}
	for n := range 64 {
		fmt.Fprintf(&text, "sip network n%d\n", n)
		for l := range 64 {
			fmt.Fprintf(&text, "sip listen n%d udp 10.0.%d.%d 5060\n", n, n, l)
		}
		fmt.Fprintf(&text, "sip next-hop n%d udp 192.0.2.%d 5060 n%d\n", n, n, n)
	}
	return text.String()
}

func TestBounds(t *testing.T) {
	g := grammar.All()
	if _, err := g.Parse(full()); err != nil {
		t.Fatalf("Parse of a full configuration = %v; want no error", err)
	}
	for line, want := range map[string]string{
		"ip route 172.31.0.0 255.255.0.0 10.255.255.2 LAN1": "there can be no more than 1024 routes",
		"sip network another":                               "there can be no more than 64 SIP networks",
		"sip listen n7 udp 192.0.2.99 5061":                 "network n7 can listen on no more than 64 addresses",
	} {
		if _, err := g.Parse(full() + line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse of a full configuration and %q = %v; want %s", line, err, want)
		}
	}
}

func BenchmarkLoadFull(b *testing.B) {
	g, text := grammar.All(), full()
	for b.Loop() {
		if _, aside, faults := g.Load(text); len(aside)+len(faults) > 0 {
			b.Fatal(faults)
		}
	}
	b.ReportMetric(float64(strings.Count(text, "\n")), "lines/op")
}

func BenchmarkAll(b *testing.B) {
	for b.Loop() {
		grammar.All()
	}
}
