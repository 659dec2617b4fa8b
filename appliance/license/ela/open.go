package ela

import (
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4/json"
)

// Last is what was authorised before.
type Last struct {
	Seq   uint64    // of the last answer that was taken
	Start time.Time // its start_date
}

// The bounds of what a server may say.
const (
	startSlack  = 5 * time.Minute                // that a start_date may be before the last
	maxExpiry   = (90 + 1) * 24 * 60 * 60        // seconds
	maxInterval = int64(10 * 365 * 24 * 60 * 60) // seconds; more is a mistake of units (L-61)
)

// OpenRegistered believes the answer to a registration or to the renewal of an
// ID certificate, or says why not. A first registration brings the signing
// certificates itself; they must lead to a root as those that are known.
func (t Trust) OpenRegistered(answer []byte, o Outstanding) (r Registered, v Verified, err error) {
	s, err := parse(answer)
	if err != nil {
		return Registered{}, Verified{}, err
	}
	var peek struct { // not verified
		SigningPEM string `json:"signing_cert_pem"`
	}
	if err := json.Unmarshal(s.payload, &peek); err != nil {
		return Registered{}, Verified{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	brought, err := ParseCertificates(peek.SigningPEM)
	if err != nil {
		return Registered{}, Verified{}, fmt.Errorf("%w: signing_cert_pem: %w", ErrMalformed, err)
	}
	known := slices.Concat(t.Signing, brought)
	if v, err = t.verify(s, known); err == nil {
		err = accept(s.payload, o, &r, &r.Answered, TypeRegister, TypeRenewID)
	}
	if err == nil {
		err = t.checkRegistered(r, o, known)
	}
	if err != nil {
		return Registered{}, Verified{}, err
	}
	return r, v, nil
}

// OpenAuthorized believes the answer to Mother May I, or says why not.
func (t Trust) OpenAuthorized(answer []byte, o Outstanding, last Last) (a Authorized, v Verified, err error) {
	s, err := parse(answer)
	if err != nil {
		return Authorized{}, Verified{}, err
	}
	if v, err = t.verify(s, t.Signing); err == nil {
		err = accept(s.payload, o, &a, &a.Answered, TypeAuthorize)
	}
	if err == nil {
		err = a.check(last)
	}
	if err != nil {
		return Authorized{}, Verified{}, err
	}
	return a, v, nil
}

// OpenGone believes the answer to a deregistration, or says why not.
func (t Trust) OpenGone(answer []byte, o Outstanding) (g Gone, v Verified, err error) {
	s, err := parse(answer)
	if err != nil {
		return Gone{}, Verified{}, err
	}
	if v, err = t.verify(s, t.Signing); err == nil {
		err = accept(s.payload, o, &g, &g.Answered, TypeDeregister)
	}
	if err != nil {
		return Gone{}, Verified{}, err
	}
	return g, v, nil
}

// accept reads a payload whose signature is right and holds it against the
// request, which must be of one of these types. a is the Answered within message.
func accept(payload []byte, o Outstanding, message any, a *Answered, types ...string) error {
	if err := json.Unmarshal(payload, message); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var critical struct {
		Names []string `json:"crit"` // that must be understood
	}
	if err := json.Unmarshal(payload, &critical); err != nil || len(critical.Names) > 0 {
		return fmt.Errorf("%w: it has members that this firmware does not know (crit)", ErrMalformed)
	}
	switch {
	case !slices.Contains(types, o.Type) || a.Type != exchanges[o.Type].answer:
		return fmt.Errorf("%w: %q to %q", ErrType, a.Type, o.Type)
	case o.CNonce == "" || a.CNonce != o.CNonce:
		return ErrNonce
	case o.SHA256 == "" || a.RequestSHA256 != o.SHA256:
		return ErrHash
	case a.Seq != o.Seq:
		return fmt.Errorf("%w: %d in place of %d", ErrSequence, a.Seq, o.Seq)
	case a.Time.IsZero():
		return fmt.Errorf("%w: no time (ts)", ErrContent)
	}
	return nil
}

// check holds what was authorised against what was before.
func (a Authorized) check(last Last) error {
	if a.Seq <= last.Seq {
		return fmt.Errorf("%w: %d came after %d", ErrReplay, last.Seq, a.Seq)
	}
	switch a.Compliance {
	case InvalidTag: // authorises nothing
		return checkIntervals(a.RenewInterval, a.RetryInterval)
	case InCompliance, OutOfCompliance:
	default:
		return fmt.Errorf("%w: compliance_status is %q", ErrContent, a.Compliance)
	}
	switch {
	case a.Start.IsZero():
		return fmt.Errorf("%w: no start_date", ErrContent)
	case a.Start.Before(last.Start.Add(-startSlack)):
		return fmt.Errorf("%w: %s after %s", ErrStart, a.Start.UTC().Format(time.RFC3339), last.Start.UTC().Format(time.RFC3339))
	case a.Expiry <= 0 || a.Expiry > maxExpiry:
		return fmt.Errorf("%w: expiry is %d s", ErrExpiry, a.Expiry)
	}
	return checkIntervals(a.RenewInterval, a.RetryInterval)
}

// checkIntervals keeps out seconds that are not; 0 says nothing.
func checkIntervals(intervals ...int64) error {
	for _, seconds := range intervals {
		if seconds < 0 || seconds > maxInterval {
			return fmt.Errorf("%w: an interval of %d s", ErrContent, seconds)
		}
	}
	return nil
}
