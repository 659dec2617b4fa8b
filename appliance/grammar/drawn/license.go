package drawn

import (
	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// license draws how the box gets its licence.
func license(t *rapid.T) model.License {
	l := model.License{
		Off:            rapid.Bool().Draw(t, "unlicensed"),
		CPS:            rapid.SampledFrom([]int{0, 5, 15, model.LicenseMost}).Draw(t, "calls per second"),
		Profile:        rapid.SampledFrom([]string{"", model.LicenseStrict, model.LicenseSubscription}).Draw(t, "profile"),
		URL:            rapid.SampledFrom([]string{"", "https://a", "https://192.0.2.1:8443/b/c", "https://[2001:db8::1]"}).Draw(t, "server"),
		Offline:        rapid.Bool().Draw(t, "offline"),
		ProxyPort:      rapid.SampledFrom([]int{0, 1, 65535}).Draw(t, "proxy's port"),
		HideHostName:   rapid.Bool().Draw(t, "hide the host name"),
		HideVersion:    rapid.Bool().Draw(t, "hide the version"),
		Source:         rapid.SampledFrom([]string{"", model.SourceCOM, model.SourceBoth}).Draw(t, "source"),
		ReentitleLimit: rapid.SampledFrom([]int{0, 1, 100}).Draw(t, "limit of re-entitlement"),
	}
	if rapid.Bool().Draw(t, "proxy") {
		l.ProxyHost = label.Draw(t, "proxy")
	}
	return l
}
