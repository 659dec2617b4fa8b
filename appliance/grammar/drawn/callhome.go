package drawn

import (
	"cmp"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

var (
	emailAddress = rapid.OneOf(rapid.Just(""), someEmail)
	someEmail    = rapid.StringMatching(`[a-z][a-z0-9+_-]{0,9}@[a-z]{1,8}(\.example\.com)?`)
	someID       = rapid.StringMatching(`([!-~]{1,64})?`)
	sentence     = rapid.StringMatching(`([A-Za-z"'é][ -~é]{0,40}[!-~é])?`)
	httpsURL     = rapid.SampledFrom([]string{"", "https://a", "https://192.0.2.1:8443/b/c/", "https://[2001:db8::1]"})
)

// drawCallHome draws what the vendor is told. Mail servers are there where
// something goes by e-mail.
func drawCallHome(t *rapid.T, c *model.Config) {
	h := &c.CallHome
	h.Mode = rapid.SampledFrom([]string{"", model.CallHomeNone, model.CallHomeDisabled, model.CallHomeAnonymous}).Draw(t, "mode of Call Home")
	h.Accepted = rapid.Bool().Draw(t, "agreement")
	h.ContactEmail = emailAddress.Draw(t, "contact")
	h.ContactName = rapid.StringMatching(`([A-Za-z0-9._-]{1,128})?`).Draw(t, "its name")
	h.Company, h.StreetAddress, h.Phone = sentence.Draw(t, "company"), sentence.Draw(t, "street address"), sentence.Draw(t, "phone")
	h.ContractUser, h.CustomerID, h.ContractID, h.SiteID = someID.Draw(t, "user of the contract"), someID.Draw(t, "customer"), someID.Draw(t, "contract"), someID.Draw(t, "site")
	h.URL, h.Email = httpsURL.Draw(t, "URL of the vendor"), emailAddress.Draw(t, "e-mail address of the vendor")
	h.Format = rapid.SampledFrom([]string{"", model.CallHomeJSON}).Draw(t, "format for the vendor")
	h.Traces = h.Mode != model.CallHomeAnonymous && rapid.Bool().Draw(t, "traces")
	h.From, h.ReplyTo = emailAddress.Draw(t, "sender"), emailAddress.Draw(t, "reply to")
	if rapid.Bool().Draw(t, "HTTPS proxy") {
		h.ProxyHost, h.ProxyPort = comName.Filter(func(s string) bool { return s != "" }).Draw(t, "HTTPS proxy"), int(port.Draw(t, "its port"))
	}
	transports := []string{""}
	if h.ProxyHost != "" {
		transports = append(transports, model.CallHomeProxy)
	}
	drawMailServers(t, h)
	if len(h.MailServers) > 0 {
		transports = append(transports, model.CallHomeEmail)
		h.Copies = rapid.SliceOfNDistinct(someEmail, 0, 4, rapid.ID).Draw(t, "copies")
	}
	h.Transport = rapid.SampledFrom(transports).Draw(t, "transport")
	for _, name := range slices.Sorted(slices.Values(rapid.SliceOfNDistinct(rapid.StringMatching(`[A-Z0-9._-]{1,31}`), 0, 3, rapid.ID).Draw(t, "profiles"))) {
		h.Profiles = append(h.Profiles, callHomeProfile(t, name, len(h.MailServers) > 0))
	}
}

func drawMailServers(t *rapid.T, h *model.CallHome) {
	hosts := rapid.SliceOfNDistinct(rapid.OneOf(label, rapid.SampledFrom([]string{"192.0.2.1", "2001:db8::1"})), 0, 5, strings.ToLower).Draw(t, "mail servers")
	for _, host := range hosts {
		s := model.MailServer{
			Host: host, Port: rapid.SampledFrom([]int{0, 1, 65535}).Draw(t, "port"), Priority: rapid.IntRange(1, 100).Draw(t, "priority"),
			Security: rapid.SampledFrom([]string{"", model.MailTLS, model.MailPlain}).Draw(t, "security"),
		}
		if s.Security != model.MailPlain && rapid.Bool().Draw(t, "asks for a password") {
			s.User, s.Password = rapid.StringMatching(`[!-~]{1,40}`).Draw(t, "user"), Sealed
		}
		h.MailServers = append(h.MailServers, s)
	}
	slices.SortStableFunc(h.MailServers, func(a, b model.MailServer) int { return cmp.Compare(a.Priority, b.Priority) })
}

func callHomeProfile(t *rapid.T, name string, mail bool) model.CallHomeProfile {
	p := model.CallHomeProfile{Name: name, Off: rapid.Bool().Draw(t, "inactive")}
	formats := []string{"", model.CallHomeXML, model.CallHomeJSON}
	if mail && rapid.Bool().Draw(t, "by e-mail") {
		p.Emails = rapid.SliceOfNDistinct(someEmail, 1, 4, rapid.ID).Draw(t, "addresses")
		formats = append(formats, model.CallHomeLong, model.CallHomeShort)
	} else if p.URL = httpsURL.Draw(t, "URL"); p.URL == "" {
		p.Off = true
	}
	p.Format = rapid.SampledFrom(formats).Draw(t, "format")
	for _, group := range slices.Sorted(slices.Values(rapid.SliceOfNDistinct(rapid.SampledFrom(model.CallHomeGroups()), 0, 4, rapid.ID).Draw(t, "groups"))) {
		s := model.CallHomeSubscription{Group: group}
		if group != model.GroupInventory && group != model.GroupTelemetry && group != model.GroupConfiguration {
			s.Severity = rapid.SampledFrom([]model.Severity{"", model.Critical, model.Major, model.Minor, model.Warning}).Draw(t, "severity")
		}
		p.Groups = append(p.Groups, s)
	}
	return p
}
