// Package registry decides for COM: which boxes are let in, which are pending,
// what they are licensed for, which certificates they get. It answers gateways
// over the bus and keeps what it knows in the store. Its methods are what
// operators do with boxes.
package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"slices"
	"strings"
	"time"

	"causeway/appliance/com/wire"
	"causeway/qemu/lab/authority"
	"causeway/qemu/lab/comd/bus"
	"causeway/qemu/lab/comd/store"
)

// Options are what a registry is made with.
type Options struct {
	Bus       bus.Bus
	Store     store.Store
	Authority *authority.Authority
	Now       func() time.Time // for dates
	Log       *log.Logger
}

// Registry decides. Its methods may be called at any time.
type Registry struct {
	options Options
	stop    []func() // what it serves on the bus
}

// New makes a registry that serves on the bus. As nobody has a link yet, all
// boxes are down.
func New(options Options) (*Registry, error) {
	states, err := options.Store.States()
	if err != nil {
		return nil, err
	}
	up := slices.DeleteFunc(states, func(s store.State) bool { return !s.Up })
	for i := range up {
		up[i].Up, up[i].Since, up[i].Session = false, up[i].Heard, ""
	}
	if err := options.Store.PutStates(up); err != nil {
		return nil, err
	}
	r := &Registry{options: options}
	r.stop = []func(){
		options.Bus.Serve(bus.SubjectArrive, bus.Handle(r.arrive)),
		options.Bus.Serve(bus.SubjectLicense, bus.Handle(r.license)),
		options.Bus.Serve(bus.SubjectEnroll, bus.Handle(r.enroll)),
		options.Bus.Serve(bus.SubjectPush, bus.Handle(r.push)),
		options.Bus.Serve(bus.SubjectStates, bus.Handle(r.states)),
	}
	return r, nil
}

// Close ends what it serves.
func (r *Registry) Close() {
	for _, stop := range r.stop {
		stop()
	}
}

func (r *Registry) states(_ context.Context, list []store.State) (any, error) {
	return nil, r.options.Store.PutStates(list)
}

func (r *Registry) push(_ context.Context, push bus.Push) (answer wire.Acknowledged, err error) {
	if len(push.Entries) == 0 {
		return answer, errors.New("there are no entries")
	}
	if box, err := r.options.Store.Box(push.Serial); err != nil {
		return answer, err
	} else if !box.Approved {
		return answer, errPending
	}
	if err := r.options.Store.AddEntries(push.Serial, push.Entries); err != nil {
		r.options.Log.Print(err)
		return answer, errors.New("the entries could not be kept")
	}
	return wire.Acknowledged{Upto: push.Entries[len(push.Entries)-1].Sequence}, nil
}

// renewal is how long before its end a certificate of COM is renewed.
const renewal = 120 * 24 * time.Hour

// mostPending is how many boxes of a customer may wait for their approval:
// anybody who knows a customer's ID can make one.
const mostPending = 1000

// These are why a box is not let in.
var (
	errCustomer = &bus.Error{Code: wire.CodeNotAllowed, Message: "there is no such customer, or the box belongs to another one"}
	errKey      = &bus.Error{Code: wire.CodeNotAllowed, Message: "the box is known with another key: revoke it if that is right"}
	errRevoked  = &bus.Error{Code: wire.CodeNotAllowed, Message: "the certificate was revoked"}
	errPending  = &bus.Error{Code: wire.CodeNotAllowed, Message: "the box is pending"}
	errCrowd    = &bus.Error{Code: wire.CodeBusy, Message: "too many boxes of the customer are pending"}
)

// arrive decides on a box that says hello.
func (r *Registry) arrive(_ context.Context, a bus.Arrival) (verdict bus.Verdict, err error) {
	s := r.options.Store
	if _, err := s.Customer(a.Hello.Customer); errors.Is(err, store.ErrNotFound) {
		return verdict, errCustomer
	} else if err != nil {
		return verdict, err
	}
	if _, err := s.Box(a.Identity.Serial); errors.Is(err, store.ErrNotFound) {
		if err := r.room(a.Hello.Customer); err != nil {
			return verdict, err
		}
	}
	var refused error // is kept beside what is written of it
	err = s.UpdateBox(a.Identity.Serial, func(b *store.Box) error {
		if b.Customer == "" {
			b.Customer = a.Hello.Customer
		}
		if b.Customer != a.Hello.Customer {
			return errCustomer
		}
		if refused = admit(b, a.Identity); refused != nil {
			return nil
		}
		b.HostName, b.Firmware, b.Model = clip(a.Hello.HostName), clip(a.Hello.Firmware), clip(a.Hello.Model)
		b.Revision, b.Services = a.Hello.Revision, nil
		for _, service := range a.Hello.Services[:min(len(a.Hello.Services), mostWords)] {
			b.Services = append(b.Services, clip(service))
		}
		verdict.Pending = !b.Approved
		verdict.Enroll = b.Approved && (a.Identity.By == bus.ByItself || a.Identity.By == bus.ByCOM && a.Identity.Ends.Sub(r.options.Now()) < renewal)
		return nil
	})
	if err == nil {
		err = refused
	}
	return verdict, err
}

// Bounds of what a box says of itself.
const (
	longestWord = 100 // octets
	mostWords   = 20
)

// clip makes a word as long as it may be. What stands in the store is UTF-8.
func clip(word string) string {
	return strings.ToValidUTF8(word[:min(len(word), longestWord)], "")
}

// admit holds who the box is against what is known of it.
func admit(b *store.Box, who bus.Identity) error {
	switch {
	case who.By == bus.ByCOM && !slices.Contains(b.Certificates, who.Certificate):
		return errRevoked
	case who.By != bus.ByItself:
	case b.Key == "":
		b.Key, b.Rival = who.Key, ""
	case b.Key != who.Key:
		b.Rival = who.Key
		return errKey
	}
	return nil
}

// room says whether one more box of a customer may be pending.
func (r *Registry) room(customer string) error {
	boxes, err := r.options.Store.Boxes()
	if err != nil {
		return err
	}
	pending := slices.DeleteFunc(boxes, func(b store.Box) bool { return b.Approved || b.Customer != customer })
	if len(pending) >= mostPending {
		return errCrowd
	}
	return nil
}

// license says which subscriptions run.
func (r *Registry) license(_ context.Context, question bus.License) (answer wire.License, err error) {
	s := r.options.Store
	if len(question.Wanted) > 0 {
		err := s.UpdateBox(question.Serial, func(b *store.Box) error {
			b.Wanted = nil
			for _, w := range question.Wanted[:min(len(question.Wanted), mostWords)] {
				b.Wanted = append(b.Wanted, wire.Wanted{Feature: clip(w.Feature), Count: w.Count})
			}
			return nil
		})
		if err != nil {
			return answer, err
		}
	}
	box, err := s.Box(question.Serial)
	if err != nil {
		return answer, err
	}
	now := r.options.Now()
	answer = wire.License{Pending: !box.Approved, Subscriptions: []wire.Subscription{}, Time: now}
	if box.Approved {
		answer.Subscriptions = append(answer.Subscriptions, slices.DeleteFunc(box.Subscriptions, func(s wire.Subscription) bool {
			return !s.Expires.IsZero() && !now.Before(s.Expires)
		})...)
	}
	return answer, nil
}

// Preregister has a box approved before it comes, under its customer.
func (r *Registry) Preregister(serial, customer string) error {
	if serial == "" {
		return errors.New("a box has a serial number")
	}
	if _, err := r.options.Store.Customer(customer); err != nil {
		return err
	}
	return r.options.Store.UpdateBox(serial, func(b *store.Box) error {
		if b.Customer != "" && b.Customer != customer {
			return fmt.Errorf("box %s belongs to customer %s", serial, b.Customer)
		}
		b.Customer, b.Approved = customer, true
		return nil
	})
}

// Approve approves a pending box. It is sent away to come back at once, as it
// gets its certificate when it arrives.
func (r *Registry) Approve(ctx context.Context, serial string) error {
	box, err := r.options.Store.Box(serial)
	if err != nil {
		return err
	}
	if err := r.Preregister(serial, box.Customer); err != nil {
		return err
	}
	return r.sendAway(ctx, serial, wire.GoAway{ReconnectAfter: 1, Reason: "approved"})
}

// Revoke has a box begin anew: its certificates are good no more, it is pending,
// and the next key that it shows is pinned.
func (r *Registry) Revoke(ctx context.Context, serial string) error {
	if _, err := r.options.Store.Box(serial); err != nil {
		return err
	}
	err := r.options.Store.UpdateBox(serial, func(b *store.Box) error {
		b.Approved, b.Key, b.Rival, b.Certificates = false, "", "", nil
		return nil
	})
	if err != nil {
		return err
	}
	return r.sendAway(ctx, serial, wire.GoAway{ReconnectAfter: 1, Reason: "revoked"})
}

// sendAway ends the link of a box, if there is one.
func (r *Registry) sendAway(ctx context.Context, serial string, goAway wire.GoAway) error {
	gateway, err := r.options.Bus.Gateway(serial)
	if err != nil || gateway == "" {
		return err
	}
	return r.options.Bus.Request(ctx, bus.Subject(gateway, bus.VerbDrop), bus.Drop{Serial: serial, GoAway: goAway}, nil)
}

// Subscribe gives a box a subscription, in the place of one of the same feature.
// Count 0 takes it away.
func (r *Registry) Subscribe(ctx context.Context, serial string, subscription wire.Subscription) error {
	if subscription.Feature != wire.FeatureCalls && subscription.Feature != wire.FeatureManagement {
		return fmt.Errorf("there is no feature %q: want %s or %s", subscription.Feature, wire.FeatureCalls, wire.FeatureManagement)
	}
	if subscription.Count < 0 {
		return errors.New("want a count of 0 or more")
	}
	if _, err := r.options.Store.Box(serial); err != nil {
		return err
	}
	err := r.options.Store.UpdateBox(serial, func(b *store.Box) error {
		b.Subscriptions = slices.DeleteFunc(slices.Clone(b.Subscriptions), func(s wire.Subscription) bool { return s.Feature == subscription.Feature })
		if subscription.Count > 0 {
			b.Subscriptions = append(b.Subscriptions, subscription)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.TellLicense(ctx, serial)
}

// TellLicense has a box ask for its subscriptions, if it is connected.
func (r *Registry) TellLicense(ctx context.Context, serial string) error {
	gateway, err := r.options.Bus.Gateway(serial)
	if err != nil || gateway == "" {
		return err
	}
	call := bus.Call{Serial: serial, Method: wire.MethodLicenseChanged, Params: json.RawMessage("{}")}
	return r.options.Bus.Request(ctx, bus.Subject(gateway, bus.VerbTell), call, nil)
}
