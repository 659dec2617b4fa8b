//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/qemu/lab"
	"causeway/qemu/lab/licensed"
)

// summaryFields are those of CUSP's License Summary, in order (L-37).
var summaryFields = []string{
	"Smart License Client State", "Module Serial Number", "Product ID", "Cusp UDI", "Entitlement Tag", "License Server Address",
	"Smart Agent Transport Mode", "Enforcement Mode", "Software ID TAG", "Product ID TAG", "Entitlement Version", "Registration Expiry Date",
	"Next Auth Date", "Evaluation Period(in hrs)", "Entitlement Count Requested", "Is Registration Successful", "Is Authorization Successful",
	"Is Agent Enabled", "Is Evaluation Mode", "Latest Failure Reason", "Http Proxy Address",
}

// TestPagesLicense registers a box at a licence server, by pages alone, and reads
// License Summary while it has its licences, and while there are too few.
func TestPagesLicense(t *testing.T) {
	t.Parallel()
	b := newPagesBox(t, licensedLines)
	server, err := b.LAN2.Licensed(licenseServerAt)
	b.check(err)
	t.Cleanup(func() { server.Stop() })
	b.check(server.SetQuantity(licensed.FirstAccount, cusp5, licensedFor/model.LicenseUnit))
	token, err := server.NewToken(licensed.FirstAccount, day, 1)
	b.check(err)
	v := b.operator("anna", lab.Screen{})

	v.visits("Certificates")
	trust := v.part("Trust an authority")
	trust.chooses("Certificate purpose", string(model.ForLicense))
	trust.fills("Text in PEM", string(server.Root()))
	trust.follows("button", "Upload")
	v.follows("button", "Yes, for "+string(model.ForLicense))
	v.sees("The authorities are trusted")

	v.visits("Smart License")
	register := v.part("Register")
	register.fills("Token", token)
	register.follows("button", "Register")
	v.misses(token)
	v.summary(map[string]string{
		"Smart License Client State": "AUTHORIZED", "Product ID": "CAUSEWAY", "License Server Address": "https://192.168.43.2:8443",
		"Is Registration Successful": "YES", "Is Authorization Successful": "YES", "Is Agent Enabled": "ENABLED", "Is Evaluation Mode": "NO",
		"Entitlement Count Requested": "50", "Latest Failure Reason": "No recent Failure messages", "Http Proxy Address": "Not Set:",
	})

	b.check(server.SetQuantity(licensed.FirstAccount, cusp5, 4))
	v.visits("Smart License")
	renew := v.part("Renew")
	renew.chooses("What", "auth")
	renew.follows("button", "Renew")
	v.summary(map[string]string{"Smart License Client State": "OUT_OF_COMPLIANCE", "Enforcement Mode": "OutOfCompliance", "Is Authorization Successful": "YES"})
	b.audited("anna", "license smart register idtoken")
}

// summary waits until License Summary has those values, and wants all its fields in
// their order.
func (v *visitor) summary(want map[string]string) {
	v.t.Helper()
	v.visits("License Summary")
	var shown [][2]string
	names := func() (names []string) {
		for _, row := range shown {
			names = append(names, row[0])
		}
		return names
	}
	for deadline := time.Now().Add(time.Minute); ; v.opens("/administration/license-summary") {
		var err error
		shown, err = lab.Script[[][2]string](v.ctx, v.Tab, `[...document.querySelectorAll("main dt")].map(dt => [dt.innerText.trim(), dt.nextElementSibling.innerText.trim()])`)
		v.check(err)
		wrong := slices.DeleteFunc(slices.Clone(shown), func(row [2]string) bool { return want[row[0]] == "" || want[row[0]] == row[1] })
		if len(wrong) == 0 && len(shown) >= len(summaryFields) {
			break
		}
		if time.Now().After(deadline) {
			v.t.Fatalf("License Summary has %q; want %q", shown, want)
		}
	}
	if got := names(); !slices.Equal(got[:len(summaryFields)], summaryFields) {
		v.t.Errorf("License Summary has the fields %q; want %q", got, summaryFields)
	}
	if strings.Contains(strings.Join(names(), ""), "\n") {
		v.t.Errorf("License Summary has the fields %q", names())
	}
}
