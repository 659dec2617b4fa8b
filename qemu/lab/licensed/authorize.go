package licensed

import (
	"errors"
	"fmt"
	"time"

	"causeway/appliance/license/ela"
)

// What an authorisation says of times.
const (
	authorized     = 90 * day       // from start_date (L-25)
	authRenewAfter = 30 * day       // L-22
	authRetryAfter = 12 * time.Hour // while out of compliance (L-65)
)

// mostLicenses is how many one box may ask for.
const mostLicenses = 1_000_000

// authorize is Mother May I (L-41).
type authorize struct{ ela.Authorize }

func (m *authorize) common() ela.Common { return m.Common }
func (m *authorize) instanceID() string { return m.Instance }

func (m *authorize) check() error {
	switch {
	case m.Instance == "":
		return errNoInstanceID
	case m.SigningSerial == "":
		return errors.New("there is no signing_cert_sn")
	case len(m.Entitlements) == 0:
		return errors.New("there are no entitlements")
	}
	for _, e := range m.Entitlements {
		if e.Count < 0 || e.Count > mostLicenses {
			return fmt.Errorf("entitlement %s: count %d: want 0 to %d", e.Tag, e.Count, mostLicenses)
		}
	}
	return checkUDI(m.UDI)
}

// answer notes what the box asks for, then says whether the account has as much
// for all of its boxes. What is asked for counts even when it has not (L-11).
func (m *authorize) answer(t *turn) (any, error) {
	if err := t.sameBox(m.UDI); err != nil {
		return nil, err
	}
	s, i := &t.server.state, t.instance
	a, err := s.account(i.VirtualAccount)
	if err != nil {
		return nil, err
	}
	i.HostName, i.Agent, i.LastContact = m.HostName, m.Agent, t.now
	clear(i.Licenses)
	for _, e := range m.Entitlements {
		if name, known := licensedProduct(e.Tag); known {
			i.Licenses[name] += e.Count
		}
	}
	answer := &ela.Authorized{
		Answered:      t.opening(),
		Start:         t.now,
		Compliance:    ela.InCompliance,
		Expiry:        int64(authorized / time.Second),
		RenewInterval: int64(authRenewAfter / time.Second),
		RetryInterval: int64(authRetryAfter / time.Second),
	}
	for _, e := range m.Entitlements {
		status := ela.InCompliance
		if name, known := licensedProduct(e.Tag); !known {
			status = ela.InvalidTag
		} else if s.inUse(a, name, t.now) > a.Quantities[name] {
			status = ela.OutOfCompliance
		}
		answer.Entitlements = append(answer.Entitlements, ela.Entitled{Tag: e.Tag, Count: e.Count, Status: status})
		answer.Compliance = worse(answer.Compliance, status)
	}
	return answer, nil
}

// worse is the one of two statuses that governs.
func worse(a, b string) string {
	for _, status := range []string{ela.InvalidTag, ela.OutOfCompliance} {
		if a == status || b == status {
			return status
		}
	}
	return ela.InCompliance
}
