package licensed

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// catalogue are the products that there are licences of, with what the
// inventory calls them.
var catalogue = map[string]string{
	"CUSP-5": "CUSP-5 calls per second",
}

// splitTag finds the product in a tag as "regid.YYYY-MM.domain.PRODUCT,version_uuid".
func splitTag(tag string) (product string, ok bool) {
	id, version, ok := strings.Cut(tag, ",")
	if !ok || version == "" || !strings.HasPrefix(id, "regid.") {
		return "", false
	}
	return id[strings.LastIndexByte(id, '.')+1:], true
}

// licensedProduct finds the product in an entitlement tag, if it is in the catalogue.
func licensedProduct(tag string) (product string, known bool) {
	product, ok := splitTag(tag)
	_, known = catalogue[product]
	return product, ok && known
}

// After that long without a word an instance has failed to renew, and after
// longer its licences are released.
const (
	renewAfter   = 30 * day
	releaseAfter = 90 * day
)

// Inventory is what a virtual account has and what its boxes ask for (L-33).
type Inventory struct {
	VirtualAccount string `json:"virtual_account"`
	Major          int    `json:"major"` // licences of which there are too few
	Minor          int    `json:"minor"` // instances that have failed to renew
	Licenses       []Row  `json:"licenses"`
}

// Row is one licence of an inventory.
type Row struct {
	License  string `json:"license"`
	Quantity int    `json:"quantity"`
	InUse    int    `json:"in_use"`  // the sum of what is configured (L-30), not of calls
	Surplus  int    `json:"surplus"` // negative: shortage
	Alerts   string `json:"alerts"`
}

// Inventory gives that of a virtual account.
func (s *Server) Inventory(virtualAccount string) (Inventory, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.state.account(virtualAccount)
	if err != nil {
		return Inventory{}, err
	}
	inventory := Inventory{VirtualAccount: a.Name, Licenses: []Row{}}
	for _, name := range slices.Sorted(maps.Keys(catalogue)) {
		row := Row{License: catalogue[name], Quantity: a.Quantities[name], InUse: s.state.inUse(a, name, s.now())}
		row.Surplus = row.Quantity - row.InUse
		if row.Surplus < 0 {
			row.Alerts = "Insufficient Licenses"
			inventory.Major++
		}
		if row.Quantity != 0 || row.InUse != 0 {
			inventory.Licenses = append(inventory.Licenses, row)
		}
	}
	for _, i := range s.state.Instances {
		if i.VirtualAccount == a.Name && i.Status == Active && s.now().Sub(i.LastContact) > renewAfter {
			inventory.Minor++
		}
	}
	return inventory, nil
}

// inUse is how many licences of the product the boxes of an account ask for.
func (s *state) inUse(a *account, product string, now time.Time) int {
	sum := 0
	for _, i := range s.Instances {
		if i.VirtualAccount == a.Name && i.Status == Active && now.Sub(i.LastContact) <= releaseAfter {
			sum += i.Licenses[product]
		}
	}
	return sum
}

// String is the view of the portal.
func (v Inventory) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "Virtual Account: %s\n\n%d Major | %d Minor | Hide...\n\n", v.VirtualAccount, v.Major, v.Minor)
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "License\tQuantity\tIn Use\tSurplus (+) / Shortage (-)\tAlerts\tActions")
	for _, row := range v.Licenses {
		surplus := "0"
		if row.Surplus != 0 {
			surplus = fmt.Sprintf("%+d", row.Surplus)
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\tTransfer...\n", row.License, row.Quantity, row.InUse, surplus, row.Alerts)
	}
	table.Flush()
	plural := "s"
	if len(v.Licenses) == 1 {
		plural = ""
	}
	fmt.Fprintf(&text, "\nShowing %d Record%s\n", len(v.Licenses), plural)
	return text.String()
}
