package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/appliance/storage/files"
	"causeway/appliance/storage/remote"
)

// What sessions and control say to each other, as control.backup.NAME.
type (
	// Status is the answer of control.backup.status.
	Status struct {
		Passphrase bool      `json:"passphrase"` // one is configured
		Recipients int       `json:"recipients"`
		Schedule   string    `json:"schedule"` // in words; empty: none
		Next       time.Time `json:"next"`     // zero: none is to come
		Failure    Failure   `json:"failure"`
		Made       []Made    `json:"made"` // those that are whole, oldest first
	}

	// NowRequest asks for a backup. Without a place it goes where the schedule
	// says, or to harddisk:/backup; without a passphrase those open it that the
	// configuration names; without a login the one of the schedule counts.
	NowRequest struct {
		Operator   model.Operator `json:"operator"`
		To         string         `json:"to"`
		Login      remote.Login   `json:"login"`
		Passphrase string         `json:"passphrase"`
	}

	// HostRequest asks whether the box knows how another system is logged in to.
	HostRequest struct {
		Place files.Place `json:"place"`
	}
	// Host is the answer.
	Host struct {
		Known bool `json:"known"` // the schedule goes there as the same user
	}

	// ReadRequest asks what a backup holds.
	ReadRequest struct {
		Operator model.Operator `json:"operator"`
		From     string         `json:"from"`
		Login    remote.Login   `json:"login"`
		Secret   string         `json:"secret"` // passphrase or private key; empty: tell the kind only
	}
	// Opened is the answer. Files come without their content.
	Opened struct {
		Kind     Kind      `json:"kind"`
		SHA256   string    `json:"sha256"`   // of the file
		Manifest *Manifest `json:"manifest"` // nil without a secret
	}

	// RestoreRequest asks for what was read.
	RestoreRequest struct {
		ReadRequest
		SHA256       string `json:"sha256"`
		Certificates bool   `json:"certificates"` // them, too
	}
	// Restored is the answer. With faults nothing is changed.
	Restored struct {
		Lines        int                 `json:"lines"` // of the configuration
		Faults       []Fault             `json:"faults"`
		Certificates []CertificateResult `json:"certificates"`
	}
	// Fault is what is wrong with a line, without its text.
	Fault struct {
		Line   int    `json:"line"`
		Column int    `json:"column"`
		Rule   string `json:"rule"`
	}
	// CertificateResult tells of one file of certificates.
	CertificateResult struct {
		Name    string `json:"name"`    // "sip/identity.pem"
		Problem string `json:"problem"` // empty: it is in force
	}
)

// Methods are what sessions may ask.
func (s *Service) Methods() link.Methods {
	return link.Methods{
		"control.backup.status":  link.ForOperators(s.status),
		"control.backup.host":    link.ForOperators(s.host),
		"control.backup.now":     link.ForOperators(s.now),
		"control.backup.read":    link.ForOperators(s.read),
		"control.backup.restore": link.ForOperators(s.restore),
	}
}

func (s *Service) status(context.Context, struct{}) (Status, error) {
	b, st := s.options.Configuration.InForce().Config.Backup, s.snapshot()
	answer := Status{
		Passphrase: b.Passphrase != "", Recipients: len(b.Recipients),
		Schedule: describe(b.Schedule), Failure: st.Failure,
	}
	if answer.Schedule != "" {
		answer.Next = next(b.Schedule, s.options.Now())
	}
	for _, m := range st.Made {
		if m.Size > 0 && s.mayBeThere(m) {
			answer.Made = append(answer.Made, m)
		}
	}
	return answer, nil
}

// mayBeThere says whether a backup may still be where it was put. On a volume
// that is there a look tells.
func (s *Service) mayBeThere(m Made) bool {
	p, err := files.ParsePlace(m.Dir)
	if err != nil || p.IsRemote() {
		return err == nil
	}
	file, err := p.Path.Join(m.Name)
	if err != nil {
		return false
	}
	_, err = s.options.Files.Stat(file)
	return !errors.Is(err, fs.ErrNotExist)
}

func (s *Service) now(ctx context.Context, r NowRequest) (Made, error) {
	return s.makeFor(ctx, r.Operator.String(), r)
}

// known is how the schedule logs in, if it goes there and as the same user.
func (s *Service) known(p files.Place) (remote.Login, error) {
	b := s.options.Configuration.InForce().Config.Backup.Schedule
	to, err := files.ParsePlace(b.To)
	if err != nil || to.Host.User != p.Host.User || to.Host.Address != p.Host.Address {
		return remote.Login{}, fmt.Errorf("how to log in at %s is not configured", p.Host.Address)
	}
	password, err := s.options.Key.Open(b.Password)
	if err != nil {
		return remote.Login{}, fmt.Errorf("the password for backups: %w", err)
	}
	return remote.Login{Password: password, HostKey: b.HostKey}, nil
}

func (s *Service) host(_ context.Context, r HostRequest) (Host, error) {
	_, err := s.known(r.Place)
	return Host{err == nil}, nil
}
