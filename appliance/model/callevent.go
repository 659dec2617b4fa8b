package model

import (
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// CallKey is the identity of a call: it travels in our Record-Route and stands
// in the journal, so that a call is still known after a restart. It is made
// once, when the call is offered.
type CallKey [12]byte

// CallKeyText is the length of a CallKey as text, in characters.
const CallKeyText = 20

// keyText is lower case without padding: such text is a SIP token (RFC 3261
// §25.1) and stands in a URI parameter as it is.
var keyText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// String is the key as CallKeyText characters of lower-case base32.
func (k CallKey) String() string { return keyText.EncodeToString(k[:]) }

// AppendText appends what String gives, without allocating.
func (k CallKey) AppendText(b []byte) ([]byte, error) { return keyText.AppendEncode(b, k[:]), nil }

// ParseCallKey reads the text of String. Any other text is an error, so two
// texts never name the same call.
func ParseCallKey[T string | []byte](text T) (CallKey, error) {
	var k CallKey
	var buf [CallKeyText]byte
	if copy(buf[:], text) != len(text) || len(text) != CallKeyText {
		return CallKey{}, fmt.Errorf("call key of %d characters; want %d", len(text), CallKeyText)
	}
	if _, err := keyText.Decode(k[:], buf[:]); err != nil {
		return CallKey{}, fmt.Errorf("call key: %w", err)
	}
	var again [CallKeyText]byte
	keyText.Encode(again[:], k[:])
	if again != buf {
		return CallKey{}, errors.New("call key: unused bits are set")
	}
	return k, nil
}

// CallEventKind says what happened to a call. Values are part of the journal's
// format: never renumber them.
type CallEventKind uint8

// A call is offered once. It is then either refused or routed, and ends once,
// whatever the forks; between, the others may come in any number.
const (
	CallOffered      CallEventKind = 1 // an initial INVITE came in: all texts of the caller's side, SDP of the offer
	CallRefused      CallEventKind = 2 // we refused it: Status, Cause, Rule
	CallRouted       CallEventKind = 3 // it was sent on: RequestURI as sent, Network, Peer and Transport of the callee's side, Billing; once more before CallEnded if the final response is an earlier branch's
	CallProvisional  CallEventKind = 4 // 101–199 came back: Status, SDP if any
	CallAnswered     CallEventKind = 5 // 2xx came back: Status; of the branch that answered all that CallRouted has; SDP if any
	CallMediaChanged CallEventKind = 6 // re-INVITE, UPDATE or the ACK of a late offer: Offer, SDP (the answer), CalleeOffered
	CallDisconnect   CallEventKind = 7 // somebody ended an answered call: Cause
	CallEnded        CallEventKind = 8 // nothing more will come: Cause, Status of the final response
)

var callEventKinds = [...]string{
	CallOffered: "offered", CallRefused: "refused", CallRouted: "routed", CallProvisional: "provisional",
	CallAnswered: "answered", CallMediaChanged: "media-changed", CallDisconnect: "disconnect", CallEnded: "ended",
}

// String is the kind's printed name, as in the counters of billing.status.
func (k CallEventKind) String() string {
	if k == 0 || int(k) >= len(callEventKinds) {
		return fmt.Sprintf("kind-%d", uint8(k))
	}
	return callEventKinds[k]
}

// Ends reports whether a call is over with this event.
func (k CallEventKind) Ends() bool { return k == CallRefused || k == CallEnded }

// EndCause says who or what ended a call. Values are part of the journal's
// format: never renumber them.
type EndCause uint16

// Why calls end.
const (
	EndUnknown      EndCause = 0
	EndCallerHungUp EndCause = 1 // BYE from the caller
	EndCalleeHungUp EndCause = 2 // BYE from the callee
	EndCancelled    EndCause = 3 // CANCEL from the caller before the answer
	EndFailed       EndCause = 4 // a final response of 300 or more; Status has it
	EndTimer        EndCause = 5 // timer B or C (RFC 3261 §16.6, §17.1.1.2) ran out
	EndRule         EndCause = 6 // refused by one of our rules; Rule names it
	EndStale        EndCause = 7 // found dead: it ended while nobody was there to see it
)

var endCauses = [...]string{
	EndUnknown: "unknown", EndCallerHungUp: "caller-hung-up", EndCalleeHungUp: "callee-hung-up", EndCancelled: "cancelled",
	EndFailed: "failed", EndTimer: "timer", EndRule: "rule", EndStale: "stale",
}

// String is the cause's printed name.
func (c EndCause) String() string {
	if int(c) >= len(endCauses) {
		return fmt.Sprintf("cause-%d", uint16(c))
	}
	return endCauses[c]
}

// CallEvent is one step in a call's life, from the SIP core through the
// journal to billing. The texts are as they stood in the message; which ones a
// kind carries is said beside the kind. They belong to whoever made the event:
// AppendTo copies from them, Decode makes them point into its argument.
type CallEvent struct {
	Kind   CallEventKind
	Key    CallKey
	Time   time.Time // wall clock, 1678–2262, kept to the nanosecond
	Status uint16    // SIP status code, 100–699; 0 if there was none
	Cause  EndCause

	CallID     []byte
	From       []byte // the header field's value, tag included
	To         []byte
	RequestURI []byte
	Network    []byte // name of the SIP network
	Peer       []byte // address and port the packet came from or went to, "192.0.2.1:5060"
	Rule       []byte // what refused the call
	SDP        []byte
	Adjacency  []byte // name of the neighbour on that side
	Account    []byte // of the neighbour
	Transport  []byte // "UDP", "TCP", "TLS", "WS", "WSS"
	Offer      []byte // the SDP that SDP answers

	Billing       CallBilling // as call admission control says
	CalleeOffered bool        // Offer is the callee's
}

// Bounds of an encoded event, in octets. Longer texts are cut: a record must
// have a known greatest size, or no room could be reserved for it.
const (
	MaxCallText = 255
	MaxCallSDP  = 2048

	callEventHeader = 1 + 1 + len(CallKey{}) + 8 + 2 + 2
	callTextHeader  = 1 + 2 // tag; a length up to 16,383
	callFlags       = 1 + 1 + 1
	shortTexts      = callTexts - 2 // all but the SDPs

	// MaxBareCallEvent is what an event without any text takes.
	MaxBareCallEvent = callEventHeader
	// MaxPlainCallEvent is the most that an event without SDP takes.
	MaxPlainCallEvent = callEventHeader + callFlags + shortTexts*(callTextHeader+MaxCallText)
	// MaxOneSDPCallEvent is the most that an event without Offer takes.
	MaxOneSDPCallEvent = MaxPlainCallEvent + callTextHeader + MaxCallSDP
	// MaxMediaCallEvent is the most that a CallMediaChanged takes.
	MaxMediaCallEvent = callEventHeader + callFlags + 2*(callTextHeader+MaxCallSDP)
	// MaxCallEvent is the most that any event takes.
	MaxCallEvent = MaxOneSDPCallEvent + callTextHeader + MaxCallSDP
)

const callEventVersion = 1

// Tags of the texts on the wire, 1 to callTexts.
const (
	tagCallID = 1 + iota
	tagFrom
	tagTo
	tagRequestURI
	tagNetwork
	tagPeer
	tagRule
	tagSDP
	tagAdjacency
	tagAccount
	tagTransport
	tagOffer
	callTexts = tagOffer
	tagFlags  = 255 // one octet of the bits below; not there: 0
)

const (
	flagFiltered = 1 << iota
	flagXML
	flagPacketCable
	flagCalleeOffered
)

// text gives the field with that tag, or nil.
func (e *CallEvent) text(tag int) *[]byte {
	switch tag {
	case tagCallID:
		return &e.CallID
	case tagFrom:
		return &e.From
	case tagTo:
		return &e.To
	case tagRequestURI:
		return &e.RequestURI
	case tagNetwork:
		return &e.Network
	case tagPeer:
		return &e.Peer
	case tagRule:
		return &e.Rule
	case tagSDP:
		return &e.SDP
	case tagAdjacency:
		return &e.Adjacency
	case tagAccount:
		return &e.Account
	case tagTransport:
		return &e.Transport
	case tagOffer:
		return &e.Offer
	}
	return nil
}

// AppendTo appends the event as it stands in the journal, at most MaxCallEvent
// octets, and allocates only if b has no room. Integers are little-endian:
//
//	version u8 = 1, kind u8, key [12], time i64 (Unix ns), status u16, cause u16,
//	then for each text that is not empty: tag u8, length uvarint, octets,
//	and the flags as a text of one octet
func (e *CallEvent) AppendTo(b []byte) []byte {
	b = append(b, callEventVersion, byte(e.Kind))
	b = append(b, e.Key[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Time.UnixNano()))
	b = binary.LittleEndian.AppendUint16(b, e.Status)
	b = binary.LittleEndian.AppendUint16(b, uint16(e.Cause))
	for tag := 1; tag <= callTexts; tag++ {
		text := *e.text(tag)
		limit := MaxCallText
		if tag == tagSDP || tag == tagOffer {
			limit = MaxCallSDP
		}
		text = text[:min(len(text), limit)]
		if len(text) == 0 {
			continue
		}
		b = append(b, byte(tag))
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	if flags := e.flags(); flags != 0 {
		b = append(b, tagFlags, 1, flags)
	}
	return b
}

// flag is a bit of the flags and what it stands for.
type flag struct {
	bit byte
	set *bool
}

func (e *CallEvent) flagged() [4]flag {
	return [...]flag{{flagFiltered, &e.Billing.Filtered}, {flagXML, &e.Billing.XML},
		{flagPacketCable, &e.Billing.PacketCable}, {flagCalleeOffered, &e.CalleeOffered}}
}

func (e *CallEvent) flags() (flags byte) {
	for _, f := range e.flagged() {
		if *f.set {
			flags |= f.bit
		}
	}
	return flags
}

func (e *CallEvent) setFlags(flags byte) {
	for _, f := range e.flagged() {
		*f.set = flags&f.bit != 0
	}
}

// Errors of Decode.
var (
	errCallEventShort   = errors.New("call event is cut short")
	errCallEventVersion = errors.New("call event of an unknown version")
)

// Decode reads what AppendTo wrote and replaces *e; its texts point into b.
// Texts with a tag this version does not know are skipped. On error *e is
// undefined.
func (e *CallEvent) Decode(b []byte) error {
	if len(b) < callEventHeader {
		return errCallEventShort
	}
	if b[0] != callEventVersion {
		return fmt.Errorf("%w: %d", errCallEventVersion, b[0])
	}
	*e = CallEvent{
		Kind:   CallEventKind(b[1]),
		Key:    CallKey(b[2:14]),
		Time:   time.Unix(0, int64(binary.LittleEndian.Uint64(b[14:]))).UTC(),
		Status: binary.LittleEndian.Uint16(b[22:]),
		Cause:  EndCause(binary.LittleEndian.Uint16(b[24:])),
	}
	for b = b[callEventHeader:]; len(b) > 0; {
		length, n := binary.Uvarint(b[1:])
		if n <= 0 || length > uint64(len(b)-1-n) {
			return errCallEventShort
		}
		end := 1 + n + int(length)
		if b[0] == tagFlags && length == 1 {
			e.setFlags(b[1+n])
		}
		if field := e.text(int(b[0])); field != nil {
			*field = b[1+n : end : end]
		}
		b = b[end:]
	}
	return nil
}
