package trace

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"causeway/appliance/model"
	"causeway/appliance/sip/message"
)

// Filter picks calls: from the first message that has all of what is set, all
// messages with its Call-ID are traced, on whichever side of the box. The zero
// value picks everything.
type Filter struct {
	Address   netip.Prefix `json:"address,omitzero"`    // of the neighbour
	CallID    string       `json:"call_id,omitempty"`   //
	Method    string       `json:"method,omitempty"`    // of a response that of its CSeq
	User      string       `json:"user,omitempty"`      // user part or number in From, To or the Request-URI
	Transport string       `json:"transport,omitempty"` // name of a model.Transport
}

// String is the filter as it is typed; empty for the zero value.
func (f Filter) String() string {
	var words []string
	add := func(word, value string) {
		if value != "" {
			words = append(words, word, value)
		}
	}
	if f.Address.IsValid() {
		add("address", f.Address.String())
	}
	add("call", f.CallID)
	add("method", f.Method)
	add("user", f.User)
	add("transport", f.Transport)
	return strings.Join(words, " ")
}

// check says what nothing can match.
func (f Filter) check() error {
	known := slices.ContainsFunc(model.Transports[:], func(t model.Transport) bool { return t.String() == f.Transport })
	if f.Transport != "" && !known {
		return fmt.Errorf("trace messages over %s: there is no such transport", f.Transport)
	}
	if f.Address != f.Address.Masked() {
		return fmt.Errorf("trace messages of %v: %v is the network", f.Address, f.Address.Masked())
	}
	return nil
}

// wants says whether a message is to be kept.
func (j *job) wants(t model.Transport, remote netip.AddrPort, payload []byte) bool {
	if j.filter == (Filter{}) {
		return true
	}
	m := j.views.Get().(*message.Message)
	defer func() {
		m.Raw = nil // it is the caller's
		j.views.Put(m)
	}()
	m.Parse(payload) // what cannot be read still comes from an address
	callID := m.Get(m.CallID)
	if j.calls.followed(callID) {
		return true
	}
	if !j.filter.fits(t, remote, m) {
		return false
	}
	j.calls.follow(callID)
	return true
}

// fits says whether a message has all that is set.
func (f *Filter) fits(t model.Transport, remote netip.AddrPort, m *message.Message) bool {
	switch {
	case f.Address.IsValid() && !f.Address.Contains(remote.Addr().Unmap()):
	case f.Transport != "" && f.Transport != t.String():
	case f.CallID != "" && f.CallID != string(m.Get(m.CallID)):
	case f.Method != "" && f.Method != string(m.Get(m.CSeqMethodName)):
	case f.User != "" && !concerns(m, f.User):
	default:
		return true
	}
	return false
}

// concerns says whether a user is one of the parties.
func concerns(m *message.Message, user string) bool {
	for _, at := range [...]message.Span{m.URI, m.FromURI, m.ToURI} {
		if uri, err := message.ParseURI(m.Raw, at); err == nil && string(uri.User.In(m.Raw)) == user {
			return true
		}
	}
	return false
}

// calls are the Call-IDs that were picked, by their hash. In a place that two
// of them share the newer one is followed.
type calls struct {
	seed   maphash.Seed
	hashes [4096]atomic.Uint64
}

// followed says whether a call was picked. Nothing is no Call-ID.
func (c *calls) followed(callID []byte) bool {
	hash := maphash.Bytes(c.seed, callID)
	return len(callID) > 0 && c.hashes[hash%uint64(len(c.hashes))].Load() == hash
}

// follow picks a call.
func (c *calls) follow(callID []byte) {
	hash := maphash.Bytes(c.seed, callID)
	c.hashes[hash%uint64(len(c.hashes))].Store(hash)
}
