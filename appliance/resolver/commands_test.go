package resolver

import (
	"net/netip"
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
		{text: "ip name-server 8.8.8.8", want: []string{"8.8.8.8"}},
		{text: "ip name-server 192.0.2.1 2001:db8::1\nip name 192.0.2.1", want: []string{"192.0.2.1", "2001:db8::1"}},
		{text: "ip name-server 192.0.2.1 192.0.2.2 192.0.2.3\nno ip name-server 192.0.2.2", want: []string{"192.0.2.1", "192.0.2.3"}},
		{text: "ip name-server 192.0.2.1 192.0.2.2\nno ip name-server"},
		{text: "ip name-server 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5",
			wantErr: `line 1: "ip name-server 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5": there can be no more than 4 name servers`},
		{text: "ip name-server 0.0.0.0", wantErr: `line 1: "ip name-server 0.0.0.0": 0.0.0.0 is not the address of a host`},
		{text: "ip name-server", wantErr: `line 1: "ip name-server": the line is not complete: ADDRESS (A.B.C.D|X:X::X) is expected`},
		{text: "no ip name-server 192.0.2.1", wantErr: `line 1: "no ip name-server 192.0.2.1": 192.0.2.1 is not a name server`},
	} {
		c, err := g.Parse(test.text)
		if test.wantErr != "" {
			if err == nil || err.Error() != test.wantErr {
				t.Errorf("Parse(%q) = %v; want %s", test.text, err, test.wantErr)
			}
			continue
		}
		if err != nil {
			t.Errorf("Parse(%q) = %v; want no error", test.text, err)
			continue
		}
		var want []netip.Addr
		for _, s := range test.want {
			want = append(want, netip.MustParseAddr(s))
		}
		if !slices.Equal(c.NameServers, want) {
			t.Errorf("Parse(%q) = %v; want %v", test.text, c.NameServers, want)
		}
	}
}
