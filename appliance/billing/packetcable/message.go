// Package packetcable knows the event messages of PacketCable 1.5 as RADIUS
// carries them: what stands in them, octet for octet (billing requirements
// §1.3 to §1.7, §2; layouts as Wireshark and FreeRADIUS read them).
//
// An event message is a run of vendor-specific attributes: the EM_Header and
// as many behind it as its Attribute_Count says. In that form it waits in the
// cache and goes out; a RADIUS request holds one or several of them.
package packetcable

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// MessageType is the Event_Message_Type.
type MessageType uint16

// The types that a session border controller sends.
const (
	SignalingStart MessageType = 1
	SignalingStop  MessageType = 2
	QoSReserve     MessageType = 7
	QoSRelease     MessageType = 8
	CallAnswer     MessageType = 15
	CallDisconnect MessageType = 16
	TimeChange     MessageType = 17
	QoSCommit      MessageType = 19
	MediaAlive     MessageType = 20
)

var messageTypes = map[MessageType]string{
	SignalingStart: "Signaling_Start", SignalingStop: "Signaling_Stop", QoSReserve: "QoS_Reserve", QoSRelease: "QoS_Release",
	CallAnswer: "Call_Answer", CallDisconnect: "Call_Disconnect", TimeChange: "Time_Change", QoSCommit: "QoS_Commit", MediaAlive: "Media_Alive",
}

// String is the type's name in the specification.
func (t MessageType) String() string {
	if name, known := messageTypes[t]; known {
		return name
	}
	return fmt.Sprintf("Event_Message_%d", uint16(t))
}

// ElementID is the network element that sends: decimal digits on the right of
// eight characters. Other systems write it otherwise, so it is kept as it came.
type ElementID [8]byte

// NewElementID writes the number of an element, 0–99,999.
func NewElementID(number int) (id ElementID) {
	copy(id[:], fmt.Sprintf("%8d", number))
	return id
}

// String is the number without what fills it up.
func (id ElementID) String() string { return string(bytes.Trim(id[:], " \x00")) }

// Zone is the time zone of the element: '1' in daylight saving time, else '0',
// and what local time is ahead of UTC as ±HHMMSS.
type Zone [8]byte

// ZoneAt is the zone in force at t, in t's location.
func ZoneAt(t time.Time) (z Zone) {
	_, offset := t.Zone()
	z[0], z[1] = '0', '+'
	if t.IsDST() {
		z[0] = '1'
	}
	if offset < 0 {
		z[1], offset = '-', -offset
	}
	copy(z[2:], fmt.Sprintf("%02d%02d%02d", offset/3600, offset/60%60, offset%60))
	return z
}

// BCID is the Billing_Correlation_ID: what names a half-call in all of its messages.
type BCID struct {
	Seconds uint32 // since 1900 (NTP): when it was made
	Element ElementID
	Zone    Zone
	Counter uint32 // tells those of one second apart
}

// ntpEpoch is how many seconds 1900 was before 1970.
const ntpEpoch = 2_208_988_800

// NewBCID makes one. t is in the element's time zone.
func NewBCID(t time.Time, element ElementID, counter uint32) BCID {
	return BCID{Seconds: uint32(t.Unix() + ntpEpoch), Element: element, Zone: ZoneAt(t), Counter: counter}
}

const bcidSize = 24

// AppendTo appends the 24 octets of it.
func (id *BCID) AppendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, id.Seconds)
	b = append(b, id.Element[:]...)
	b = append(b, id.Zone[:]...)
	return binary.BigEndian.AppendUint32(b, id.Counter)
}

func decodeBCID(b []byte) BCID {
	return BCID{binary.BigEndian.Uint32(b), ElementID(b[4:12]), Zone(b[12:20]), binary.BigEndian.Uint32(b[20:])}
}

// EventTime is when something happened, local time as yyyymmddhhmmss.mmm.
type EventTime [18]byte

// Granularity is that of the times in records (seed 003: 100 ms).
const Granularity = 100 * time.Millisecond

// NewEventTime writes t in its location, cut to the granularity.
func NewEventTime(t time.Time) (e EventTime) {
	copy(e[:], t.Truncate(Granularity).Format("20060102150405.000"))
	return e
}

// Header is what every event message begins with.
type Header struct {
	Version     uint16 // 1
	BCID        BCID
	Type        MessageType
	ElementType uint16 // 1: call management server
	Element     ElementID
	Zone        Zone
	Sequence    uint32 // one more for each message of the element
	Time        EventTime
	Status      uint32 // of the message: errors, trust; 0: none, trusted
	Priority    uint8  // 128: none
	Object      uint8  // 0: billing
}

// What a header of ours says.
const (
	version         = 1
	elementTypeCMS  = 1
	defaultPriority = 128
)

// NewHeader makes a header of ours; at is in the element's time zone.
func NewHeader(t MessageType, id BCID, element ElementID, sequence uint32, at time.Time) Header {
	return Header{Version: version, BCID: id, Type: t, ElementType: elementTypeCMS, Element: element,
		Zone: ZoneAt(at), Sequence: sequence, Time: NewEventTime(at), Priority: defaultPriority}
}

const headerSize = 76

// appendTo appends the 76 octets of it.
func (h *Header) appendTo(b []byte, attributes int) []byte {
	b = binary.BigEndian.AppendUint16(b, h.Version)
	b = h.BCID.AppendTo(b)
	b = binary.BigEndian.AppendUint16(b, uint16(h.Type))
	b = binary.BigEndian.AppendUint16(b, h.ElementType)
	b = append(b, h.Element[:]...)
	b = append(b, h.Zone[:]...)
	b = binary.BigEndian.AppendUint32(b, h.Sequence)
	b = append(b, h.Time[:]...)
	b = binary.BigEndian.AppendUint32(b, h.Status)
	b = append(b, h.Priority)
	b = binary.BigEndian.AppendUint16(b, uint16(attributes))
	return append(b, h.Object)
}

func decodeHeader(b []byte) (h Header, attributes int) {
	return Header{
		Version:     binary.BigEndian.Uint16(b),
		BCID:        decodeBCID(b[2:]),
		Type:        MessageType(binary.BigEndian.Uint16(b[26:])),
		ElementType: binary.BigEndian.Uint16(b[28:]),
		Element:     ElementID(b[30:38]),
		Zone:        Zone(b[38:46]),
		Sequence:    binary.BigEndian.Uint32(b[46:]),
		Time:        EventTime(b[50:68]),
		Status:      binary.BigEndian.Uint32(b[68:]),
		Priority:    b[72],
		Object:      b[75],
	}, int(binary.BigEndian.Uint16(b[73:]))
}

// Message is one event message.
type Message struct {
	Header     Header
	Attributes []Attribute
}

// AppendTo appends the message as it goes out, Attribute_Count filled in.
func (m *Message) AppendTo(b []byte) []byte {
	b = appendVSA(b, CableLabs, typeHeader, headerSize)
	b = m.Header.appendTo(b, len(m.Attributes))
	for _, a := range m.Attributes {
		b = appendVSA(b, a.Vendor, a.Type, len(a.Value))
		b = append(b, a.Value...)
	}
	return b
}

// The frame of a vendor-specific attribute (RFC 2865 §5.26): type, length,
// vendor u32, vendor's type, vendor's length.
const (
	vendorSpecific = 26
	vsaHeader      = 8
	maxValue       = 247
)

// appendVSA appends the frame of a value of that size, at most maxValue.
func appendVSA(b []byte, vendor uint32, kind uint8, size int) []byte {
	b = append(b, vendorSpecific, byte(vsaHeader+size))
	b = binary.BigEndian.AppendUint32(b, vendor)
	return append(b, kind, byte(2+size))
}

// errShort says that octets are missing.
var errShort = errors.New("event message: it is cut short")

// nextVSA takes one attribute off b.
func nextVSA(b []byte) (a Attribute, rest []byte, err error) {
	switch {
	case len(b) < vsaHeader || len(b) < int(b[1]):
		return a, nil, errShort
	case b[0] != vendorSpecific:
		return a, nil, fmt.Errorf("event message: attribute %d is not vendor-specific", b[0])
	case b[1] < vsaHeader || b[7] != b[1]-6:
		return a, nil, fmt.Errorf("event message: an attribute of %d octets says it holds %d", b[1], b[7])
	}
	return Attribute{Vendor: binary.BigEndian.Uint32(b[2:]), Type: b[6], Value: b[vsaHeader:b[1]]}, b[b[1]:], nil
}

// Decode reads the message that b begins with and gives what comes behind it.
// The values point into b.
func Decode(b []byte) (m Message, rest []byte, err error) {
	head, rest, err := nextVSA(b)
	if err != nil {
		return m, nil, err
	}
	if head.Vendor != CableLabs || head.Type != typeHeader || len(head.Value) != headerSize {
		return m, nil, fmt.Errorf("event message: it begins with attribute %d of vendor %d, %d octets; want an EM_Header", head.Type, head.Vendor, len(head.Value))
	}
	h, count := decodeHeader(head.Value)
	m.Header = h
	for range count {
		var a Attribute
		if a, rest, err = nextVSA(rest); err != nil {
			return m, nil, err
		}
		if a.Vendor == CableLabs && a.Type == typeHeader {
			return m, nil, fmt.Errorf("event message: Attribute_Count is %d, but the next message begins after %d", count, len(m.Attributes))
		}
		m.Attributes = append(m.Attributes, a)
	}
	return m, rest, nil
}
