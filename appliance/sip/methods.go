package sip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// Transaction is one transaction, as proxy.transactions gives it.
type Transaction struct {
	Server bool          `json:"server"` // else client
	Method string        `json:"method"` // "INVITE", or "other"
	State  string        `json:"state"`
	Peer   string        `json:"peer"`  // "udp 192.0.2.1:5060"
	Timer  time.Duration `json:"timer"` // until the next thing happens by itself; 0: nothing will
}

// Transactions are the oldest of all transactions, and how many there are.
type Transactions struct {
	Total int           `json:"total"`
	Some  []Transaction `json:"some"`
}

// Calls are the longest of all open calls, and how many there are.
type Calls struct {
	Total int              `json:"total"`
	Some  []model.OpenCall `json:"some"`
}

// someMost bounds what one answer lists.
const someMost = 500

// Keys name calls, as model.CallKey writes them.
type Keys struct {
	Keys []string `json:"keys"`
}

// Methods are what the proxy serves of its core. Calls tell who talks to whom:
// they are for operators.
func (p *Proxy) Methods() link.Methods {
	return link.Methods{
		"proxy.adjacency-calls": func(context.Context) (map[string]*model.AdjacencyTraffic, error) { return p.adjacencyCalls(), nil },
		"proxy.calls":           link.ForOperators(func(context.Context, struct{}) (Calls, error) { return p.openCalls(), nil }),
		"proxy.call-history":    link.ForOperators(p.history),
		"proxy.transactions":    link.ForOperators(func(context.Context, struct{}) (Transactions, error) { return p.transactions(), nil }),
		"proxy.connections":     link.ForOperators(func(context.Context, struct{}) ([]model.SIPConnection, error) { return p.streams.Connections(), nil }),
	}
}

// Gone gives those of the calls that the proxy does not know any more: their
// end was seen by nobody, or it is recorded by now. The error says that what an
// earlier life of the process left open is not known yet.
func (p *Proxy) Gone(asked Keys) (gone Keys, err error) {
	open := map[model.CallKey]bool{}
	p.restoredMu.Lock() // before the shards: that is the way a call goes
	known := p.restored != nil
	for key := range p.restored {
		open[key] = true
	}
	p.restoredMu.Unlock()
	if !known {
		return Keys{}, errors.New("the calls of an earlier life of the proxy are not known yet")
	}
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		for key := range s.calls {
			open[key] = true
		}
		s.mu.Unlock()
	}
	for _, text := range asked.Keys {
		key, err := model.ParseCallKey(text)
		if err != nil {
			return Keys{}, err
		}
		if !open[key] {
			gone.Keys = append(gone.Keys, text)
		}
	}
	return gone, nil
}

// Speaks says whether requests can be sent over t to addresses of IPv6, or of
// IPv4.
func (p *Proxy) Speaks(t model.Transport, ipv6 bool) bool {
	for place := range p.config.Load().own {
		if place.Transport == t && place.Address.Addr().Is6() == ipv6 {
			return true
		}
	}
	return false
}

// openCalls lists the open calls. Those of an earlier life of the process are
// counted only: nothing but their keys is known of them. URIs have neither
// password nor parameters.
func (p *Proxy) openCalls() Calls {
	var calls Calls
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		for _, c := range s.calls {
			calls.Some = append(calls.Some, c.open())
		}
		s.mu.Unlock()
	}
	p.restoredMu.Lock()
	calls.Total = len(calls.Some) + len(p.restored)
	p.restoredMu.Unlock()
	slices.SortFunc(calls.Some, func(a, b model.OpenCall) int { return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.Key, b.Key)) })
	calls.Some = calls.Some[:min(len(calls.Some), someMost)]
	for i := range calls.Some {
		c := &calls.Some[i]
		c.From, c.To = plain(c.From), plain(c.To)
	}
	return calls
}

// CallsByElement counts the open calls by the element that they went to. Those
// of an earlier life of the process are not among them.
func (p *Proxy) CallsByElement() map[hop.Element]int {
	open := make(map[hop.Element]int)
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		for _, c := range s.calls {
			if c.out.element != nil {
				open[c.out.element]++
			}
		}
		s.mu.Unlock()
	}
	return open
}

func (c *call) open() model.OpenCall {
	return model.OpenCall{Key: c.key.String(), CallID: c.callID, From: c.from, To: c.to, Began: c.began, Answered: c.answer,
		Caller: c.in.show(), Callee: c.out.show()}
}

func (s *side) show() (shown model.CallSide) {
	shown.Network, shown.Adjacency = s.names()
	shown.Peer = peerOf(s.place())
	return shown
}

// names are those of the SIP network and the adjacency, empty where nothing is
// known of the side.
func (s *side) names() (network, adjacency string) {
	if s.listen != nil {
		network = s.listen.network.name
	}
	return network, adjacencyName(s.adjacency)
}

// place is where the neighbour is; the zero value: nowhere yet.
func (f flow) place() (at hop.Place) {
	if f.listen != nil {
		at = hop.Place{Transport: f.listen.Transport, Address: f.to}
	}
	return at
}

// peerOf is a place for people: "udp 192.0.2.1:5060"; empty if it is none.
func peerOf(at hop.Place) string {
	if !at.Address.IsValid() {
		return ""
	}
	return fmt.Sprintf("%v %v", at.Transport, at.Address)
}

var serverStates = [...]string{
	serverProceeding: "proceeding", serverAccepted: "accepted", serverCompleted: "completed", serverConfirmed: "confirmed",
}

var clientStates = [...]string{
	clientCalling: "calling", clientProceeding: "proceeding", clientAccepted: "accepted", clientCompleted: "completed",
}

func (p *Proxy) transactions() Transactions {
	var all Transactions
	now := p.now()
	add := func(t Transaction, armed *timer) {
		if all.Total++; len(all.Some) == someMost {
			return
		}
		if armed.next != nil {
			t.Timer = max(0, armed.at-now)
		}
		all.Some = append(all.Some, t)
	}
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		for _, t := range s.servers {
			add(Transaction{true, methodOf(t.invite), serverStates[t.state], peerOf(t.back.place()), 0}, &t.timer)
		}
		for _, t := range s.clients {
			if t != nil {
				add(Transaction{false, methodOf(t.invite), clientStates[t.state], peerOf(t.to.place()), 0}, &t.timer)
			}
		}
		s.mu.Unlock()
	}
	return all
}

func methodOf(invite bool) string {
	if invite {
		return "INVITE"
	}
	return "other"
}
