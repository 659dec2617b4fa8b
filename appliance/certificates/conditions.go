package certificates

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

// The times before the end of a certificate from which on it is an alarm.
var expiries = []struct {
	model.Condition
	before time.Duration
}{
	{model.Condition{Name: alarm.CertificateExpired}, 0},
	{model.Condition{Name: alarm.CertificateExpiresSoon}, 7 * 24 * time.Hour},
	{model.Condition{Name: alarm.CertificateExpires}, 30 * 24 * time.Hour},
}

// Conditions are what should not be: certificates that cannot be used or end, as
// Run has seen it last. One that the box signs for itself is renewed before.
func (s *Store) Conditions() []model.Condition {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conditions
}

// lookAtAll finds the conditions. Those who ask for them do not wait for a disk.
func (s *Store) lookAtAll() {
	var found []model.Condition
	now := s.options.Trusted()
	for _, row := range table {
		p := s.purposes[row.name]
		p.mu.Lock()
		trouble := s.trouble(p)
		id, _ := p.reader.own()
		p.mu.Unlock()
		if trouble != "" {
			found = append(found, model.Condition{Name: alarm.CertificateUnusable, Object: string(row.name), Text: trouble})
		}
		if id == nil || len(id.chain) == 0 {
			continue
		}
		first := slices.MinFunc(id.chain, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
		for _, e := range expiries {
			if !now.Before(first.NotAfter.Add(-e.before)) {
				e.Object, e.Text = string(row.name), fmt.Sprintf("%s ends %s", subjectOf(first), first.NotAfter.UTC().Format(day))
				found = append(found, e.Condition)
				break
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conditions = found
}
