package license

import (
	"fmt"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// Commands declares how the box gets its licence: the words of IOS, with those
// of the source documents where IOS has none.
func Commands() []config.Command {
	return []config.Command{
		{
			Mode: config.Global, Syntax: "license smart enable", Help: "Have a licence; without one all calls are rejected (default)",
			Apply: func(c *model.Config, _ config.Args) error { c.License.Off = false; return nil },
		},
		{
			Mode: config.Global, Syntax: "no license smart enable", Help: "Have no licence: all calls are rejected",
			Apply:  func(c *model.Config, _ config.Args) error { c.License.Off = true; return nil },
			Render: func(c *model.Config, _ config.Args) []config.Args { return config.When(c.License.Off, config.Args{}) },
		},
		config.Setting("license smart activate cusp", fmt.Sprintf("Calls per second to ask for (default %d)", model.DefaultLicenseCPS),
			config.Argument{Name: "COUNT", Type: count{}, Help: "Calls per second; one licence is 5"}, model.DefaultLicenseCPS,
			func(c *model.Config) *int { return &c.License.CPS }),
		config.Setting("license profile", "What calls meet in the states of the licence",
			config.Argument{Name: "PROFILE", Type: config.Choice{model.LicenseContinuity, model.LicenseStrict, model.LicenseSubscription},
				Help: "Whether calls go on when the authorisation has expired: cccsp-15, they do (default); cusp-9, they do not; ipo-subscription: the subscription governs"},
			model.LicenseContinuity, func(c *model.Config) *string { return &c.License.Profile }),
		config.Setting("license source", "What governs calls",
			config.Argument{Name: "SOURCE", Type: config.Choice{model.SourceSmart, model.SourceCOM, model.SourceBoth},
				Help: "smart: the licence (default); com: the subscription; both: the stricter of the two, with the smaller limit"},
			model.SourceSmart, func(c *model.Config) *string { return &c.License.Source }),
		config.Setting("license smart url", "Address of the licence server",
			config.Argument{Name: "URL", Type: serverURL{}, Help: "As https://licences.example.com"}, "", func(c *model.Config) *string { return &c.License.URL }),
		{
			Mode: config.Global, Syntax: "license smart transport WORD", No: "license smart transport [WORD]",
			Args: []config.Argument{{Name: "WORD", Type: config.Choice{"smart", "off"}, Help: "smart: over HTTPS (default); off: as files, by hand"}},
			Help: "How requests get to the licence server",
			Apply: func(c *model.Config, a config.Args) error {
				c.License.Offline = a.Text("WORD") == "off"
				return nil
			},
			Negate: func(c *model.Config, _ config.Args) error { c.License.Offline = false; return nil },
			Render: func(c *model.Config, _ config.Args) []config.Args {
				return config.When(c.License.Offline, config.Args{"WORD": "off"})
			},
		},
		config.Setting("license smart proxy address", "HTTP proxy on the way to the licence server",
			config.Argument{Name: "HOST", Type: config.Host{}, Help: "Address or host name"}, "", func(c *model.Config) *string { return &c.License.ProxyHost }),
		config.Setting("license smart proxy port", fmt.Sprintf("TCP port of the HTTP proxy (default %d)", model.DefaultLicenseProxyPort),
			config.Argument{Name: "PORT", Type: config.Port, Help: "TCP port"}, model.DefaultLicenseProxyPort, func(c *model.Config) *int { return &c.License.ProxyPort }),
		privacy(),
		config.Setting("license smart reentitle-limit", fmt.Sprintf("Requests for more licences that may fail in a row (default %d)", model.DefaultReentitleLimit),
			config.Argument{Name: "COUNT", Type: config.Integer{Min: 1, Max: 100}, Help: "Requests; with the last one the box is out of compliance"},
			model.DefaultReentitleLimit, func(c *model.Config) *int { return &c.License.ReentitleLimit }),
	}
}

// privacy declares what the server is not told; lines add to each other.
func privacy() config.Command {
	const hostName, version, all = "hostname", "version", "all"
	hide := func(c *model.Config, what string, hidden bool) {
		if what != version {
			c.License.HideHostName = hidden
		}
		if what != hostName {
			c.License.HideVersion = hidden
		}
	}
	return config.Command{
		Mode: config.Global, Syntax: "license smart privacy WORD", No: "license smart privacy [WORD]", Help: "Do not tell the licence server",
		Args:  []config.Argument{{Name: "WORD", Type: config.Choice{hostName, version, all}, Help: "The host name, the version of the firmware, or both"}},
		Apply: func(c *model.Config, a config.Args) error { hide(c, a.Text("WORD"), true); return nil },
		Negate: func(c *model.Config, a config.Args) error {
			hide(c, a.Text("WORD"), false)
			return nil
		},
		Render: func(c *model.Config, _ config.Args) []config.Args {
			switch l := c.License; {
			case l.HideHostName && l.HideVersion:
				return []config.Args{{"WORD": all}}
			case l.HideHostName:
				return []config.Args{{"WORD": hostName}}
			default:
				return config.When(l.HideVersion, config.Args{"WORD": version})
			}
		},
	}
}

// count is a number of calls per second that licences can be bought for: a
// multiple of model.LicenseUnit. Its value is an int.
type count struct{}

// Parse reads a number.
func (count) Parse(word string) (any, error) {
	n, err := config.Integer{Min: model.LicenseUnit, Max: model.LicenseMost}.Parse(word)
	if err != nil {
		return nil, err
	}
	if n.(int)%model.LicenseUnit != 0 {
		return nil, fmt.Errorf("%s is not a multiple of %d: one licence is %d calls per second", word, model.LicenseUnit, model.LicenseUnit)
	}
	return n, nil
}

// Format prints the number.
func (count) Format(value any) string { return fmt.Sprint(value) }

// String gives the range and the step.
func (count) String() string {
	return fmt.Sprintf("<%d-%d,%d>", model.LicenseUnit, model.LicenseMost, model.LicenseUnit)
}

// serverURL is the address of the licence server. Its value is a string without
// a slash at its end.
type serverURL struct{ config.HTTPS }

// Parse reads an address.
func (t serverURL) Parse(word string) (any, error) {
	url, err := t.HTTPS.Parse(word)
	if err != nil {
		return nil, err
	}
	return strings.TrimRight(url.(string), "/"), nil
}
