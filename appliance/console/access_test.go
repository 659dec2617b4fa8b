package console_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// userCommands are those of users as the box has them, with passwords kept as
// they are typed.
func userCommands() []config.Command {
	user := config.Argument{Name: "USER", Type: config.Name{Max: 32}, Help: "The user"}
	of := func(c *model.Config, a config.Args) *model.User {
		for i := range c.Access.Users {
			if c.Access.Users[i].Name == a.Text("USER") {
				return &c.Access.Users[i]
			}
		}
		return &model.User{} // of no configuration
	}
	each := func(lines func(model.User) []config.Args) func(*model.Config, config.Args) []config.Args {
		return func(c *model.Config, _ config.Args) (all []config.Args) {
			for _, u := range c.Access.Users {
				all = append(all, lines(u)...)
			}
			return all
		}
	}
	return []config.Command{{
		Mode: config.Global, Syntax: "username USER create", No: "username USER", Args: []config.Argument{user}, Help: "Add a user",
		Apply: func(c *model.Config, a config.Args) error {
			if of(c, a).Name == "" {
				c.Access.Users = append(c.Access.Users, model.User{Name: a.Text("USER")})
			}
			return nil
		},
		Negate: func(c *model.Config, a config.Args) error {
			c.Access.Users = slices.DeleteFunc(c.Access.Users, func(u model.User) bool { return u.Name == a.Text("USER") })
			return nil
		},
		Render: each(func(u model.User) []config.Args { return []config.Args{{"USER": u.Name}} }),
	}, {
		Mode: config.Global, Syntax: "username USER group GROUP", Help: "Put a user in a group",
		Args: []config.Argument{user, {Name: "GROUP", Type: config.Name{Max: 32}, Help: "The group"}},
		Apply: func(c *model.Config, a config.Args) error {
			of(c, a).Groups = []string{a.Text("GROUP")}
			return nil
		},
		Render: each(func(u model.User) (lines []config.Args) {
			for _, g := range u.Groups {
				lines = append(lines, config.Args{"USER": u.Name, "GROUP": g})
			}
			return lines
		}),
	}, {
		Mode: config.Global, Syntax: "username USER password PASSWORD", Help: "Set the password",
		Args: []config.Argument{user, {Name: "PASSWORD", Type: config.Secret{}, Help: "The password"}},
		Apply: func(c *model.Config, a config.Args) error {
			of(c, a).Password = a.Text("PASSWORD")
			return nil
		},
		Render: each(func(u model.User) []config.Args {
			if u.Password == "" {
				return nil
			}
			return []config.Args{{"USER": u.Name, "PASSWORD": u.Password}}
		}),
	}}
}

// boxKey seals the passwords of the test.
var boxKey = func() *config.BoxKey {
	key, err := config.NewBoxKey(make([]byte, 32))
	if err != nil {
		panic(err)
	}
	return key
}()

// users is what the configuration says of ann, whose password is "secret".
var users = []string{"username ann create", "username ann group pfs-privusers", "username ann password " + boxKey.Seal("secret")}

func (b *box) accessState(context.Context, any) (model.AccessState, error) {
	return model.AccessState{NewBox: len(b.configuration.InForce().Config.Access.Users) == 0}, nil
}

// logIn takes its time, as control does, and locks out after three failures.
func (b *box) logIn(ctx context.Context, r model.LoginRequest) (model.Login, error) {
	time.Sleep(time.Second)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed == 3 {
		return model.Login{}, errors.New("locked out for 60 seconds")
	}
	for _, u := range b.configuration.InForce().Config.Access.Users {
		if password, err := boxKey.Open(u.Password); err == nil && u.Name == r.User && password == r.Password {
			b.failed = 0
			return model.Login{Session: 7, Operator: model.Operator{User: r.User, Origin: r.Origin}, Rights: all, IdleMinutes: 10}, nil
		}
	}
	b.failed++
	return model.Login{}, errors.New("wrong user or password")
}

func (b *box) logOut(_ context.Context, r model.Logout) (any, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.logouts = append(b.logouts, fmt.Sprintf("%d %s", r.Session, r.Why))
	return nil, nil
}

func (b *box) audited(_ context.Context, r model.Audit) (any, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.audit = append(b.audit, r.Line)
	return nil, nil
}

func (b *box) health(context.Context, any) (model.SystemHealth, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return model.SystemHealth{Uptime: b.uptime}, nil
}

// awaitEnd answers when a step of a script ends the session.
func (b *box) awaitEnd(ctx context.Context, _ any) (any, error) {
	select {
	case why := <-b.ended:
		return map[string]string{"why": why}, nil
	case <-ctx.Done():
		return nil, &link.RemoteError{Message: ctx.Err().Error()}
	}
}

// few is what somebody may do who looks after routes and one LAN.
var few = model.Rights{Rules: []model.Rule{
	{Permit: true, Kind: model.RuleExec, Words: "show"},
	{Permit: false, Kind: model.RuleExec, Words: "show configuration"},
	{Permit: true, Kind: model.RuleExec, Words: "show configuration diff"},
	{Permit: false, Kind: model.RuleExec, Words: "show running-config"},
	{Permit: true, Kind: model.RuleExec, Words: "enable"},
	{Permit: true, Kind: model.RuleExec, Words: "configure"},
	{Permit: true, Kind: model.RuleExec, Words: "load"},
	{Permit: true, Kind: model.RuleExec, Words: "write"},
	{Permit: true, Kind: model.RuleConfigure, Words: "ip route"},
	{Permit: true, Kind: model.RuleConfigure, Words: "lan mtu"},
	{Permit: true, Kind: model.RuleConfigure, Words: "ntp"},
	{Permit: false, Kind: model.RuleConfigure, Words: "ntp server"},
}}
