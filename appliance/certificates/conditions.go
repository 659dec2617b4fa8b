package certificates

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

// mark is a time before the end of a certificate from which on that is an alarm.
type mark struct {
	model.Condition
	before time.Duration
}

// The marks of the box's own certificates and those of authorities, the worst
// first.
var (
	ownMarks = []mark{
		{model.Condition{Name: alarm.CertificateExpired}, 0},
		{model.Condition{Name: alarm.CertificateExpiresSoon}, 7 * 24 * time.Hour},
		{model.Condition{Name: alarm.CertificateExpires}, 30 * 24 * time.Hour},
	}
	authorityMarks = []mark{
		{model.Condition{Name: alarm.AuthorityExpired}, 0},
		{model.Condition{Name: alarm.AuthorityExpires}, 30 * 24 * time.Hour},
	}
)

// ending are the conditions of certificates of a purpose, no more than one a mark:
// that of the certificate which ends first.
func ending(marks []mark, purpose model.Purpose, what string, certificates []*x509.Certificate, now time.Time) (found []model.Condition) {
	for _, c := range slices.SortedFunc(slices.Values(certificates), func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }) {
		i := slices.IndexFunc(marks, func(m mark) bool { return !now.Before(c.NotAfter.Add(-m.before)) })
		if i < 0 {
			break
		}
		e := marks[i].Condition
		if !slices.ContainsFunc(found, func(f model.Condition) bool { return f.Name == e.Name }) {
			e.Object, e.Text = string(purpose), fmt.Sprintf("%s%s ends %s", what, subjectOf(c), c.NotAfter.UTC().Format(day))
			found = append(found, e)
		}
	}
	return found
}

// Conditions are what should not be: certificates that cannot be used or end, and
// authorities that do, as Run has seen it last. One that the box signs for itself is renewed before.
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
		authorities, _ := p.reader.trusted()
		p.mu.Unlock()
		if trouble != "" {
			found = append(found, model.Condition{Name: alarm.CertificateUnusable, Object: string(row.name), Text: trouble})
		}
		// One authority that has ended must not hide that another will; of the box's
		// own chain the end of one is the end of all.
		found = append(found, ending(authorityMarks, row.name, "authority ", authorities, now)...)
		if id != nil && len(id.chain) > 0 {
			first := slices.MinFunc(id.chain, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
			found = append(found, ending(ownMarks, row.name, "", []*x509.Certificate{first}, now)...)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conditions = found
}
