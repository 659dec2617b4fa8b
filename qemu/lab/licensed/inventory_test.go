package licensed

import (
	"testing"
	"time"
)

// TestInventory is the view of L-33, and its alerts.
func TestInventory(t *testing.T) {
	w := newWorld(t, Options{})
	if err := w.SetQuantity(FirstAccount, "CUSP-5", 30); err != nil {
		t.Fatal(err)
	}
	b := newBox(w, "FHK1234ABcd")
	b.register()
	b.authorize(216)
	for _, row := range []struct {
		later time.Duration
		want  string
	}{
		{0, `Virtual Account: LAB

1 Major | 0 Minor | Hide...

License                  Quantity  In Use  Surplus (+) / Shortage (-)  Alerts                 Actions
CUSP-5 calls per second  30        216     -186                        Insufficient Licenses  Transfer...

Showing 1 Record
`},
		{31 * day, `Virtual Account: LAB

1 Major | 1 Minor | Hide...

License                  Quantity  In Use  Surplus (+) / Shortage (-)  Alerts                 Actions
CUSP-5 calls per second  30        216     -186                        Insufficient Licenses  Transfer...

Showing 1 Record
`},
		// 90 days without a word, and the licences are released.
		{91 * day, `Virtual Account: LAB

0 Major | 1 Minor | Hide...

License                  Quantity  In Use  Surplus (+) / Shortage (-)  Alerts  Actions
CUSP-5 calls per second  30        0       +30                                 Transfer...

Showing 1 Record
`},
	} {
		if err := w.AdvanceClock(row.later); err != nil {
			t.Fatal(err)
		}
		inventory, err := w.Inventory(FirstAccount)
		if got := inventory.String(); err != nil || got != row.want {
			t.Errorf("inventory =\n%s%v; want\n%s", got, err, row.want)
		}
	}
	if err := w.AddAccount("Example", "CUSP TEST"); err != nil {
		t.Fatal(err)
	}
	inventory, err := w.Inventory("CUSP TEST")
	const empty = "Virtual Account: CUSP TEST\n\n0 Major | 0 Minor | Hide...\n\n" +
		"License  Quantity  In Use  Surplus (+) / Shortage (-)  Alerts  Actions\n\nShowing 0 Records\n"
	if got := inventory.String(); err != nil || got != empty {
		t.Errorf("inventory = %q, %v; want %q", got, err, empty)
	}
}

// TestTags finds products in tags.
func TestTags(t *testing.T) {
	for _, row := range []struct {
		tag   string
		want  string
		known bool
	}{
		{entitlementTag, "CUSP-5", true},
		{"regid.2014-08.com.cisco.CUSP-5,1.0_8f106f12-4d11-44b7-8f36-f7aeaae3dfaa", "CUSP-5", true},
		{softwareTag, "CUSP", false},
		{"regid.2026-11.com.example.CUSP-5", "", false},
		{"regid.2026-11.com.example.CUSP-5,", "", false},
		{"CUSP-5,1.0", "", false},
		{"", "", false},
	} {
		if got, known := licensedProduct(row.tag); got != row.want || known != row.known {
			t.Errorf("licensedProduct(%q) = %q, %v; want %q, %v", row.tag, got, known, row.want, row.known)
		}
	}
}
