// Package backup keeps the configuration and the imported certificates of the
// box where it can be had again when the box is lost: on harddisk:, usb0: or
// another system (SFTP).
//
// In come backup now, the schedule of the configuration in force, and backup
// restore. Out go files that age opens (age-encryption.org/v1), with a passphrase
// or the private key of a recipient; inside is a tar archive of manifest.json,
// configuration.conf and certificates/PURPOSE/….
//
// Secrets of the configuration are sealed under the key of the box. A backup has
// them in plain text, within what is encrypted, and the box that restores it
// seals them under its own key. Passwords stay the hashes that they are. What
// belongs to one box stays there: the box key, the SSH host key, keys in a TPM,
// what the box has signed for itself, who it is to COM and the licence server.
// Logs, call records and files that operators made are not in a backup: nothing
// in a configuration refers to such a file.
//
// Restore commits nothing: the configuration becomes the candidate.
package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
	"causeway/appliance/storage/files"
	"causeway/appliance/storage/remote"
)

// Options are what a Service works with.
type Options struct {
	Configuration Configuration
	Grammar       *config.Grammar
	Key           *config.BoxKey // of this box
	Certificates  Certificates
	Files         *files.Service
	Serial        string // file of the serial number of the box: model.SerialFile
	Build         model.BuildInfo
	StateFile     string
	Alone         func(do func())  // does what takes much memory while nothing else does (config.Hasher)
	Now           func() time.Time // the clock of the box, in its zone
	Log           *slog.Logger
}

// Configuration is the configuration of the box and the candidate
// (change.Configuration).
type Configuration interface {
	InForce() change.InForce
	Candidate(context.Context) (change.Candidate, error)
	Configure(context.Context, change.ConfigureRequest) (change.Configured, error)
	Load(context.Context, change.LoadRequest) (change.Loaded, error)
	Release(context.Context, change.Who) (struct{}, error)
}

// Certificates is the owner of keys and certificates.
type Certificates interface {
	// Export gives the files that may go to another box, as "sip/identity.pem",
	// and says of what stays why.
	Export() (files map[string][]byte, left []string)
	// Restore puts such a file in force.
	Restore(name string, content []byte) error
}

// Service makes backups and restores them. Its methods may be called at any time
// from any goroutine.
type Service struct {
	options Options
	kick    chan struct{} // holds one: the configuration changed
	working sync.Mutex    // held while a backup is made or opened: one is, at a time

	mu    sync.Mutex // over what follows
	state state

	// Of Run alone.
	again time.Time     // not before then another try
	wait  time.Duration // between the last two tries
}

// New makes the service, with what an earlier life of control has left. Run must
// be called for the schedule.
func New(o Options) *Service {
	s := &Service{options: o, kick: make(chan struct{}, 1)}
	var err error
	if s.state, err = readState(o.StateFile); err != nil {
		o.Log.Error("it is not known which backups there are", "error", err)
	}
	return s
}

// errBusy refuses a second one.
var errBusy = errors.New("a backup is being made or opened: try again")

// defaultDir is where backups go without a schedule.
const defaultDir = "harddisk:/backup"

// makeFor makes a backup as r wants it. by is who the list says has made it.
func (s *Service) makeFor(ctx context.Context, by string, r NowRequest) (Made, error) {
	b := s.options.Configuration.InForce().Config.Backup
	recipients, err := s.recipients(b, r.Passphrase)
	if err != nil {
		return Made{}, err
	}
	dir, err := files.ParsePlace(cmp.Or(r.To, b.Schedule.To, defaultDir))
	if err != nil {
		return Made{}, err
	}
	return s.create(ctx, by, dir, r.Login, recipients)
}

// create makes a backup in the directory dir.
func (s *Service) create(ctx context.Context, by string, dir files.Place, login remote.Login, recipients []age.Recipient) (made Made, err error) {
	if !s.working.TryLock() {
		return Made{}, errBusy
	}
	defer s.working.Unlock()
	m, err := s.manifest()
	if err != nil {
		return Made{}, err
	}
	content, err := s.encrypt(m, recipients)
	if err != nil {
		return Made{}, err
	}
	to, err := s.open(ctx, dir, login)
	if err != nil {
		return Made{}, err
	}
	defer to.close()
	made = Made{Dir: dir.String(), Name: nameOf(m), By: by, Time: m.Time}
	if slices.ContainsFunc(s.snapshot().Made, made.is) {
		return Made{}, errors.New("a backup was made this very second: try again")
	}
	// Noted before it is written: what a cut leaves of a scheduled one goes with
	// the next one.
	if err := s.change(func(st *state) { st.add(made) }); err != nil {
		return Made{}, err
	}
	if err := to.put(made.Name, content); err != nil {
		s.keep(func(st *state) { st.remove(made) })
		return Made{}, fmt.Errorf("write %s: %w", made.file(), err)
	}
	made.Size = len(content)
	s.keep(func(st *state) { st.add(made); st.Failure = Failure{} })
	s.options.Log.Info("backup made", "file", made.file(), "octets", made.Size, "by", by)
	if by == bySchedule {
		s.tidy(to, made)
	}
	return made, nil
}

// nameOf is the file of a backup.
func nameOf(m Manifest) string {
	return fmt.Sprintf("causeway-%s-%s.tar.age", cleanName(m.Serial), m.Time.UTC().Format("20060102T150405Z"))
}

// cleanName keeps what may stand in any file name.
func cleanName(serial string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", r) {
			return r
		}
		return -1
	}, serial)
}

// manifest gathers what goes into a backup.
func (s *Service) manifest() (Manifest, error) {
	f := s.options.Configuration.InForce()
	text, err := s.options.Grammar.Reveal(f.Config, f.Aside, s.options.Key)
	if err != nil {
		return Manifest{}, fmt.Errorf("a secret of the configuration cannot be read, type it again: %w", err)
	}
	serial, err := os.ReadFile(s.options.Serial)
	if err != nil {
		return Manifest{}, fmt.Errorf("read the serial number: %w", err)
	}
	m := Manifest{
		Format: format, Serial: strings.TrimSpace(string(serial)), HostName: f.Config.HostName,
		Version: s.options.Build.Version, Board: s.options.Build.Board, Revision: f.Number,
		Time:  s.options.Now().UTC().Truncate(time.Second),
		Files: []File{newFile(configurationName, []byte(text))},
	}
	certificates, left := s.options.Certificates.Export()
	for _, name := range slices.Sorted(maps.Keys(certificates)) {
		m.Files = append(m.Files, newFile(path.Join(certificatesDir, name), certificates[name]))
	}
	m.LeftOut = append(left, "the key that seals secrets on the box; the box that restores this has its own")
	return m, nil
}

// tidy removes what scheduled backups before the newest have left in its
// directory beyond as many as shall stay, and what cuts have left of some.
func (s *Service) tidy(dir store, newest Made) {
	for _, old := range s.superfluous(newest) {
		if err := dir.remove(old.Name); err != nil {
			s.options.Log.Warn("an old backup cannot be removed", "file", old.Name, "error", err)
			continue
		}
		s.keep(func(st *state) { st.remove(old) })
		s.options.Log.Info("old backup removed", "file", old.Name)
	}
}

// recipients are whoever knows the passphrase; without one those that the
// configuration names.
func (s *Service) recipients(b model.Backup, passphrase string) (list []age.Recipient, err error) {
	if passphrase == "" && b.Passphrase != "" {
		if passphrase, err = s.options.Key.Open(b.Passphrase); err != nil {
			return nil, fmt.Errorf("the passphrase of backups: %w", err)
		}
	}
	if passphrase != "" {
		r, err := passphraseRecipient(passphrase)
		return []age.Recipient{r}, err
	}
	for _, text := range b.Recipients {
		r, err := parseRecipient(text)
		if err != nil {
			return nil, fmt.Errorf("the recipient %s: %w", text, err)
		}
		list = append(list, r)
	}
	if len(list) == 0 {
		return nil, errors.New("nobody can open it: type backup passphrase or backup recipient in the configuration")
	}
	return list, nil
}
