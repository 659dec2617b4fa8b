package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
	"causeway/appliance/storage/files"
	"causeway/appliance/storage/remote"
)

// read fetches a backup and opens it; without a secret it only tells what opens
// it.
func (s *Service) read(ctx context.Context, r ReadRequest) (answer Opened, err error) {
	if !s.working.TryLock() {
		return Opened{}, errBusy
	}
	defer s.working.Unlock()
	content, err := s.fetch(ctx, r.From, r.Login)
	if err != nil {
		return Opened{}, err
	}
	sum := sha256.Sum256(content)
	answer.SHA256 = hex.EncodeToString(sum[:])
	if answer.Kind, err = kindOf(content); err != nil || r.Secret == "" {
		return answer, err
	}
	identity, err := identityOf(answer.Kind, r.Secret)
	if err != nil {
		return Opened{}, err
	}
	m, err := s.decrypt(content, identity)
	if err != nil {
		return Opened{}, err
	}
	answer.Manifest = &m
	return answer, nil
}

// fetch reads the file of a backup.
func (s *Service) fetch(ctx context.Context, from string, login remote.Login) ([]byte, error) {
	p, err := files.ParsePlace(from)
	if err != nil {
		return nil, err
	}
	dir, name := p.Split()
	st, err := s.open(ctx, dir, login)
	if err != nil {
		return nil, err
	}
	defer st.close()
	content, err := get(st, name)
	if err != nil {
		return nil, fmt.Errorf("read %v: %w", p, err)
	}
	return content, nil
}

// restore brings the configuration of a backup into the candidate and, if that is
// wanted, puts its certificates in force. With faults nothing is changed.
func (s *Service) restore(ctx context.Context, r RestoreRequest) (Restored, error) {
	opened, err := s.read(ctx, r.ReadRequest)
	switch {
	case err != nil:
		return Restored{}, err
	case opened.Manifest == nil:
		return Restored{}, errors.New("nothing opens the backup")
	case opened.SHA256 != r.SHA256:
		return Restored{}, errors.New("the file has changed since it was looked at")
	}
	m := opened.Manifest
	loaded, err := s.load(ctx, r.Operator, string(m.Files[0].content))
	if err != nil || len(loaded.Faults) > 0 {
		return Restored{Faults: withoutText(loaded.Faults)}, err
	}
	s.options.Log.Info("a backup is in the candidate", "from", r.From, "of", m.Serial, "made", m.Time, "by", r.Operator)
	answer := Restored{Lines: loaded.Lines}
	if !r.Certificates {
		return answer, nil
	}
	for _, f := range m.Files[1:] {
		name := strings.TrimPrefix(f.Name, certificatesDir)
		result := CertificateResult{Name: name}
		if err := s.options.Certificates.Restore(name, f.content); err != nil {
			result.Problem = err.Error()
		}
		s.options.Log.Info("certificates were restored", "file", name, "problem", result.Problem, "by", r.Operator)
		answer.Certificates = append(answer.Certificates, result)
	}
	return answer, nil
}

// load puts a text in the place of the candidate, which nobody else may hold and
// which has no changes. Whoever configures next finds it there.
func (s *Service) load(ctx context.Context, who model.Operator, text string) (loaded change.Loaded, err error) {
	c := s.options.Configuration
	before, err := c.Candidate(ctx)
	if err != nil {
		return loaded, err
	}
	mine := before.Holder != nil && before.Holder.Operator == who
	given, err := c.Configure(ctx, change.ConfigureRequest{Operator: who})
	switch {
	case err != nil:
		return loaded, err
	case given.Holder != nil:
		return loaded, fmt.Errorf("the configuration is being changed by %v", given.Holder.Operator)
	case given.Changed:
		err = errors.New("the candidate has changes: commit or abort them first")
	default:
		loaded, err = c.Load(ctx, change.LoadRequest{Operator: who, Text: text, Replace: true})
	}
	if mine {
		return loaded, err
	}
	_, released := c.Release(ctx, change.Who{Operator: who})
	return loaded, errors.Join(err, released)
}

// withoutText leaves out the lines that faults are in: where this firmware takes
// them for something else, a secret may stand there.
func withoutText(faults config.Errors) (list []Fault) {
	for _, f := range faults {
		list = append(list, Fault{f.Line, f.Column, f.Rule})
	}
	return list
}
