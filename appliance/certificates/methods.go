package certificates

import (
	"context"

	"causeway/appliance/link"
	"causeway/appliance/model"
)

// What sessions and control say to each other, as control.certificates.NAME.
type (
	// Request names a purpose, and who asks.
	Request struct {
		Purpose  model.Purpose  `json:"purpose"`
		Operator model.Operator `json:"operator"`
	}
	// GenerateRequest asks for a key.
	GenerateRequest struct {
		Request
		Kind KeyKind `json:"kind"`
	}
	// Generated is the answer.
	Generated struct {
		InTPM bool `json:"in_tpm"`
	}
	// EnrollRequest asks for a certificate request, or for a certificate that
	// the box signs for itself.
	EnrollRequest struct {
		Request
		Wanted
		SignSelf bool `json:"sign_self"`
	}
	// Enrolled is the answer.
	Enrolled struct {
		PEM         string       `json:"pem"`         // the request
		Certificate *Certificate `json:"certificate"` // or what is in force now
	}
	// ImportRequest brings what was issued.
	ImportRequest struct {
		Request
		Text     []byte `json:"text"`     // PEM
		Previous bool   `json:"previous"` // instead: the one from before
	}
	// TrustRequest brings authorities.
	TrustRequest struct {
		Request
		Text []byte `json:"text"`
	}
	// DistrustRequest names an authority by the beginning of its fingerprint.
	DistrustRequest struct {
		Request
		Digits string `json:"digits"`
	}
)

// Methods are what sessions may ask.
func (s *Store) Methods() link.Methods {
	return link.Methods{
		"control.certificates.status": func(_ context.Context, r Request) (Status, error) { return s.Status(r.Purpose) },
		"control.certificates.generate": link.ForOperators(func(_ context.Context, r GenerateRequest) (Generated, error) {
			inTPM, err := s.Generate(r.Purpose, r.Kind)
			return Generated{inTPM}, s.note("a key waits for its certificate", r.Request, err)
		}),
		"control.certificates.enroll": link.ForOperators(func(_ context.Context, r EnrollRequest) (answer Enrolled, err error) {
			if !r.SignSelf {
				answer.PEM, err = s.Request(r.Purpose, r.Wanted)
				return answer, err
			}
			certificate, err := s.SignSelf(r.Purpose, r.Wanted)
			return Enrolled{Certificate: &certificate}, s.note("the box has signed its own certificate", r.Request, err, "sha256", certificate.SHA256)
		}),
		"control.certificates.import": link.ForOperators(func(_ context.Context, r ImportRequest) (certificate Certificate, err error) {
			if r.Previous {
				certificate, err = s.Previous(r.Purpose)
			} else {
				certificate, err = s.Import(r.Purpose, r.Text)
			}
			return certificate, s.note("a certificate was imported", r.Request, err, "subject", certificate.Subject, "sha256", certificate.SHA256)
		}),
		"control.certificates.trust": link.ForOperators(func(_ context.Context, r TrustRequest) ([]Certificate, error) {
			added, err := s.Trust(r.Purpose, r.Text)
			return added, s.note("authorities are trusted", r.Request, err, "added", len(added))
		}),
		"control.certificates.distrust": link.ForOperators(func(_ context.Context, r DistrustRequest) (Certificate, error) {
			removed, err := s.Distrust(r.Purpose, r.Digits)
			return removed, s.note("an authority is not trusted any more", r.Request, err, "subject", removed.Subject, "sha256", removed.SHA256)
		}),
		"control.certificates.zeroize": link.ForOperators(func(_ context.Context, r Request) (struct{}, error) {
			return struct{}{}, s.note("key and certificate were zeroized", r, s.Zeroize(r.Purpose))
		}),
	}
}

// note logs who has changed what, unless that failed, and has Run look again.
func (s *Store) note(what string, r Request, err error, about ...any) error {
	if err != nil {
		return err
	}
	s.options.Log.Info(what, append([]any{"purpose", r.Purpose, "by", r.Operator}, about...)...)
	s.wake()
	return nil
}

// wake has Run look again.
func (s *Store) wake() {
	select {
	case s.kick <- struct{}{}:
	default: // it looks anyway
	}
}
