package resolver

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/config"
)

func TestNameServerCommand(t *testing.T) {
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
		{text: "ip name-server 0.0.0.0", wantErr: `line 1: "ip name-server 0.0.0.0": 0.0.0.0 is not the address of another host`},
		{text: "ip name-server 127.0.0.1", wantErr: `line 1: "ip name-server 127.0.0.1": 127.0.0.1 is not the address of another host`},
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

func TestHostCommands(t *testing.T) {
	g, err := config.New(Commands())
	if err != nil {
		t.Fatal(err)
	}
	full := strings.Builder{}
	for i := range hostsMax {
		fmt.Fprintf(&full, "ip host h%d 192.0.2.1\n", i)
	}
	for _, test := range []struct {
		text, want string // the rendered configuration, or the rule
	}{
		{"ip host PBX.Example.COM 192.0.2.1 2001:db8::1 192.0.2.1", "ip host pbx.example.com 192.0.2.1 2001:db8::1\n"},
		{"ip host a 192.0.2.1\nip host b 192.0.2.2\nip host A 192.0.2.3", "ip host a 192.0.2.3\nip host b 192.0.2.2\n"},
		{"ip host a 192.0.2.1\nip host b 192.0.2.2\nno ip host A", "ip host b 192.0.2.2\n"},
		{"no ip host a", "a is not a static host"},
		{"ip host 192.0.2.9 192.0.2.1", "192.0.2.9 is an address, not a name"},
		{"ip host a 224.0.0.1", "224.0.0.1 is not the address of a host"},
		{"ip host a" + strings.Repeat(" 192.0.2.1", 9), "ip host a 192.0.2.1\n"},
		{"ip host a 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7 192.0.2.8 192.0.2.9", "a host can have no more than 8 addresses"},
		{full.String() + "ip host h0 192.0.2.1", full.String()},
		{full.String() + "ip host another 192.0.2.1", "there can be no more than 64 static hosts"},
		{"com domain Admin.UK1.Avaya-Sub.com\ncom file-store files.example.com", "com domain admin.uk1.avaya-sub.com\n!\ncom file-store files.example.com\n"},
		{"com domain a.example.com\ncom domain avaya-sub.com\ncom file-store b.example.com\nno com file-store", ""},
		{"com domain 192.0.2.1", "192.0.2.1 is an address, not a name"},
	} {
		c, err := g.Parse(test.text)
		if err != nil {
			if !strings.HasSuffix(err.Error(), test.want) || test.want == "" {
				t.Errorf("Parse(%q) = %v; want %s", test.text, err, test.want)
			}
			continue
		}
		if got := g.Render(c); strings.ReplaceAll(got, "!\n", "") != strings.ReplaceAll(test.want, "!\n", "") {
			t.Errorf("Parse(%q) is %q; want %q", test.text, got, test.want)
		}
	}
}
