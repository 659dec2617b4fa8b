package clock

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

func TestCommands(t *testing.T) {
	g, err := config.New(Commands())
	if err != nil {
		t.Fatal(err)
	}
	var many strings.Builder
	for i := range serversMax + 1 {
		fmt.Fprintf(&many, "ntp server 192.0.2.%d\n", i+1)
	}
	servers := func(list ...string) model.Config { return model.Config{TimeServers: list} }
	zone := func(z model.TimeZone) model.Config { return model.Config{Time: model.Time{Zone: z}} }
	for _, test := range []struct {
		text, wantErr string
		want          model.Config
	}{
		{text: "ntp server time.google.com", want: servers("time.google.com")},
		{text: "ntp server 192.0.2.1\nntp server 2001:db8::1\nntp server 192.0.2.1", want: servers("192.0.2.1", "2001:db8::1")},
		{text: "ntp server a\nntp server b prefer", want: model.Config{TimeServers: []string{"a", "b"}, Time: model.Time{Prefer: "b"}}},
		{text: "ntp server a prefer\nntp server b prefer\nntp server a", want: model.Config{TimeServers: []string{"a", "b"}, Time: model.Time{Prefer: "b"}}},
		{text: "ntp server a prefer\nntp server a", want: servers("a")},
		{text: "ntp server a prefer\nntp server b\nno ntp server a", want: servers("b")},
		{text: "ntp server a prefer\nntp server b\nno ntp server"},
		{text: "ntp off", want: model.Config{Time: model.Time{Disabled: true}}},
		{text: "ntp off\nntp on"},
		{text: many.String(), wantErr: `line 9: "ntp server 192.0.2.9": there can be no more than 8 NTP servers`},
		{text: "ntp server 192.0.2.256", wantErr: `line 1: "ntp server 192.0.2.256": 192.0.2.256 is neither an IP address nor a host name`},
		{text: "no ntp server a", wantErr: `line 1: "no ntp server a": a is not an NTP server`},
		{text: "ntp server time.google.com\nntp server a", wantErr: `line 2: "ntp server a": time.google.com smears a leap second from noon to noon ` +
			`and a does not smear leap seconds: their times differ by up to a second around a leap second (NET-13)`},
		{text: "clock timezone Europe/Berlin", want: zone(model.TimeZone{Name: "Europe/Berlin"})},
		{text: "clock timezone asia/kolkata", want: zone(model.TimeZone{Name: "Asia/Kolkata"})},
		{text: "clock timezone US/Pacific", want: zone(model.TimeZone{Name: "US/Pacific"})},
		{text: "clock timezone EST -5", want: zone(model.TimeZone{Name: "EST", Fixed: true, Minutes: -300})},
		{text: "clock timezone NST -3 30", want: zone(model.TimeZone{Name: "NST", Fixed: true, Minutes: -210})},
		{text: "clock timezone UTC 0", want: zone(model.TimeZone{Name: "UTC", Fixed: true})},
		{text: "clock timezone UTC"},
		{text: "clock timezone Europe/Berlin\nno clock timezone"},
		{text: "clock timezone Europe/Bern", wantErr: `line 1: "clock timezone Europe/Bern": the IANA database has no time zone Europe/Bern; give its hours from UTC to define one`},
		{text: "clock timezone Local", wantErr: `line 1: "clock timezone Local": Local is not the name of a time zone, such as Europe/Berlin`},
		{text: "clock timezone ../etc", wantErr: `line 1: "clock timezone ../etc": ../etc is not the name of a time zone, such as Europe/Berlin`},
		{text: "clock timezone X 14 30", wantErr: `line 1: "clock timezone X 14 30": an offset is between -12 and 14 hours`},
		{text: "clock timezone X 15", wantErr: `line 1: "clock timezone X 15": 15 is not between -12 and 14`},
	} {
		c, err := g.Parse(test.text)
		if test.wantErr != "" {
			if err == nil || err.Error() != test.wantErr {
				t.Errorf("Parse(%q) = %v; want %s", test.text, err, test.wantErr)
			}
			continue
		}
		if err != nil {
			t.Errorf("Parse(%q) = %v", test.text, err)
		} else if diff := cmp.Diff(test.want.Time, c.Time); diff != "" || fmt.Sprint(c.TimeServers) != fmt.Sprint(test.want.TimeServers) {
			t.Errorf("Parse(%q) = %v, time (-want +got):\n%s", test.text, c.TimeServers, diff)
		} else if again, err := g.Parse(g.Render(c)); err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("Parse(Render) of %q = %v, %v", test.text, again, err)
		}
	}
}
