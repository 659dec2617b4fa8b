package xmlcdr

import (
	"bytes"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// Sides of a call: the one that began it, and the other.
const (
	Orig = iota
	Term
	sides
)

var sideNames = [sides]string{"orig", "term"}

// ReleaseSide says who ended a call.
type ReleaseSide uint8

// The sides that a call is released by.
const (
	ReleasedByUnknown ReleaseSide = iota // the attribute is left out
	ReleasedByOrig
	ReleasedByTerm
	ReleasedByNeither // a timer, or a rule of the box
)

var releaseSides = [...]string{"", "Orig", "Term", "Neither"}

// granularity is that of the times in records (seed 003).
const granularity = 100 * time.Millisecond

// Call is the record of one call. Zero times, empty texts and addresses that
// are not valid are left out.
type Call struct {
	Start           time.Time // signalling began
	Connect         time.Time // it was answered
	FirstEndRequest time.Time // the first thing that ended it: BYE, CANCEL, a refusal
	Disconnect      time.Time // of an answered call
	End             time.Time // signalling ended
	Deactivation    time.Time // billing was deactivated before the call ended
	Reason          uint32    // why it ended: a termination code of seed 003
	ReleasedBy      ReleaseSide

	BCID    []byte // of the upstream half-call
	CallID  string
	Parties [sides]Party
	// Neighbours are the adjacencies on both sides. The second has no name when
	// the call was never sent on.
	Neighbours [sides]Neighbour
	Media      Media
}

// Party is who calls or is called.
type Party struct{ Phone, URI, Domain string }

// Neighbour is the system on one side of the call.
type Neighbour struct {
	Name, Account, Transport string
	Address                  netip.AddrPort
}

// Media are the streams of the call and what became of them.
type Media struct {
	Reserved, Committed, Released time.Time
	Streams                       []Stream // none: nothing is said of media
}

// Stream is one media stream, as each side has it.
type Stream struct {
	ID    int // SF_ID of the event messages
	Kind  string
	Codec string
	Rate  uint32 // bit/s
	Flows [sides]Flow
}

// Flow is a stream on one side of the call.
type Flow struct {
	Direction     string // "sendrecv", as the local end sees it
	Local, Remote netip.AddrPort
}

// AppendTo appends the element <call> in UTF-8, each child on a line of its
// own, with a line feed behind it. Times are Unix milliseconds, cut to 100.
func (c *Call) AppendTo(b []byte) []byte {
	w := writer{*bytes.NewBuffer(b)}
	w.open("call", "starttime", stamp(c.Start), "endtime", stamp(c.End), "duration", c.duration(),
		"release_side", releaseSides[c.ReleasedBy], "bcid", hex.EncodeToString(c.BCID), "callid", c.CallID)
	for side, p := range c.Parties {
		w.element("party", "type", sideNames[side], "phone", p.Phone, "uri", p.URI, "domain", p.Domain)
	}
	for side, n := range c.Neighbours {
		if n.Name != "" {
			address, port := place(n.Address)
			w.element("adjacency", "type", sideNames[side], "name", n.Name, "account", n.Account, "address", address, "port", port, "transport", n.Transport)
		}
	}
	reason := fmt.Sprintf("%04d", c.Reason)
	for _, moment := range []struct {
		name   string
		at     time.Time
		reason string
	}{
		{"connect", c.Connect, ""},
		{"firstendrequest", c.FirstEndRequest, ""},
		{"disconnect", c.Disconnect, reason},
		{"release", c.End, reason},
		{"billingdeactivation", c.Deactivation, ""},
	} {
		if !moment.at.IsZero() {
			w.element(moment.name, "time", stamp(moment.at), "reason", moment.reason)
		}
	}
	if len(c.Media.Streams) > 0 {
		w.media(&c.Media)
	}
	w.end("call")
	return w.Bytes()
}

// duration is how long the call took from its first to its last signalling, in
// milliseconds.
func (c *Call) duration() string {
	if c.End.IsZero() {
		return ""
	}
	length := c.End.Truncate(granularity).Sub(c.Start.Truncate(granularity))
	return strconv.FormatInt(max(0, length.Milliseconds()), 10) // the clock may have been set back
}

// stamp is a time as text, empty for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.Truncate(granularity).UnixMilli(), 10)
}

// place is an address as two texts, empty for what is not known.
func place(a netip.AddrPort) (address, port string) {
	if !a.Addr().IsValid() {
		return "", ""
	}
	return a.Addr().String(), strconv.Itoa(int(a.Port()))
}

// writer writes elements.
type writer struct{ bytes.Buffer }

// media writes one QoS element with a gate for each stream.
func (w *writer) media(m *Media) {
	w.open("QoS", "reservetime", stamp(m.Reserved), "committime", stamp(m.Committed), "releasetime", stamp(m.Released))
	for _, s := range m.Streams {
		w.open("gate", "id", strconv.Itoa(s.ID))
		for _, flow := range s.Flows {
			w.open("flowinfo", "media", s.Kind, "codec", s.Codec, "bandwidth", strconv.FormatUint(uint64(s.Rate), 10), "direction", flow.Direction)
			address, port := place(flow.Local)
			w.element("local", "address", address, "port", port)
			address, port = place(flow.Remote)
			w.element("remote", "address", address, "port", port)
			w.end("flowinfo")
		}
		w.end("gate")
	}
	w.end("QoS")
}

// open writes a start tag; attributes are names and values, of which empty ones
// are left out.
func (w *writer) open(name string, attributes ...string) { w.tag(name, ">\n", attributes) }

// element writes an element without content.
func (w *writer) element(name string, attributes ...string) { w.tag(name, "/>\n", attributes) }

func (w *writer) end(name string) { w.WriteString("</" + name + ">\n") }

func (w *writer) tag(name, end string, attributes []string) {
	w.WriteString("<" + name)
	for i := 0; i < len(attributes); i += 2 {
		if value := attributes[i+1]; value != "" {
			w.WriteString(" " + attributes[i] + `="`)
			xml.EscapeText(w, []byte(value)) // a bytes.Buffer knows no errors
			w.WriteByte('"')
		}
	}
	w.WriteString(end)
}
