package drawn

import (
	"slices"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// drawCOM draws the link to COM, beside the names that drawDNS draws. It comes
// after drawAccess, as it names a group.
func drawCOM(t *rapid.T, c *model.Config) {
	com := &c.COM
	com.CustomerID = rapid.StringMatching(`([!-~]{1,64})?`).Draw(t, "customer ID")
	com.Server = comName.Draw(t, "subscription server")
	com.Off = rapid.Bool().Draw(t, "shut down")
	com.Secondary = rapid.Bool().Draw(t, "secondary")
	com.ProxyHost = comName.Draw(t, "proxy of COM")
	com.ProxyPort = rapid.SampledFrom([]int{0, 1, 65535}).Draw(t, "its port")
	com.HeartbeatSeconds = rapid.SampledFrom([]int{0, 10, 300}).Draw(t, "heartbeat")
	com.TLS13 = rapid.Bool().Draw(t, "TLS 1.3")
	com.GraceEnd = rapid.SampledFrom([]string{"", model.GraceEndsCalls}).Draw(t, "grace end")
	com.Services = slices.Sorted(slices.Values(rapid.SliceOfDistinct(rapid.SampledFrom(model.COMServices()), rapid.ID).Draw(t, "services")))
	groups := []string{"", model.GroupReadOnly}
	for _, g := range c.Access.Groups {
		groups = append(groups, g.Name)
	}
	com.Group = rapid.SampledFrom(groups).Draw(t, "group of COMAdmin")
	for _, name := range slices.Sorted(slices.Values(rapid.SliceOfNDistinct(name, 0, 3, rapid.ID).Draw(t, "operators of COM"))) {
		com.Operators = append(com.Operators, model.COMOperator{Name: name, Key: rapid.SampledFrom(publicKeys).Draw(t, "key of "+name)})
	}
}
