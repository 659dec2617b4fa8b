package logging

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

func grammar(t interface{ Fatal(...any) }) *config.Grammar {
	g, err := config.New(Commands())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestCommands(t *testing.T) {
	five := strings.Join([]string{"logging host 192.0.2.1", "logging host 192.0.2.2", "logging host 192.0.2.3", "logging host 192.0.2.4", ""}, "\n")
	for _, test := range []struct{ text, want string }{
		{"logging host 192.0.2.1", "logging host 192.0.2.1\n"},
		{"logging host 192.0.2.1 udp port 514 level informational", "logging host 192.0.2.1\n"},
		{"logging host logs.example.net tcp port 601", "logging host logs.example.net tcp\n"},
		{"logging host logs.example.net tls level err", "logging host logs.example.net tls level errors\n"},
		{"logging host logs.example.net tls port 514", "logging host logs.example.net tls port 514\n"},
		{"logging host 192.0.2.1 tcp\nlogging host 192.0.2.1 level debug", "logging host 192.0.2.1 level debugging\n"},
		{"logging host 192.0.2.1\nlogging host 192.0.2.2\nno logging host 192.0.2.1", "logging host 192.0.2.2\n"},
		{"logging host 192.0.2.1 tcp level errors\nno logging host 192.0.2.1 tcp level errors", ""},
		{five + "no logging host", ""},
		{five + "logging host 192.0.2.5", "there can be no more than 4 syslog servers"},
		{five + "no logging host 192.0.2.5", "192.0.2.5 is not a syslog server"},
		{"logging host 192.0.2.1 port 0", "0 is not between 1 and 65535"},
		{"logging host 192.0.2.1 port 65536", "65536 is not between 1 and 65535"},
		{"logging host 192.0.2.256", "192.0.2.256 is neither an IP address nor a host name"},
	} {
		g := grammar(t)
		c, err := g.Parse(test.text)
		var got string
		var faults config.Errors
		if err == nil {
			got = g.Render(c)
		} else if errors.As(err, &faults) {
			got = faults[0].Rule
		}
		if got != test.want {
			t.Errorf("%q gives %q; want %q", test.text, got, test.want)
		}
	}
}

// TestParseRender: every configuration is printed so that it is read as it was.
func TestParseRender(t *testing.T) {
	g := grammar(t)
	rapid.Check(t, func(t *rapid.T) {
		want := &model.Config{}
		want.Logging.Servers = rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) model.LogServer {
			return model.LogServer{
				Host:      rapid.SampledFrom([]string{"192.0.2.1", "2001:db8::1", "logs", "tcp", "port", "logs.example.net"}).Draw(t, "host"),
				Transport: rapid.SampledFrom([]string{"udp", "tcp", "tls"}).Draw(t, "transport"),
				Port:      rapid.OneOf(rapid.IntRange(1, 65535), rapid.SampledFrom([]int{514, 601, 6514})).Draw(t, "port"),
				Level:     rapid.IntRange(0, 7).Draw(t, "level"),
			}
		}), -1, serversMax, func(s model.LogServer) string { return s.Host }).Draw(t, "servers")
		got, err := g.Parse(g.Render(want))
		if err != nil {
			t.Fatalf("Parse(%s) = %v", g.Render(want), err)
		}
		if len(want.Logging.Servers) == 0 {
			want.Logging.Servers = nil
		}
		if diff := cmp.Diff(want.Logging, got.Logging); diff != "" {
			t.Errorf("Parse(%s) (-want +got):\n%s", g.Render(want), diff)
		}
	})
}
