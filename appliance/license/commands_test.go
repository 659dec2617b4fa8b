package license

import (
	"testing"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// TestCommands types lines and looks at what they make and how it is printed.
func TestCommands(t *testing.T) {
	g, err := config.New(Commands())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		typed, printed string
		want           model.License
	}{
		{"", "", model.License{}},
		{"license smart enable\n", "", model.License{}},
		{"no license smart enable\n", "no license smart enable\n", model.License{Off: true}},
		{"no license smart enable\nlicense smart enable\n", "", model.License{}},
		{"license smart activate cusp 10\n", "", model.License{}},
		{"lic sm act cusp 10000\n", "license smart activate cusp 10000\n", model.License{CPS: 10_000}},
		{"license smart activate cusp 15\nno license smart activate cusp\n", "", model.License{}},
		{"license profile cccsp-15\n", "", model.License{}},
		{"license profile cusp-9\n", "license profile cusp-9\n", model.License{Profile: model.LicenseStrict}},
		{"license profile ipo-subscription\n", "license profile ipo-subscription\n", model.License{Profile: model.LicenseSubscription}},
		{"license source both\n", "license source both\n", model.License{Source: model.SourceBoth}},
		{"license source com\nlicense source smart\n", "", model.License{}},
		{"license smart url https://192.0.2.1:8443/x/\n", "license smart url https://192.0.2.1:8443/x\n", model.License{URL: "https://192.0.2.1:8443/x"}},
		{"license smart transport off\n", "license smart transport off\n", model.License{Offline: true}},
		{"license smart transport off\nlicense smart transport smart\n", "", model.License{}},
		{
			"license smart proxy port 3128\nlicense smart proxy address p.example\n",
			"license smart proxy address p.example\n!\nlicense smart proxy port 3128\n",
			model.License{ProxyHost: "p.example", ProxyPort: 3128},
		},
		{"license smart proxy port 8080\n", "", model.License{}},
		{"license smart privacy hostname\nlicense smart privacy version\n", "license smart privacy all\n", model.License{HideHostName: true, HideVersion: true}},
		{"license smart privacy all\nno license smart privacy hostname\n", "license smart privacy version\n", model.License{HideVersion: true}},
		{"license smart privacy all\nno license smart privacy\n", "", model.License{}},
		{"license smart reentitle-limit 3\n", "license smart reentitle-limit 3\n", model.License{ReentitleLimit: 3}},
	} {
		c, err := g.Parse(test.typed)
		if err != nil {
			t.Errorf("Parse(%q) = %v; want no error", test.typed, err)
			continue
		}
		if got := g.Render(c); c.License != test.want || got != test.printed {
			t.Errorf("Parse(%q) = %+v, printed as %q; want %+v, %q", test.typed, c.License, got, test.want, test.printed)
		}
	}
}
