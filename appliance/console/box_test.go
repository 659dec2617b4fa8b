package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/appliance/callhome"
	"causeway/appliance/clock"
	"causeway/appliance/com"
	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/exec"
	"causeway/appliance/license"
	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/appliance/network"
	"causeway/appliance/network/dhcp"
	"causeway/appliance/resolver"
)

// grammar is a part of the box's: users, host name, LANs, routes, servers.
var grammar = func() *config.Grammar {
	g, err := config.New(userCommands(), network.Commands(), dhcp.Commands(), resolver.Commands(), clock.Commands(), license.Commands(), com.Commands(), callhome.Commands())
	if err != nil {
		panic(err)
	}
	return g
}()

// The operators of the tests.
var (
	me    = model.Operator{User: "ann", Origin: "ttyS0"}
	other = model.Operator{User: "alice", Origin: "ssh 192.0.2.7"}
)

// all is the right to all.
var all = model.Rights{Rules: []model.Rule{{Permit: true, Kind: model.RuleExec}, {Permit: true, Kind: model.RuleConfigure}}}

// loggedIn is who may do that, and has come through a door of control.
func loggedIn(may model.Rights) *model.Login { return &model.Login{Operator: me, Rights: may} }

// box is what a session talks to: the real candidate and revisions of control,
// and an init that notes what it is asked to do.
type box struct {
	configuration *change.Configuration
	login         *model.Login // who comes through a door of control; nil: the session is at the serial port
	ended         chan string  // why the session at the serial port is to end

	mu      sync.Mutex
	down    map[string]bool // processes that do not answer
	log     []model.LogEntry
	alarms  []model.AlarmEvent
	zone    model.TimeZone
	com     []string // who is in over COM
	asked   []string // of init
	audit   []string // what control was told that was typed
	logouts []string
	failed  int // logins
	uptime  time.Duration
	started chan struct{}
}

// newBox makes one whose built-in configuration has these lines, too.
func newBox(t *testing.T, dir string, lines ...string) *box {
	b := &box{down: make(map[string]bool), started: make(chan struct{}), login: loggedIn(all), ended: make(chan string)}
	b.configuration = change.New(change.Options{
		Grammar: grammar.Sealing(boxKey), BuiltIn: "hostname box\nlan LAN1\n ip address 192.168.42.1 255.255.255.0\n exit\n" + strings.Join(lines, "\n"),
		Version: "v1.2", Dir: filepath.Join(dir, "revisions"),
		Machine: filepath.Join(dir, "none"), Choice: filepath.Join(dir, "none"), StateDir: dir,
		Adopt: func(change.InForce) {}, Remark: callhome.Remark, Log: slog.New(slog.DiscardHandler),
	})
	if err := b.configuration.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(ended)
		b.configuration.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return b
}

// commands are EXEC commands of no subject, but for Call Home's.
func (b *box) commands() []exec.Command {
	return append([]exec.Command{
		{
			Syntax: "show numbers LAST", Help: "Numbers from 1",
			Args: []config.Argument{{Name: "LAST", Type: config.Integer{Min: 1, Max: 1000}, Help: "The last one"}},
			Run: func(_ context.Context, s exec.Session, a config.Args) error {
				for n := range a.Int("LAST") {
					fmt.Fprintf(s, "number %d\n", n+1)
				}
				return nil
			},
		},
		{
			Syntax: "show escapes", Help: "What would drive the terminal",
			Run: func(_ context.Context, s exec.Session, _ config.Args) error {
				_, err := fmt.Fprint(s, "\x1b]0;title\a\x1b[2J\u009b\xff\r\tä without an end")
				return err
			},
		},
		{
			Syntax: "hide", Help: "Take lines that nobody is to see", Level: exec.Privileged,
			Run: func(_ context.Context, s exec.Session, _ config.Args) error {
				text, err := s.Paste("the secret", true)
				fmt.Fprintf(s, "%d lines, %d octets\n", strings.Count(text, "\n"), len(text))
				return err
			},
		},
		{
			Syntax: "redeem TOKEN", Help: "Take a token that nobody is to see", Level: exec.Privileged,
			Args: []config.Argument{{Name: "TOKEN", Type: config.Token{Max: 9}, Help: "It"}},
			Run: func(_ context.Context, s exec.Session, a config.Args) error {
				fmt.Fprintf(s, "a token of %d octets\n", len(a.Token("TOKEN")))
				return nil
			},
		},
		{
			Syntax: "wait", Help: "Run until Ctrl-C", Level: exec.Privileged,
			Run: func(ctx context.Context, s exec.Session, _ config.Args) error {
				fmt.Fprint(s, "waiting")
				<-ctx.Done()
				return ctx.Err()
			},
		},
		{
			Syntax: "wipe [now]", Help: "Ask first", Level: exec.Privileged,
			Run: func(_ context.Context, s exec.Session, a config.Args) error {
				if !a.Has("now") {
					if err := s.Confirm("Wipe everything?"); err != nil {
						return err
					}
				}
				fmt.Fprintf(s, "wiped by %v\n", s.Operator())
				return nil
			},
		},
	}, callHome...)
}

// callHome are those of Call Home that other commands need.
var callHome = slices.DeleteFunc(callhome.ExecCommands(), func(c exec.Command) bool {
	return c.Syntax != "show call-home eula" && c.Syntax != "call-home send all"
})

// happens does what a step of a script says about the surroundings.
func (b *box) happens(t *testing.T, what string) {
	words := strings.Fields(what)
	rest := strings.Join(words[1:], " ")
	b.mu.Lock()
	switch words[0] {
	case "down":
		b.down[rest] = true
	case "up":
		delete(b.down, rest)
	case "log":
		b.log = append(b.log, model.LogEntry{Seq: uint64(len(b.log)), Time: time.Now(), Text: rest})
	case "zone": // NAME
		b.zone = model.TimeZone{Name: rest}
	case "com": // ORIGIN of who is in over COM, now alone; none
		b.com = nil
		if rest != "" {
			b.com = []string{rest}
		}
	case "asked": // what init was asked for, in the order of the calls
		if got := strings.Join(b.asked, "; "); got != rest {
			t.Errorf("init was asked for %s; want %s", got, rest)
		}
		b.asked = nil
	case "audited": // what control was told, in the order of the calls
		if got := strings.Join(b.audit, "; "); got != rest {
			t.Errorf("control was told that somebody typed %s; want %s", got, rest)
		}
		b.audit = nil
	case "logouts": // why
		if got := strings.Join(b.logouts, "; "); got != rest {
			t.Errorf("control was told of the logouts %s; want %s", got, rest)
		}
		b.logouts = nil
	case "uptime": // DURATION
		b.uptime, _ = time.ParseDuration(rest)
	case "alarm": // KIND SEVERITY NAME OBJECT TEXT
		b.alarms = append(b.alarms, model.AlarmEvent{
			Number: uint64(len(b.alarms) + 1), Time: time.Now(), Kind: words[1], Severity: model.Severity(words[2]),
			Name: words[3], Object: words[4], Text: strings.Join(words[5:], " "),
		})
	}
	b.mu.Unlock()
	switch words[0] {
	case "ended": // WHY
		b.ended <- rest
	case "pass":
		d, err := time.ParseDuration(rest)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(d)
	case "taken":
		if _, err := b.configuration.Configure(t.Context(), change.ConfigureRequest{Operator: other, Take: true}); err != nil {
			t.Fatal(err)
		}
	case "committed":
		if done, err := b.configuration.Commit(t.Context(), change.CommitRequest{Operator: other}); err != nil || done.Revision == 0 {
			t.Fatalf("commit = %v, %v; want a revision", done, err)
		}
	case "edited":
		edited, err := b.configuration.Edit(t.Context(), change.EditRequest{Operator: other, Line: rest})
		if err != nil || edited.Fault != nil {
			t.Fatalf("edit %q = %v, %v; want neither error nor fault", rest, edited.Fault, err)
		}
	}
}

// call answers as link.Call does.
func (b *box) call(ctx context.Context, process, method string, params, result any) error {
	b.mu.Lock()
	down := b.down[process]
	b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if down {
		return errors.New("call " + method + ": connection refused")
	}
	function, known := b.methods()[method]
	if !known {
		return fmt.Errorf("call %s: there is no such process", method)
	}
	text, err := json.Marshal(params)
	if err != nil {
		return err
	}
	answer, err := function(ctx, text)
	if err != nil {
		return &link.RemoteError{Message: err.Error()}
	}
	if text, err = json.Marshal(answer); err != nil || result == nil {
		return err
	}
	return json.Unmarshal(text, result)
}

// function is a method as it comes over the wire.
type function func(ctx context.Context, params []byte) (any, error)

func method[P, R any](do func(context.Context, P) (R, error)) function {
	return func(ctx context.Context, text []byte) (any, error) {
		var params P
		if err := json.Unmarshal(text, &params); err != nil {
			return nil, err
		}
		return do(ctx, params)
	}
}

func (b *box) methods() map[string]function {
	c := b.configuration
	return map[string]function{
		"control.configure": method(c.Configure), "control.edit": method(c.Edit), "control.load": method(c.Load),
		"control.commit": method(c.Commit), "control.abort": method(c.Abort), "control.release": method(c.Release),
		"control.rollback": method(c.Rollback), "control.revision": method(c.Revision),
		"control.history":   method(func(ctx context.Context, _ any) (change.History, error) { return c.History(ctx) }),
		"control.candidate": method(func(ctx context.Context, _ any) (change.Candidate, error) { return c.Candidate(ctx) }),
		"control.running": method(func(context.Context, any) (map[string]string, error) {
			return map[string]string{"text": c.InForce().Text}, nil
		}),
		"control.status":            method(b.status),
		"control.callhome.send-all": method(b.callHome),
		"control.alarm-history":     method(b.alarmHistory),
		"control.access.state":      method(b.accessState),
		"control.access.login":      method(b.logIn),
		"control.access.logout":     method(b.logOut),
		"control.access.audit":      method(b.audited),
		"control.access.ended":      method(b.awaitEnd),
		"control.access.active":     method(func(context.Context, any) (any, error) { return nil, nil }),
		"init.health":               method(b.health),
		"control.files.read":        method(b.readFile),
		"init.log":                  method(b.readLog),
		"init.restart":              b.note("restart"),
		"init.choose":               b.note("choose"),
		"init.erase":                b.note("erase"),
		"init.reboot":               b.note("reboot"),
	}
}

func (b *box) status(context.Context, any) (model.ControlStatus, error) {
	status := b.configuration.Status()
	b.mu.Lock()
	defer b.mu.Unlock()
	return model.ControlStatus{
		HostName: status.InForce.Config.HostName, ConfigSource: status.InForce.Source,
		Revision: status.InForce.Number, Pending: status.Pending, Problems: status.Problems, TimeZone: b.zone, COM: b.com,
		Reminders: callhome.Reminders(status.InForce.Config.CallHome),
	}, nil
}

// callHome has the vendor told.
func (b *box) callHome(context.Context, any) (callhome.Answer, error) {
	c := b.configuration.InForce().Config.CallHome
	if missing := c.Pending(); len(missing) > 0 {
		return callhome.Answer{}, errors.New(strings.Join(missing, "; "))
	}
	delivery := model.CallHomeEntry{ID: "CH:1", Group: model.GroupInventory, Profile: model.ProfileVendor, Outcome: "sent"}
	if c.URL == "https://down.example.com" {
		delivery.Outcome, delivery.Attempts, delivery.Error = "waiting", 1, "no route to host"
	}
	return callhome.Answer{Deliveries: []model.CallHomeEntry{delivery}}, nil
}

func (b *box) alarmHistory(_ context.Context, r struct{ After, Max int }) (any, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	events := b.alarms[min(r.After, len(b.alarms)):]
	return map[string]any{"events": events[:min(len(events), r.Max)], "last": len(b.alarms)}, nil
}

func (b *box) readLog(_ context.Context, q model.LogQuery) (model.LogPage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	entries := b.log[min(int(q.From), len(b.log)):]
	entries = entries[:min(len(entries), 500)]
	return model.LogPage{Entries: entries, Next: q.From + uint64(len(entries))}, nil
}

// files are the ones of the box, read in parts of a few octets.
var files = map[string]string{
	"usb0:/site.conf": "hostname site\nlan LAN2\n ip address 192.168.43.1 255.255.255.0\n",
	"usb0:/bad.conf":  "hostname -\nlan LAN1\n ip adress 192.168.42.1 255.255.255.0\n",
}

func (b *box) readFile(_ context.Context, r struct {
	Path   string
	Offset int
}) (any, error) {
	text, known := files[r.Path]
	if !known {
		return nil, fmt.Errorf("open %s: file does not exist", r.Path)
	}
	next := min(r.Offset+20, len(text))
	return map[string]any{"data": []byte(text[r.Offset:next]), "next": next, "end": next == len(text)}, nil
}

// note is a method of init that does nothing.
func (b *box) note(what string) function {
	return func(_ context.Context, params []byte) (any, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.asked = append(b.asked, what+" "+string(params))
		return nil, nil
	}
}
