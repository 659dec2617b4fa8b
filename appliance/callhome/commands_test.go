package callhome

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

const (
	sealed = "sealed:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	// server is the line of a mail server, which all needs that goes by e-mail.
	server = " mail-server mail.example.com priority 10\n"
)

// parse reads lines of the mode.
func parse(t *testing.T, lines string) (*config.Grammar, *model.Config, error) {
	t.Helper()
	g, err := config.New(Commands())
	if err != nil {
		t.Fatal(err)
	}
	c, err := g.Parse("call-home\n" + lines)
	return g, c, err
}

// TestCommands types lines and looks at what they make, and how it is printed.
func TestCommands(t *testing.T) {
	for _, test := range []struct {
		typed   string
		want    model.CallHome
		printed string // empty: as typed
	}{
		{" mode none\n", model.CallHome{Mode: model.CallHomeNone}, ""},
		{" mode disabled\n", model.CallHome{Mode: model.CallHomeDisabled}, ""},
		{" mode anonymous\n", model.CallHome{Mode: model.CallHomeAnonymous}, ""},
		{" mode anonymous\n mode smart\n", model.CallHome{}, "-"},
		{" mode anonymous\n no mode\n", model.CallHome{}, "-"},
		{" eula accept\n", model.CallHome{Accepted: true}, ""},
		{" eula accept\n no eula accept\n", model.CallHome{}, "-"},
		{
			" contact-email-addr noc@example.com\n contact-name A.B_c-9\n company Example \"& Sons\" é\n street-address 1 Example Street, Springfield\n phone-number +1 555 0100\n" +
				" contract-user-id user1\n customer-id c/1\n contract-id k1\n site-id s1\n",
			model.CallHome{
				ContactEmail: "noc@example.com", ContactName: "A.B_c-9", Company: `Example "& Sons" é`, StreetAddress: "1 Example Street, Springfield", Phone: "+1 555 0100",
				ContractUser: "user1", CustomerID: "c/1", ContractID: "k1", SiteID: "s1",
			}, "",
		},
		{" contact-email-addr noc@example.com\n no contact-email-addr\n", model.CallHome{}, "-"},
		{
			" destination url https://callhome.example.com/in/\n destination email in@callhome.example.com\n format json\n include-traces\n",
			model.CallHome{URL: "https://callhome.example.com/in/", Email: "in@callhome.example.com", Format: model.CallHomeJSON, Traces: true}, "",
		},
		{
			" transport https-proxy\n http-proxy proxy.example.com port 3128\n",
			model.CallHome{Transport: model.CallHomeProxy, ProxyHost: "proxy.example.com", ProxyPort: 3128}, "",
		},
		{" transport email\n" + server, model.CallHome{Transport: model.CallHomeEmail, MailServers: []model.MailServer{{Host: "mail.example.com", Priority: 10}}}, ""},
		{
			" copy-email-addr a@example.com,b@example.com\n" + server + " sender from box@example.com\n sender reply-to noc@example.com\n",
			model.CallHome{
				Copies: []string{"a@example.com", "b@example.com"}, MailServers: []model.MailServer{{Host: "mail.example.com", Priority: 10}},
				From: "box@example.com", ReplyTo: "noc@example.com",
			}, "",
		},
		{
			" mail-server 192.0.2.1 priority 7\n mail-server a.example.com port 2525 security tls username u password " + sealed + " priority 3\n" +
				" mail-server b.example.com security none priority 7\n mail-server c.example.com priority 1\n no mail-server c.example.com\n",
			model.CallHome{MailServers: []model.MailServer{
				{Host: "a.example.com", Port: 2525, Security: model.MailTLS, User: "u", Password: sealed, Priority: 3},
				{Host: "192.0.2.1", Priority: 7},
				{Host: "b.example.com", Security: model.MailPlain, Priority: 7},
			}},
			" mail-server a.example.com port 2525 security tls username u password " + sealed + " priority 3\n" +
				" mail-server 192.0.2.1 priority 7\n mail-server b.example.com security none priority 7\n",
		},
		{ // the same server again takes the place of itself
			" mail-server a priority 1\n mail-server b priority 1\n mail-server A port 26 priority 1\n mail-server b priority 9\n mail-server c priority 5\n",
			model.CallHome{MailServers: []model.MailServer{{Host: "A", Port: 26, Priority: 1}, {Host: "c", Priority: 5}, {Host: "b", Priority: 9}}},
			" mail-server A port 26 priority 1\n mail-server c priority 5\n mail-server b priority 9\n",
		},
		{
			server + " profile noc\n  destination email b@example.com\n  destination email a@example.com\n  format long-text\n  subscribe-to-alert-group crash severity minor\n" +
				"  subscribe-to-alert-group inventory\n  exit\n profile lab\n  no active\n  destination url https://lab.example.com\n  exit\n",
			model.CallHome{
				MailServers: []model.MailServer{{Host: "mail.example.com", Priority: 10}},
				Profiles: []model.CallHomeProfile{
					{Name: "lab", Off: true, URL: "https://lab.example.com"},
					{
						Name: "noc", Emails: []string{"b@example.com", "a@example.com"}, Format: model.CallHomeLong,
						Groups: []model.CallHomeSubscription{{Group: model.GroupCrash, Severity: model.Minor}, {Group: model.GroupInventory}},
					},
				},
			},
			server + " profile lab\n  no active\n  destination url https://lab.example.com\n  exit\n profile noc\n  destination email b@example.com\n  destination email a@example.com\n" +
				"  format long-text\n  subscribe-to-alert-group crash severity minor\n  subscribe-to-alert-group inventory\n  exit\n",
		},
		{" profile a\n  no active\n  active\n  exit\n no profile a\n", model.CallHome{}, "-"},
		{" company Example\n exit\nno call-home\n", model.CallHome{}, "-"},
	} {
		g, c, err := parse(t, test.typed)
		if err != nil {
			t.Errorf("Parse(%q) = %v; want no error", test.typed, err)
			continue
		}
		want := ""
		if test.printed == "" {
			test.printed = test.typed
		}
		if test.printed != "-" {
			want = "call-home\n" + test.printed + " exit\n"
		}
		got := strings.ReplaceAll(g.Render(c), " !\n", "")
		if diff := cmp.Diff(test.want, c.CallHome, cmpopts.EquateEmpty()); diff != "" || got != want {
			t.Errorf("Parse(%q) is printed as\n%s\nwant\n%s\n(-want +got):\n%s", test.typed, got, want, diff)
		}
	}
}

// TestRules are those of CH-T4 and the bounds of our own: at the bound a line is
// taken, above it is refused, and the error has the line and the rule.
func TestRules(t *testing.T) {
	long := func(n int) string { return strings.Repeat("é", n) } // characters, not octets
	list := func(n int) (all string) {                           // that many characters
		for _, name := range "abcd" {
			all += strings.Repeat(string(name), 198) + "@e,"
		}
		return all + strings.Repeat("e", n-len(all)-2) + "@e"
	}
	several := func(n int, line string) (all string) {
		for i := range n {
			all += fmt.Sprintf(line, i)
		}
		return all
	}
	profile := func(lines string) string { return " profile p\n" + lines }
	for _, test := range []struct{ name, good, bad, line, rule string }{
		{"company", " company " + long(255), " company " + long(256), "company " + long(256), "it has 256 characters, more than 255"},
		{"contact name", " contact-name " + strings.Repeat("n", 128), " contact-name " + strings.Repeat("n", 129), "contact-name " + strings.Repeat("n", 129), "1 to 128 letters, digits, dots, hyphens and underscores"},
		{"characters of a contact name", " contact-name a.b_c-D9", " contact-name a+b", "contact-name a+b", "letters, digits, dots, hyphens and underscores"},
		{"blank in a contact name", " contact-name Ann.Example", " contact-name Ann Example", "contact-name Ann Example", "nothing is expected here"},
		{"street address", " street-address " + long(1024), " street-address " + long(1025), "street-address " + long(1025), "it has 1025 characters, more than 1024"},
		{"tab in an address", " street-address a b", " street-address a\tb", "street-address a\tb", "there is a tab in it"},
		{"control character in an address", " street-address a", " street-address a\x1bb", "street-address a\x1bb", "cannot be printed"},
		{"carriage return in a company", " company a", " company a\rBcc: b@example.com", "company a\rBcc: b@example.com", "cannot be printed"},
		{"phone", " phone-number " + long(64), " phone-number " + long(65), "phone-number " + long(65), "it has 65 characters, more than 64"},
		{"customer ID", " customer-id " + strings.Repeat("c", 64), " customer-id " + strings.Repeat("c", 65), "customer-id " + strings.Repeat("c", 65), "more than 64 octets"},
		{"e-mail address", " contact-email-addr " + strings.Repeat("a", 60) + "@" + domain(193), " contact-email-addr " + strings.Repeat("a", 61) + "@" + domain(193), "contact-email-addr " + strings.Repeat("a", 61) + "@" + domain(193), "more than 254 octets"},
		{"name beside an address", " contact-email-addr a@example.com", " contact-email-addr Ann<a@example.com>", "contact-email-addr Ann<a@example.com>", "a character in it that has no place there"},
		{"blank in an address", " sender from a@example.com", " sender from a b@example.com", "sender from a b@example.com", "it is no e-mail address"},
		{"line feed in an address", " sender from a@example.com", " sender from a@example.com\u2028Bcc:b@example.com", "sender from a@example.com\u2028Bcc:b@example.com", "cannot be printed"},
		{"copies", server + " copy-email-addr " + list(1024), server + " copy-email-addr " + list(1025), "copy-email-addr " + list(1025), "has more than 1024 characters"},
		{"copies twice", server + " copy-email-addr a@b,c@d", server + " copy-email-addr a@b,a@b", "copy-email-addr a@b,a@b", "a@b is twice"},
		{"copies without mail", server + " copy-email-addr a@b", " copy-email-addr a@b", "copy-email-addr a@b", "there is no mail-server"},
		{"e-mail without mail", server + " transport email", " transport email", "transport email", "there is no mail-server"},
		{"profile without mail", server + profile("  destination email a@b"), profile("  destination email a@b"), "destination email a@b", "there is no mail-server"},
		{"proxy", " transport https-proxy\n http-proxy p port 1", " transport https-proxy", "transport https-proxy", "there is no http-proxy"},
		{"proxy's port", " http-proxy p port 65535", " http-proxy p", "http-proxy p", "port is expected"},
		{"traces", " include-traces", " mode anonymous\n include-traces", "include-traces", "are not sent in mode anonymous"},
		{"URL", " destination url https://a", " destination url http://a", "destination url http://a", "it does not begin with https://"},
		{"password in a URL", " destination url https://a", " destination url https://u:p@a", "destination url https://u:p@a", "more than a host, a port and a path"},
		{"mail servers", several(5, " mail-server m%d priority 1\n"), several(6, " mail-server m%d priority 1\n"), "mail-server m5 priority 1", "no more than 5 mail servers"},
		{"mail server unknown", server, server + " no mail-server b", "no mail-server b", "there is no mail server b"},
		{"priority", " mail-server m priority 100", " mail-server m priority 101", "mail-server m priority 101", "not between 1 and 100"},
		{
			"password in the clear", " mail-server m security tls username u password " + sealed + " priority 1", " mail-server m security none username u password " + sealed + " priority 1",
			"mail-server m security none username u password " + sealed + " priority 1", "a password is not sent in the clear",
		},
		{"profiles", several(8, " profile p%d\n  no active\n  exit\n"), several(9, " profile p%d\n  no active\n  exit\n"), "profile p8", "no more than 8 profiles"},
		{"profile's name", " profile " + strings.Repeat("p", 31) + "\n  no active", " profile " + strings.Repeat("p", 32), "profile " + strings.Repeat("p", 32), "1 to 31 letters"},
		{"profile vendor", profile("  no active"), " profile vendor", "profile vendor", "vendor is always there"},
		{"profile copies", profile("  no active"), " profile copies", "profile copies", "copies is always there"},
		{"profile unknown", profile("  no active\n  exit\n no profile p"), " no profile p", "no profile p", "there is no profile p"},
		{"profile to nowhere", profile("  no active"), profile("  active"), "profile p", "has no destination url or email"},
		{"profile both ways", server + profile("  destination email a@b"), server + profile("  destination url https://a\n  destination email a@b"), "destination email a@b", "not both"},
		{
			"profile's addresses", server + profile(several(50, "  destination email a%d@b\n")), server + profile(several(51, "  destination email a%d@b\n")),
			"destination email a50@b", "no more than 50 addresses",
		},
		{"profile's address unknown", profile("  no active"), profile("  no destination email a@b"), "no destination email a@b", "not an address of this profile"},
		{"text over HTTPS", profile("  destination url https://a\n  format json"), profile("  destination url https://a\n  format short-text"), "format short-text", "short-text goes by e-mail"},
		{
			"severity of an inventory", profile("  no active\n  subscribe-to-alert-group crash severity major"), profile("  no active\n  subscribe-to-alert-group inventory severity major"),
			"subscribe-to-alert-group inventory severity major", "messages of inventory have no severity",
		},
		{"group unknown", profile("  no active\n  subscribe-to-alert-group clock"), profile("  subscribe-to-alert-group weather"), "subscribe-to-alert-group weather", "weather is not one of"},
		{
			"group not subscribed", profile("  no active\n  subscribe-to-alert-group clock\n  no subscribe-to-alert-group clock"), profile("  no subscribe-to-alert-group clock"),
			"no subscribe-to-alert-group clock", "does not get clock",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, _, err := parse(t, test.good); err != nil {
				t.Errorf("Parse(%q) = %v; want no error", test.good, err)
			}
			_, _, err := parse(t, test.bad)
			var fault *config.Error
			if !errors.As(err, &fault) || fault.Text != test.line || fault.Line < 2 || !strings.Contains(fault.Rule, test.rule) {
				t.Errorf("Parse(%q) = %v; want %q refused: %s", test.bad, err, test.line, test.rule)
			}
		})
	}
}

// domain is one of so many characters, of which labels have 63 at the most.
func domain(n int) string {
	var b strings.Builder
	for n > 63 {
		b.WriteString(strings.Repeat("d", 60) + ".")
		n -= 61
	}
	return b.String() + strings.Repeat("d", n)
}

// TestPasswordIsWithheld: errors about a mail server do not tell its password.
func TestPasswordIsWithheld(t *testing.T) {
	const secret = "planted-secret"
	g, err := config.New(Commands())
	if err != nil {
		t.Fatal(err)
	}
	key, err := config.NewBoxKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	c := &model.Config{}
	line := "mail-server m username u password " + secret + " priority 1"
	if _, fault := g.Sealing(key).Edit(c, []string{"call-home"}, line); fault != nil {
		t.Fatal(fault)
	}
	if stored := c.CallHome.MailServers[0].Password; !strings.HasPrefix(stored, "sealed:") || strings.Contains(g.Render(c), secret) {
		t.Errorf("the password is stored as %q", stored)
	}
	if opened, err := key.Open(c.CallHome.MailServers[0].Password); err != nil || opened != secret {
		t.Errorf("Open = %q, %v; want the password", opened, err)
	}
	if shown := withoutPasswords(c.CallHome); shown.MailServers[0].Password != "" || c.CallHome.MailServers[0].Password == "" {
		t.Errorf("shown is %+v of %+v; want no password there, and it kept", shown.MailServers, c.CallHome.MailServers)
	}
	if text := g.Withhold(c, "proxy"); strings.Contains(text, c.CallHome.MailServers[0].Password) {
		t.Errorf("the proxy is told\n%s", text)
	}
}
