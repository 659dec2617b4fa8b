package clock

import (
	"slices"
	"testing"

	"causeway/appliance/config"
)

func TestCommands(t *testing.T) {
	g, err := config.New(Commands())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		text, wantErr string
		want          []string
	}{
		{text: "ntp server time.google.com", want: []string{"time.google.com"}},
		{text: "ntp server 192.0.2.1\nntp server 2001:db8::1\nntp server 192.0.2.1", want: []string{"192.0.2.1", "2001:db8::1"}},
		{text: "ntp server a\nntp server b\nno ntp server a", want: []string{"b"}},
		{text: "ntp server a\nntp server b\nno ntp server"},
		{text: "ntp server a\nntp server b\nntp server c\nntp server d\nntp server e",
			wantErr: `line 5: "ntp server e": there can be no more than 4 NTP servers`},
		{text: "ntp server 192.0.2.256", wantErr: `line 1: "ntp server 192.0.2.256": 192.0.2.256 is neither an IP address nor a host name`},
		{text: "no ntp server a", wantErr: `line 1: "no ntp server a": a is not an NTP server`},
	} {
		c, err := g.Parse(test.text)
		if test.wantErr != "" {
			if err == nil || err.Error() != test.wantErr {
				t.Errorf("Parse(%q) = %v; want %s", test.text, err, test.wantErr)
			}
			continue
		}
		if err != nil || !slices.Equal(c.TimeServers, test.want) {
			t.Errorf("Parse(%q) = %+v, %v; want %v", test.text, c, err, test.want)
		}
	}
}
