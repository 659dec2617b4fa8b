package license

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"causeway/appliance/license/ela"
	"causeway/appliance/model"
)

// order is an exchange that shall be.
type order struct {
	kind  string
	token string // of KindRegister
	force bool   // register anew
}

// request is what goes out.
type request struct {
	ela.Request
	signer ela.Signer
	asked  asked
}

// Why an exchange is not begun.
var (
	errOff           = errors.New("licensing is off: type license smart enable in the configuration")
	errNoServer      = errors.New("no licence server: type license smart url in the configuration")
	errOffline       = errors.New("the licence server is not asked over the network (license smart transport off): see license smart save")
	errNotRegistered = errors.New("the box is not registered: type license smart register")
	errRegistered    = errors.New("the box is registered already: type force to register it anew")
	errNoState       = errors.New("the licence state cannot be read from bootflash: for now (write erase licences and a reload give it up)")
	errNotKept       = errors.New("bootflash: does not keep the number of the request, so it is not sent: make room there")
	errInvalidTag    = errors.New("the licence server does not know this product's entitlement")
)

// ask makes an exchange with the server over the network; one is made at a
// time. What came of it is noted, and told in words.
func (a *Agent) ask(ctx context.Context, o order) (text string, err error) {
	if err := a.begin(ctx); err != nil {
		return "", err
	}
	defer a.end()
	config, err := a.ready(o)
	switch {
	case err != nil:
		return "", err
	case config.Offline:
		return "", errOffline
	case config.URL == "":
		return "", errNoServer
	}
	if text, err = a.exchange(ctx, config, o); err != nil {
		err = told{err, o.token}
		if ctx.Err() == nil { // else control ends, or the operator does not wait
			a.failed(o.kind, err)
		}
		return "", err
	}
	return text, nil
}

// begin waits until no other exchange is under way; whoever begins ends.
func (a *Agent) begin(ctx context.Context) error {
	select {
	case a.exchanging <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end lets the next exchange begin; what this one changed is kept.
func (a *Agent) end() {
	a.save()
	<-a.exchanging
}

// ready says why an exchange cannot be now.
func (a *Agent) ready(o order) (config model.License, err error) {
	a.update(func(m moment) {
		config = a.config
		isRegistered := a.facts.registered(m)
		switch {
		case a.unread:
			err = errNoState
		case a.facts.State == Unconfigured:
			err = errOff
		case o.kind == KindRegister && isRegistered && !o.force:
			err = errRegistered
		case o.kind != KindRegister && !isRegistered:
			err = errNotRegistered
		}
	})
	return config, err
}

func (a *Agent) exchange(ctx context.Context, config model.License, o order) (text string, err error) {
	r, err := a.compose(config, o)
	if err != nil {
		return "", err
	}
	roots, err := a.options.Identity.Roots()
	if err != nil {
		return "", err
	}
	client := ela.Client{URL: config.URL, Roots: pool(roots), Now: a.options.Clock.Now, DialContext: a.options.Dial}
	if config.ProxyHost != "" {
		client.Proxy = proxyAddress(config)
	}
	answer, err := client.Send(ctx, r.Request, r.signer)
	if errors.Is(err, ela.ErrTime) {
		client.Now = a.options.Clock.Dates
		answer, err = client.Send(ctx, r.Request, r.signer)
	}
	if err != nil {
		return "", err
	}
	return a.accept(r.asked, answer, a.options.Clock.Correct)
}

func proxyAddress(c model.License) string {
	port := c.ProxyPort
	if port == 0 {
		port = model.DefaultLicenseProxyPort
	}
	return net.JoinHostPort(c.ProxyHost, strconv.Itoa(port))
}

// compose makes a request. Its sequence number is on bootflash: before it
// leaves: one that was forgotten over a reboot would come again, and the server
// take the box for a copy of itself.
func (a *Agent) compose(config model.License, o order) (r request, err error) {
	udi, err := a.udi()
	if err != nil {
		return r, err
	}
	var known facts
	var at moment
	var left time.Time
	a.update(func(m moment) {
		a.facts.Sequence++
		a.dirty, left = true, a.facts.Leaving
		if o.kind == KindDeregister { // whoever keeps the answer away does not keep the licence
			a.facts.Leaving = m.now
		}
		known, at = a.facts, m
	})
	a.save()
	if kept, _, _ := a.store.Load(); kept.Sequence < known.Sequence {
		a.update(func(moment) { a.facts.Leaving = left }) // nobody was asked
		return r, errNotKept
	}
	message, signer, err := a.message(config, o, udi, known, at)
	if err != nil {
		return r, err
	}
	r = request{signer: signer, asked: asked{Kind: o.kind}}
	if r.Request, err = ela.NewRequest(message); err != nil {
		return r, err
	}
	r.asked.Fits = r.Outstanding
	if o.kind == KindAuthorize {
		r.asked.Count = config.Licenses()
	}
	idSerial := ""
	if signer.Certificate != nil {
		idSerial = ela.Serial(signer.Certificate)
	}
	a.options.Journal.Sent(message, idSerial, known.State, known.daysLeft(at))
	return r, nil
}

// message fills in a request and says who signs it.
func (a *Agent) message(config model.License, o order, udi ela.UDI, known facts, at moment) (ela.Message, ela.Signer, error) {
	common := ela.Common{Seq: known.Sequence, Time: at.now}
	host, version := a.options.HostName(), agentVersion
	if config.HideHostName {
		host = ""
	}
	if config.HideVersion {
		version = ""
	}
	if o.kind == KindRegister {
		csr, key, err := a.options.Identity.Request(udi.SN)
		return ela.Register{
			Common: common, Token: o.token, SoftwareTag: softwareTag, UDI: udi, CSR: csr, Agent: version, HostName: host,
		}, ela.Signer{Key: key}, err
	}
	signer, err := a.signer()
	if err != nil {
		return nil, signer, err
	}
	instance := known.Registration.is.Instance
	switch o.kind {
	case KindRenewID:
		csr, _, err := a.options.Identity.Request(udi.SN)
		return ela.RenewID{Common: common, Instance: instance, UDI: udi, CSR: csr}, signer, err
	case KindDeregister:
		return ela.Deregister{Common: common, Instance: instance, UDI: udi}, signer, nil
	}
	return ela.Authorize{
		Common: common, Instance: instance, SigningSerial: known.Registration.is.SigningSerial, UDI: udi,
		Entitlements: []ela.Entitlement{{Tag: entitlementTag, Version: entitlementVersion, Count: config.Licenses(), Requested: at.now}},
		Agent:        version, HostName: host,
	}, signer, nil
}

// signer is the ID certificate with its key.
func (a *Agent) signer() (ela.Signer, error) {
	id, err := a.options.Identity.Certificate()
	if err != nil {
		return ela.Signer{}, err
	}
	if id == nil {
		return ela.Signer{}, errors.New("the ID certificate is not there any more: register the box anew")
	}
	key, ok := id.PrivateKey.(crypto.Signer)
	if !ok {
		return ela.Signer{}, errors.New("the key of the ID certificate cannot sign")
	}
	return ela.Signer{Key: key, Certificate: id.Leaf}, nil
}

// daysLeft is of the authorisation, or of the evaluation before there is one.
func (f *facts) daysLeft(m moment) int {
	if f.Authorization != nil {
		return daysLeft(f.Authorization.deadline().Sub(m.now))
	}
	return daysLeft(f.Evaluation.left(m))
}

// told is an error that terminals and logs can take, in one line: parts of it may
// come from others, who may repeat what the box has told them.
type told struct {
	error
	secret string // does not stand in it; empty: there is none
}

func (t told) Error() string {
	text := strings.ReplaceAll(t.error.Error(), "\n", "; ")
	return clean(without(text, t.secret))
}

// without is a text without a secret, also where that is cut off.
func without(text, secret string) string {
	head := secret[:min(len(secret), 12)]
	var kept strings.Builder
	for head != "" {
		before, after, found := strings.Cut(text, head)
		if !found {
			break
		}
		kept.WriteString(before + "…")
		tail := secret[len(head):]
		for tail != "" && after != "" && tail[0] == after[0] {
			tail, after = tail[1:], after[1:]
		}
		text = after
	}
	return kept.String() + text
}

func (t told) Unwrap() error { return t.error }

// failed notes that an exchange came to nothing, and why.
func (a *Agent) failed(kind string, why error) {
	var problem *ela.ProblemError
	wait, code := time.Duration(0), ""
	if errors.As(why, &problem) {
		wait, code = problem.RetryAfter, problem.Type
	}
	clock := errors.Is(why, ela.ErrTime) && !a.options.Synchronised()
	a.update(func(m moment) {
		f := &a.facts
		a.note(m, kind, why)
		if code == ela.BadSeq {
			a.copied = why.Error()
		}
		switch {
		case kind == KindAuthorize:
			f.Authorizing.fail(m.now, f.State, wait, clock, a.options.spread())
			if f.Authorization != nil && a.config.Licenses() > f.Authorization.Asked.Count && !clock {
				f.Reentitling++
			}
		case kind == KindRenewID, kind == KindRegister && f.Registration == nil:
			f.Renewing.fail(m.now, f.State, wait, clock, a.options.spread())
		}
		a.fire(m, requestFailed, why.Error())
		if f.Reentitling >= reentitleLimit(a.config) {
			a.fire(m, reentitlingFailed, fmt.Sprintf("%d requests for more licences failed in a row", f.Reentitling))
		}
	})
	a.options.Journal.Failed(kind, why)
	a.options.Log.Warn("no answer of the licence server that serves", "exchange", kind, "error", why)
}

func reentitleLimit(c model.License) int {
	if c.ReentitleLimit == 0 {
		return model.DefaultReentitleLimit
	}
	return c.ReentitleLimit
}

// exchangesMost is how many exchanges are told of.
const exchangesMost = 20

// succeeded is the Result of an exchange that did well.
const succeeded = "ok"

// note remembers an exchange for show commands. err is nil for one that did
// well. a.mu is held.
func (a *Agent) note(m moment, kind string, err error) {
	result := succeeded
	a.facts.Failure = ""
	if err != nil {
		result = err.Error()
		a.facts.Failure = fmt.Sprintf("%s: %v", kind, err)
		a.counters[kind+" failed"]++
	} else {
		a.counters[kind+" ok"]++
		a.copied, a.problem = "", ""
	}
	a.exchanges = remember(a.exchanges, Exchange{Time: m.now, Kind: kind, Result: result, Times: 1, Since: m.now})
	a.dirty = true
}

// remember adds an exchange to a list, in which equal failures in a row are one
// and the last good one of each kind stays.
func remember(list []Exchange, e Exchange) []Exchange {
	for i, last := range slices.Backward(list) {
		if last.Kind != e.Kind {
			continue
		}
		if e.Result != succeeded && e.Result == last.Result {
			e.Times, e.Since = last.Times+1, last.Since
			list = slices.Delete(list, i, i+1)
		}
		break
	}
	if list = append(list, e); len(list) <= exchangesMost {
		return list
	}
	oldest := slices.IndexFunc(list, func(e Exchange) bool {
		return e.Result != succeeded || e != lastGood(list, e.Kind)
	})
	return slices.Delete(list, oldest, oldest+1)
}

// lastGood is the last exchange of a kind that did well; zero: there is none.
func lastGood(list []Exchange, kind string) (e Exchange) {
	for _, e := range slices.Backward(list) {
		if e.Kind == kind && e.Result == succeeded {
			return e
		}
	}
	return e
}
