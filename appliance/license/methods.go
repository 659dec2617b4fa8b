package license

import (
	"context"
	"fmt"
	"slices"

	"causeway/appliance/license/ela"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// What sessions and control say to each other, as control.license.NAME. Files
// are named as in "usb0:/box.ela-req".
type (
	// RegisterRequest asks for a registration with the token of an account. The
	// answer comes when the server has answered.
	RegisterRequest struct {
		Operator model.Operator `json:"operator"`
		Token    string         `json:"token"` // a secret
		Force    bool           `json:"force"` // also where the box is registered already
	}
	// DeregisterRequest gives registration and licences back.
	DeregisterRequest struct {
		Operator model.Operator `json:"operator"`
	}
	// RenewRequest asks for an authorisation, or a new ID certificate, at once.
	RenewRequest struct {
		Operator model.Operator `json:"operator"`
		ID       bool           `json:"id"`
	}
	// SaveRequest asks for a request as a file, for a server that is not reached
	// over a network.
	SaveRequest struct {
		Operator model.Operator `json:"operator"`
		Kind     string         `json:"kind"`  // one of the Kinds
		Token    string         `json:"token"` // a secret; of KindRegister alone
		File     string         `json:"file"`  // is not replaced
	}
	// ImportRequest brings the answer to the request that was saved last.
	ImportRequest struct {
		Operator model.Operator `json:"operator"`
		File     string         `json:"file"`
	}
	// Answer is what came of it.
	Answer struct {
		Text string `json:"text"` // in words, for the operator
	}
)

// The kinds of exchanges with a licence server.
const (
	KindRegister   = "register"
	KindAuthorize  = "authorize"
	KindRenewID    = "renew-id"
	KindDeregister = "deregister"
)

// Methods are what sessions may ask.
func (a *Agent) Methods() link.Methods {
	return link.Methods{
		"control.license.status":     func(context.Context) (Status, error) { return a.Status(), nil },
		"control.license.register":   link.ForOperators(a.register),
		"control.license.deregister": link.ForOperators(a.deregister),
		"control.license.renew":      link.ForOperators(a.renew),
		"control.license.save":       link.ForOperators(a.saveRequest),
		"control.license.import":     link.ForOperators(a.importAnswer),
	}
}

func (a *Agent) register(ctx context.Context, r RegisterRequest) (Answer, error) {
	a.options.Log.Info("registration with the licence server is asked for", "by", r.Operator, "force", r.Force)
	text, err := a.ask(ctx, order{kind: KindRegister, token: r.Token, force: r.Force})
	return Answer{text}, err
}

func (a *Agent) deregister(ctx context.Context, r DeregisterRequest) (Answer, error) {
	a.options.Log.Info("deregistration from the licence server is asked for", "by", r.Operator)
	text, err := a.ask(ctx, order{kind: KindDeregister})
	return Answer{text}, err
}

func (a *Agent) renew(ctx context.Context, r RenewRequest) (Answer, error) {
	kind := KindAuthorize
	if r.ID {
		kind = KindRenewID
	}
	a.options.Log.Info("a renewal by the licence server is asked for", "by", r.Operator, "kind", kind)
	text, err := a.ask(ctx, order{kind: kind})
	return Answer{text}, err
}

// kinds are those that a request may be saved as.
var kinds = []string{KindRegister, KindAuthorize, KindRenewID, KindDeregister}

func (a *Agent) saveRequest(ctx context.Context, r SaveRequest) (Answer, error) {
	if !slices.Contains(kinds, r.Kind) {
		return Answer{}, fmt.Errorf("%q is no kind of request", r.Kind)
	}
	file, err := named(r.File, ela.RequestFile)
	if err != nil {
		return Answer{}, err
	}
	if err := a.begin(ctx); err != nil {
		return Answer{}, err
	}
	defer a.end()
	a.options.Log.Info("a request to the licence server is saved", "by", r.Operator, "kind", r.Kind, "file", file)
	text, err := a.write(order{kind: r.Kind, token: r.Token, force: true}, file)
	return Answer{text}, err
}

func (a *Agent) importAnswer(ctx context.Context, r ImportRequest) (Answer, error) {
	file, err := named(r.File, ela.ReplyFile)
	if err != nil {
		return Answer{}, err
	}
	if err := a.begin(ctx); err != nil {
		return Answer{}, err
	}
	defer a.end()
	a.options.Log.Info("an answer of the licence server is imported", "by", r.Operator, "file", file)
	text, err := a.read(file)
	return Answer{text}, err
}
