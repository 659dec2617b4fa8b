package model

import (
	"cmp"
	"slices"
	"strings"
)

// Access says who may log in at the serial port, over SSH, over SFTP and on the
// pages, and what they may do there. The account COMAdmin (COM-17) is built in
// and stands in no configuration: it has no password and no door but the link.
type Access struct {
	Users       []User  // in the order of their names
	Groups      []Group // in the order of their names, beside the built-in ones
	IdleMinutes int     // a session that is silent for so long ends; 0: DefaultIdleMinutes, -1: never
	SSH         SSH
	Web         Web
	RADIUS      []LoginServer // servers that are asked before the users of the box, in order; empty: none
}

// User gives the user of a name, or nil.
func (a *Access) User(name string) *User {
	i := slices.IndexFunc(a.Users, func(u User) bool { return u.Name == name })
	if i < 0 {
		return nil
	}
	return &a.Users[i]
}

// Group gives the group of a name, or nil. The built-in ones are not among them.
func (a *Access) Group(name string) *Group {
	i := slices.IndexFunc(a.Groups, func(g Group) bool { return g.Name == name })
	if i < 0 {
		return nil
	}
	return &a.Groups[i]
}

// Idle is after how many minutes a silent session ends; 0: never.
func (a *Access) Idle() int { return max(0, cmp.Or(a.IdleMinutes, DefaultIdleMinutes)) }

// User is one person who may log in.
type User struct {
	Name     string   // 1–32 characters: letters, digits, "-", "_", "."; a letter first
	Password string   // argon2id in PHC string form; empty: no login by password
	Groups   []string // in the order of their names; none: may log in nowhere
	Keys     []string // SSH public keys as authorized_keys has them (sshd(8)), options left out
}

// COMAdmin is the account that the operators behind COM work under.
const COMAdmin = "COMAdmin"

// The built-in groups.
const (
	GroupPrivileged = "pfs-privusers" // may do all (L-49, L-50)
	GroupReadOnly   = "pfs-readonly"  // may look at all but configurations
)

// Group is what its members may do.
type Group struct {
	Name       string
	Rules      []Rule
	FilesRead  bool // over SFTP
	FilesWrite bool // over SFTP, where copy may write; includes FilesRead
}

// Rule permits or denies the commands that begin with Words.
type Rule struct {
	Permit bool   `json:"permit"`
	Kind   string `json:"kind"`  // RuleExec or RuleConfigure
	Words  string `json:"words"` // keywords in full: "show billing"; empty: all
}

// The kinds of rules: what is typed in EXEC, and lines of the configuration.
const (
	RuleExec      = "exec"
	RuleConfigure = "configure"
)

// Rights is what somebody who has logged in may do.
type Rights struct {
	Rules      []Rule `json:"rules"` // of all groups of the user
	FilesRead  bool   `json:"files_read"`
	FilesWrite bool   `json:"files_write"`
}

// May says whether a command may be typed: one of EXEC by its syntax, a line of
// the configuration by the syntaxes of the lines that opened its modes and its
// own, with blanks between. What counts of a syntax are its keywords, those of
// optional parts, too. The rule of the most words decides, of equally long ones
// the one that denies; where there is none it is denied.
func (r Rights) May(kind, syntax string) bool {
	command := Keywords(syntax)
	longest, permit := -1, false
	for _, rule := range r.Rules {
		words := Keywords(rule.Words)
		switch n := len(words); {
		case rule.Kind != kind || n > len(command) || !slices.Equal(command[:n], words):
		case n > longest:
			longest, permit = n, rule.Permit
		case n == longest:
			permit = permit && rule.Permit
		}
	}
	return permit
}

// Within says whether a rule permits, or denies, something that begins with
// the words of a syntax and goes on: a line inside a mode that it opens.
func (r Rights) Within(kind, syntax string, permit bool) bool {
	command := Keywords(syntax)
	return slices.ContainsFunc(r.Rules, func(rule Rule) bool {
		words := Keywords(rule.Words)
		return rule.Kind == kind && rule.Permit == permit && len(words) > len(command) && slices.Equal(words[:len(command)], command)
	})
}

// Keywords are the words of a syntax that are typed as they stand there, those
// of optional parts, too.
func Keywords(syntax string) (list []string) {
	for _, word := range strings.Fields(syntax) {
		if word = strings.Trim(word, "[]."); word == strings.ToLower(word) {
			list = append(list, word)
		}
	}
	return list
}

// SSH says where the SSH server is.
type SSH struct {
	Off  bool
	LANs []int // ports 1 and 2 that it answers on, ascending; empty: LAN1 alone
	Port int   // TCP, 1–65535; 0: DefaultSSHPort
}

// TCPPort is the port that counts.
func (s SSH) TCPPort() uint16 { return uint16(cmp.Or(s.Port, DefaultSSHPort)) }

// SSHAt says whether the SSH server answers at a port: never before there is
// somebody who may log in.
func (a Access) SSHAt(p Port) bool {
	lans := a.SSH.LANs
	if len(lans) == 0 {
		lans = []int{1}
	}
	return !a.SSH.Off && len(a.Users) > 0 && p.VLAN == 0 && slices.Contains(lans, int(p.LAN)+1)
}

// Defaults of Access.
const (
	DefaultIdleMinutes = 10
	DefaultSSHPort     = 22
	DefaultLoginPort   = 1812 // of a LoginServer
)

// LoginServer is a RADIUS server that knows who may log in (RFC 2865).
type LoginServer struct {
	Host string // address or host name
	Port int    // UDP, 1–65535
	Key  string // sealed
}

// What the processes say to each other about logging in. Control serves these
// as control.access.*, for operators' sessions alone.
type (
	// AccessState is the answer of control.access.state.
	AccessState struct {
		NewBox bool `json:"new_box"` // there is no user yet: the serial port asks for the first one
	}

	// LoginRequest is the parameter of control.access.login. Whoever fails 3
	// times in 10 minutes, at whatever doors, is locked out for a minute.
	LoginRequest struct {
		User     string `json:"user"`
		Password string `json:"password"`
		Origin   string `json:"origin"` // as in Operator
	}

	// Login is somebody who has logged in; the answer of control.access.login.
	Login struct {
		Session     uint64   `json:"session"` // for control.access.logout; used once in the life of control
		Operator    Operator `json:"operator"`
		Rights      Rights   `json:"rights"`
		IdleMinutes int      `json:"idle_minutes"` // 0: never
	}

	// Logout is the parameter of control.access.logout.
	Logout struct {
		Session uint64 `json:"session"`
		Why     string `json:"why"` // "exit", "idle", "hang up"
	}

	// SessionRequest is the parameter of control.access.active, which says that
	// somebody has typed something, and of control.access.ended, which answers
	// with a SessionEnd when the session shall end.
	SessionRequest struct {
		Session  uint64   `json:"session"`
		Operator Operator `json:"operator"` // by whom a control that has started anew knows the session again
	}
	SessionEnd struct {
		Why string `json:"why"` // "cleared by admin on ttyS0"
	}

	// Audit is the parameter of control.access.audit: what somebody typed that
	// does more than show, with its secrets blotted out.
	Audit struct {
		Operator Operator `json:"operator"`
		Line     string   `json:"line"`
	}
)
