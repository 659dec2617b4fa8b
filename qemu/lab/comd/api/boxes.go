package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"causeway/appliance/com/wire"
	"causeway/qemu/lab/comd/bus"
	"causeway/qemu/lab/comd/store"
)

// Box is one in answers.
type Box struct {
	store.Box
	State *store.State `json:"state"` // null: it was never connected
}

func (a *api) boxes(r *request) (any, error) {
	boxes, err := a.Store.Boxes()
	if err != nil {
		return nil, err
	}
	states, err := a.Store.States()
	if err != nil {
		return nil, err
	}
	if r.token.Partner != "" {
		customers, err := a.myCustomers(r.token)
		if err != nil {
			return nil, err
		}
		boxes = slices.DeleteFunc(boxes, func(b store.Box) bool {
			return !slices.ContainsFunc(customers, func(c store.Customer) bool { return c.ID == b.Customer })
		})
	}
	of := map[string]*store.State{}
	for i := range states {
		of[states[i].Serial] = &states[i]
	}
	list := make([]Box, len(boxes))
	for i, b := range boxes {
		list[i] = Box{b, of[b.Serial]}
	}
	return list, nil
}

// show has the state of this moment, while the box is connected.
func (a *api) show(r *request) (any, error) {
	box := Box{Box: r.box}
	gateway, err := a.Bus.Gateway(r.box.Serial)
	if err != nil {
		return nil, err
	}
	var state store.State
	err = errors.ErrUnsupported
	if gateway != "" {
		err = a.Bus.Request(r.Context(), bus.Subject(gateway, bus.VerbLink), r.box.Serial, &state)
	}
	if err != nil {
		state, err = a.Store.State(r.box.Serial)
	}
	if errors.Is(err, store.ErrNotFound) {
		return box, nil
	}
	box.State = &state
	return box, err
}

func (a *api) preregister(r *request) (any, error) {
	var body struct {
		Customer string `json:"customer"`
	}
	if err := r.readBody(&body); err != nil {
		return nil, err
	}
	if err := a.mine(r.token, body.Customer); err != nil {
		return nil, err
	}
	return nil, a.Registry.Preregister(r.box.Serial, body.Customer)
}

func (a *api) approve(r *request) (any, error) {
	return nil, a.Registry.Approve(r.Context(), r.box.Serial)
}

func (a *api) revoke(r *request) (any, error) {
	return nil, a.Registry.Revoke(r.Context(), r.box.Serial)
}

func (a *api) subscribe(r *request) (any, error) {
	var body struct {
		Count   int       `json:"count"`   // 0 takes it away
		Expires time.Time `json:"expires"` // zero: never
	}
	if err := r.readBody(&body); err != nil {
		return nil, err
	}
	return nil, a.Registry.Subscribe(r.Context(), r.box.Serial, wire.Subscription{
		Feature: r.PathValue("feature"), Count: body.Count, Expires: body.Expires,
	})
}

// most reads the number of entries that are wanted.
func most(r *request, bound int) (int, error) {
	text := r.URL.Query().Get("most")
	if text == "" {
		return min(100, bound), nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > bound {
		return 0, fmt.Errorf("most=%s: want 1 to %d", text, bound)
	}
	return n, nil
}

func (a *api) alarms(r *request) (any, error) {
	n, err := most(r, store.MostEntries)
	if err != nil {
		return nil, err
	}
	list, err := a.Store.Entries(r.box.Serial, n)
	if list == nil {
		list = []wire.Entry{}
	}
	return list, err
}

// gateway finds who has the link of a box.
func (a *api) gateway(serial string) (string, error) {
	gateway, err := a.Bus.Gateway(serial)
	if err == nil && gateway == "" {
		err = &bus.Error{Code: wire.CodeUnsupported, Message: "the box is not connected"}
	}
	return gateway, err
}

// Call is something for a box to do.
type Call struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// longestMethod is the name of one, in octets.
const longestMethod = 64

// as says, for the audit trail, what a box is called for and in whose name.
func as(what string, meta *wire.Meta) string {
	if meta != nil && meta.Actor != "" {
		return fmt.Sprintf("%s as %q", what, meta.Actor)
	}
	return what
}

func (a *api) call(r *request) (any, error) {
	var call Call
	if err := r.readBody(&call); err != nil {
		return nil, err
	}
	if len(call.Method) > longestMethod {
		return nil, errors.New("there is no method with so long a name")
	}
	meta, _, err := wire.Split(call.Params)
	if err != nil {
		return nil, fmt.Errorf("read the parameters: %w", err)
	}
	r.actor = as(call.Method, &meta)
	gateway, err := a.gateway(r.box.Serial)
	if err != nil {
		return nil, err
	}
	var answer json.RawMessage
	err = a.Bus.Request(r.Context(), bus.Subject(gateway, bus.VerbCall), bus.Call{Serial: r.box.Serial, Method: call.Method, Params: call.Params}, &answer)
	return answer, err
}

func (a *api) goAway(r *request) (any, error) {
	var body wire.GoAway
	if err := r.readBody(&body); err != nil {
		return nil, err
	}
	gateway, err := a.gateway(r.box.Serial)
	if err != nil {
		return nil, err
	}
	return nil, a.Bus.Request(r.Context(), bus.Subject(gateway, bus.VerbDrop), bus.Drop{Serial: r.box.Serial, GoAway: body}, nil)
}

// stream opens a stream to a box and carries it in a WebSocket. The first line
// that comes is the header, the first that goes is the box's answer.
func (a *api) stream(w http.ResponseWriter, r *http.Request) {
	request, err := a.admit(r, false)
	if err == nil {
		_, err = a.gateway(request.box.Serial)
	}
	if err != nil {
		a.note(request, err)
		writeError(w, err)
		return
	}
	if err := a.carry(w, request); err != nil {
		a.Log.Printf("stream to %s: %v", request.box.Serial, err)
	}
}
