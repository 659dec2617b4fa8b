package license

import (
	"context"
	"fmt"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/storage/files"
)

// ExecCommands declares what an operator may ask of the licence agent.
func ExecCommands() []exec.Command {
	token := config.Argument{Name: "TOKEN", Type: config.Token{Max: tokenMost}, Help: "Token of the account, made in the portal of the licence server"}
	file := func(help string) config.Argument {
		return config.Argument{Name: "FILE", Type: files.PathType{}, Help: help}
	}
	request := file("The request, as usb0:box.ela-req; a file that is there is not replaced")
	return append([]exec.Command{
		{
			Syntax: "license smart register idtoken TOKEN [force]", Level: exec.Privileged, Run: register,
			Args: []config.Argument{token}, Help: "Register the box with the account that has made the token; force: also if it is registered",
		},
		{
			Syntax: "license smart deregister", Level: exec.Privileged, Run: deregister,
			Help: "Give registration and licences back",
		},
		{
			Syntax: "license smart renew WHAT", Level: exec.Privileged, Run: renew,
			Args: []config.Argument{{Name: "WHAT", Type: config.Choice{"auth", "id"}, Help: "auth: the authorisation; id: the ID certificate of the box"}},
			Help: "Ask the licence server now, not only when it is time",
		},
		{
			Syntax: "license smart save register idtoken TOKEN FILE", Level: exec.Privileged, Run: saveRegister,
			Args: []config.Argument{token, request}, Help: "Write a registration as a file, for a server that the box does not reach",
		},
		{
			Syntax: "license smart save WHAT FILE", Level: exec.Privileged, Run: save,
			Args: []config.Argument{{Name: "WHAT", Type: config.Choice{"authorization", "renewal", "deregistration"}, Help: "What is asked for; renewal: a new ID certificate"}, request},
			Help: "Write a request as a file, for a server that the box does not reach",
		},
		{
			Syntax: "license smart import FILE", Level: exec.Privileged, Run: importAnswer,
			Args: []config.Argument{file("The answer, as usb0:box.ela-resp")}, Help: "Read the answer to the request that was saved last",
		},
	}, showCommands()...)
}

// tokenMost is the longest token, in octets.
const tokenMost = 512

// patience is how long an exchange with a server may take that is far away and
// slow, with a key made in a TPM before it.
const patience = 3 * time.Minute

// ask calls a method of the agent and prints what came of it.
func ask(ctx context.Context, s exec.Session, method string, request any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var answer Answer
	if err := s.Call(ctx, "control", "control.license."+method, request, &answer); err != nil {
		return err
	}
	_, err := fmt.Fprintln(s, answer.Text)
	return err
}

func register(ctx context.Context, s exec.Session, a config.Args) error {
	return ask(ctx, s, "register", RegisterRequest{Operator: s.Operator(), Token: a.Token("TOKEN"), Force: a.Has("force")})
}

func deregister(ctx context.Context, s exec.Session, _ config.Args) error {
	if err := s.Confirm("The licences go back to the account. Calls go on only while there is evaluation period left."); err != nil {
		return err
	}
	return ask(ctx, s, "deregister", DeregisterRequest{Operator: s.Operator()})
}

func renew(ctx context.Context, s exec.Session, a config.Args) error {
	return ask(ctx, s, "renew", RenewRequest{Operator: s.Operator(), ID: a.Text("WHAT") == "id"})
}

func saveRegister(ctx context.Context, s exec.Session, a config.Args) error {
	return ask(ctx, s, "save", SaveRequest{Operator: s.Operator(), Kind: KindRegister, Token: a.Token("TOKEN"), File: files.PathOf(a, "FILE").String()})
}

// savedKinds are the exchanges that a file may be saved for, by the words typed.
var savedKinds = map[string]string{"authorization": KindAuthorize, "renewal": KindRenewID, "deregistration": KindDeregister}

func save(ctx context.Context, s exec.Session, a config.Args) error {
	kind := savedKinds[a.Text("WHAT")]
	if kind == KindDeregister {
		if err := s.Confirm("With the answer to it the licences go back to the account."); err != nil {
			return err
		}
	}
	return ask(ctx, s, "save", SaveRequest{Operator: s.Operator(), Kind: kind, File: files.PathOf(a, "FILE").String()})
}

func importAnswer(ctx context.Context, s exec.Session, a config.Args) error {
	return ask(ctx, s, "import", ImportRequest{Operator: s.Operator(), File: files.PathOf(a, "FILE").String()})
}
