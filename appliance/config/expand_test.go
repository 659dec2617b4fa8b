package config

import (
	"fmt"
	"slices"
	"testing"
)

func TestExpand(t *testing.T) {
	lan := argument("LAN", Choice{"LAN1", "LAN2"})
	metric := Argument{Name: "METRIC", Type: Integer{1, 255}, Help: "Lowest wins", Default: 1}
	v, err := NewVocabulary([]Form{
		{"show version", nil, "What runs"},
		{"show ip route [LAN]", []Argument{lan}, "Routes"},
		{"show ip dns", nil, "Name servers"},
		{"shutdown", nil, "Stop"},
		{"ip route ADDRESS LAN [METRIC]", []Argument{argument("ADDRESS", IPv4{}), lan, metric}, "Add a route"},
		{"no ip route ADDRESS", []Argument{argument("ADDRESS", IPv4{})}, "Add a route"},
		{"description TEXT", []Argument{argument("TEXT", Line{})}, "Describe"},
		{"peers PEER...", []Argument{argument("PEER", IPv4{})}, "Peers"},
		{"ping HOST [size OCTETS] [repeat COUNT [fast]] [LAN] [quiet] [reason TEXT]", []Argument{
			argument("HOST", Host{}), argument("OCTETS", Integer{1, 9}), argument("COUNT", Integer{1, 9}), lan, argument("TEXT", Line{}),
		}, "Ping"},
	}, Words{"show": "Show", "ip": "IP things", "no": "Undo"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		line, prefix string
		want         []string
		complete     bool
		fault        string
	}{
		{"", "", []string{"description: Describe", "ip: IP things", "no: Undo", "peers: Peers", "ping: Ping", "show: Show", "shutdown: Stop"}, false, ""},
		{"sh", "sh", []string{"show: Show", "shutdown: Stop"}, false, ""},
		{"SHUT", "SHUT", []string{"shutdown: Stop"}, true, ""},
		{"shutdown ", "", nil, true, ""},
		{"show ", "", []string{"ip: ", "version: What runs"}, false, ""},
		{"show ip r ", "", []string{"LAN1: A value", "LAN2: A value"}, true, ""},
		{"show ip r lan", "lan", []string{"LAN1: A value", "LAN2: A value"}, false, ""},
		{"ip", "ip", []string{"ip: IP things"}, false, ""},
		{"no ", "", []string{"ip: IP things"}, false, ""},
		{"ip route ", "", []string{"<A.B.C.D>: A value"}, false, ""},
		{"ip route 10.", "10.", []string{"<A.B.C.D>: A value"}, false, ""},
		{"ip route 10.0.0.0 lan1 ", "", []string{"<<1-255>>: Lowest wins (default 1)"}, true, ""},
		{"peers 192.0.2.1 ", "", []string{"<A.B.C.D>: A value"}, true, ""},
		{"ping a repeat 2 ", "", []string{"fast: ", "quiet: ", "reason: ", "size: ", "LAN1: A value", "LAN2: A value"}, true, ""},
		{"ping a repeat 2 fast ", "", []string{"quiet: ", "reason: ", "size: ", "LAN1: A value", "LAN2: A value"}, true, ""},
		{"ping a quiet reason ", "", []string{"<LINE>: A value"}, false, ""},
		{"ping a lan2 reason x quiet ", "x quiet ", []string{"<LINE>: A value"}, true, ""},
		{"ping a size 2 size", "size", nil, false, `"ping a size 2 size": size does not fit: repeat or {LAN1|LAN2} or quiet or reason is expected`},
		{"description ", "", []string{"<LINE>: A value"}, false, ""},
		{"description two wo", "two wo", []string{"<LINE>: A value"}, true, ""},
		{"sh version", "version", nil, false, `"sh version": sh is ambiguous: show, shutdown`},
		{"show clock", "clock", nil, false, `"show clock": clock does not fit: version or ip is expected`},
		{"shutdown now", "now", nil, false, `"shutdown now": nothing is expected here, not now`},
		{"ip route 10.0.0.0 lan3 1", "1", nil, false, `"ip route 10.0.0.0 lan3 1": lan3 is not one of {LAN1|LAN2}`},
		{"show\x00", "", nil, false, `"show\x00": a character that cannot be printed`},
	} {
		got := v.Expand(test.line)
		var choices []string
		for _, c := range got.Choices {
			if c.Value {
				c.Word = "<" + c.Word + ">"
			}
			choices = append(choices, c.Word+": "+c.Help)
		}
		fault := ""
		if got.Fault != nil {
			fault = got.Fault.Error()
		}
		if !slices.Equal(choices, test.want) || got.Complete != test.complete || fault != test.fault ||
			got.Fault == nil && got.Prefix != test.prefix {
			t.Errorf("Expand(%q) = %q %q complete %v, %s; want %q %q complete %v, %s",
				test.line, got.Prefix, choices, got.Complete, fault, test.prefix, test.want, test.complete, test.fault)
		}
	}
}

func ExampleVocabulary_Expand() {
	v, err := NewVocabulary([]Form{{"interval SECONDS", []Argument{{Name: "SECONDS", Type: Integer{10, 20}, Help: "Time between two"}}, "Set the interval"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range v.Expand("interval ").Choices {
		fmt.Println(c.Word, c.Help)
	}
	// Output: <10-20> Time between two
}
