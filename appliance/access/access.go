// Package access says who may log in, and what they may do then. It is the one
// place for all doors of the box: the serial port, SSH, SFTP and the pages
// (L-49, L-50, L-51).
//
// In come the users, groups and servers of the configuration, and the names,
// passwords and keys that people try. Out go sessions with their rights, the
// log of all that, which is kept on harddisk:, and alarms. A name that failed 3
// times within 10 minutes is locked out for one, whatever the doors, and a
// restart does not end that.
//
// A name that the box does not know is counted like any other, and takes as
// long to refuse, but it is never written down: it may be a password that
// somebody typed in the wrong place.
package access

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"causeway/appliance/alarm"
	"causeway/appliance/config"
	"causeway/appliance/model"
)

// Options are what an Access works with.
type Options struct {
	Hasher *config.Hasher
	// Open gives the secret of its stored form, as config.BoxKey does.
	Open func(stored string) (string, error)
	// Lookup gives the addresses of a host.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial connects with a RADIUS server: net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// LockFile is where failures are counted, "bootflash:control/logins".
	LockFile string
	// LogDirs are where the log may be kept, the first that can be written to.
	LogDirs []string
	// Boot and Uptime tell one boot of the box from another, and time that
	// nobody sets: CLOCK_BOOTTIME.
	Boot   string
	Uptime func() time.Duration
	// LoggedIn is told of each login of a user; it must not block. nil: nobody is.
	LoggedIn func(Entry)
	Log      *slog.Logger
}

// Access decides who may log in. It is safe for concurrent use.
type Access struct {
	options  Options
	lockout  *lockout
	journal  *journal
	radius   radiusClient
	sessions *sessions

	mu       sync.Mutex
	access   model.Access
	comGroup string
	hostName string
}

// New makes an Access. Nobody may log in before Apply.
func New(o Options) *Access {
	return &Access{
		options:  o,
		lockout:  openLockout(o),
		journal:  newJournal(o),
		radius:   radiusClient{lookup: o.Lookup, dial: o.Dial, open: o.Open, log: o.Log},
		sessions: newSessions(o.Uptime),
	}
}

// Apply makes access what counts from now on. Sessions of users who are gone,
// or who may do other things now, end. comGroup is the one that COMAdmin is in,
// host the name of the box.
func (a *Access) Apply(access model.Access, comGroup, host string) {
	a.mu.Lock()
	a.access, a.comGroup, a.hostName = access, comGroup, host
	a.mu.Unlock()
	a.lockout.protect(userNames(access))
	for _, s := range a.sessions.list() {
		if why := a.outdated(&s); why != "" {
			a.end(s.ID, why)
		}
	}
}

// current is the configuration that counts.
func (a *Access) current() (access model.Access, host string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.access, a.hostName
}

func userNames(access model.Access) (names []string) {
	for _, u := range access.Users {
		names = append(names, u.Name)
	}
	return names
}

// State says whether anybody can log in at all.
func (a *Access) State() model.AccessState {
	access, _ := a.current()
	return model.AccessState{NewBox: len(access.Users) == 0}
}

// Run keeps what was counted and logged until ctx ends.
func (a *Access) Run(ctx context.Context) error {
	var running sync.WaitGroup
	running.Go(func() { a.lockout.run(ctx) })
	running.Go(func() { a.journal.run(ctx) })
	running.Wait()
	return nil
}

// KeyKnown says whether a user may log in with a key, before it is proven that
// the key is there.
func (a *Access) KeyKnown(user string, key ssh.PublicKey) bool {
	access, _ := a.current()
	return hasKey(&access, user, key)
}

func hasKey(access *model.Access, user string, key ssh.PublicKey) bool {
	u := access.User(user)
	blob := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	return u != nil && len(known(access, u.Groups)) > 0 &&
		slices.ContainsFunc(u.Keys, func(k string) bool { return keyBlob(k) == blob })
}

// Logout ends a session that was left, with "exit", "idle" or "hang up". One
// that has ended is left alone.
func (a *Access) Logout(session uint64, why string) { a.end(session, why) }

// Audit writes down what an operator typed. Its secrets are blotted out already.
func (a *Access) Audit(entry model.Audit) {
	a.journal.add(Entry{Event: EventCommand, User: entry.Operator.User, Origin: entry.Operator.Origin, Line: entry.Line})
}

// Active says that somebody has typed something in a session.
func (a *Access) Active(session uint64) { a.sessions.active(session) }

// Ended is closed when the door must end the session: an operator cleared it,
// or its user may not be logged in any more. Of a session that is not known it
// is closed already.
func (a *Access) Ended(session uint64) <-chan struct{} { return a.sessions.ended(session) }

// end ends a session and writes that down, unless it has ended.
func (a *Access) end(session uint64, why string) bool {
	s := a.sessions.end(session, why)
	if s == nil {
		return false
	}
	a.journal.add(Entry{Event: EventLogout, User: s.User, Origin: s.Origin, Session: s.ID, Why: why})
	return true
}

// Conditions are the alarms that hold.
func (a *Access) Conditions() (list []model.Condition) {
	access, _ := a.current()
	locked := a.lockout.locked()
	for _, u := range access.Users {
		if _, is := locked[nameKey(u.Name)]; is {
			list = append(list, model.Condition{Name: alarm.LoginLockout, Object: u.Name,
				Text: "user " + u.Name + " failed to log in 3 times and is locked out"})
		}
	}
	for _, u := range access.Users {
		delete(locked, nameKey(u.Name))
	}
	if len(locked) > 0 {
		list = append(list, model.Condition{Name: alarm.LoginLockout, Object: unknownUser,
			Text: "somebody tries names of users who do not exist"})
	}
	if problem := a.journal.trouble(); problem != "" {
		list = append(list, model.Condition{Name: alarm.AccessLogFault, Text: problem})
	}
	return list
}
