package packetcable

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// CableLabs is the vendor whose attributes event messages are made of.
const CableLabs = 4491

// Attribute is one vendor-specific attribute.
type Attribute struct {
	Vendor uint32
	Type   uint8
	Value  []byte // at most 247 octets
}

// The types of CableLabs' attributes that we send.
const (
	typeHeader           = 1
	TypeEndpointName     = 3
	TypeCallingNumber    = 4
	TypeCalledNumber     = 5
	TypeTerminationCause = 11
	TypeRelatedBCID      = 13
	TypeChargeNumber     = 16
	TypeRoutingNumber    = 25
	TypeSFID             = 30
	TypeQoSDescriptor    = 32
	TypeDirection        = 37
	TypeTimeAdjustment   = 38
	TypeFlowDirection    = 50
	TypeAccountCode      = 80
)

// Values of Direction_indicator and Flow_Direction.
const (
	Originating = 1
	Terminating = 2

	Upstream   = 1
	Downstream = 2
)

// Endpoint is an MTA_Endpoint_Name.
func Endpoint(name string) Attribute { return text(TypeEndpointName, name) }

// Account is an Account_Code.
func Account(code string) Attribute { return text(TypeAccountCode, code) }

func text(kind uint8, s string) Attribute {
	return Attribute{CableLabs, kind, []byte(s[:min(len(s), maxValue)])}
}

// numberSize is the width of the attributes that hold a telephone number.
const numberSize = 20

// Number is one of the attributes that hold a telephone number: digits on the
// right of 20 characters. Of a longer one the last 20 stand.
func Number(kind uint8, digits string) Attribute {
	digits = digits[max(0, len(digits)-numberSize):]
	return Attribute{CableLabs, kind, []byte(strings.Repeat(" ", numberSize-len(digits)) + digits)}
}

// Small is one of the attributes that hold a number of two octets.
func Small(kind uint8, value uint16) Attribute {
	return Attribute{CableLabs, kind, binary.BigEndian.AppendUint16(nil, value)}
}

// SFID is the SF_ID of a media stream.
func SFID(id uint32) Attribute {
	return Attribute{CableLabs, TypeSFID, binary.BigEndian.AppendUint32(nil, id)}
}

// sourceBAF is the Source_Document whose causes we use.
const sourceBAF = 1

// TerminationCause is the Call_Termination_Cause of one of the codes of seed
// 003, table 1.
func TerminationCause(code uint32) Attribute {
	return Attribute{CableLabs, TypeTerminationCause, binary.BigEndian.AppendUint32([]byte{0, sourceBAF}, code)}
}

// RelatedBCID names the other half of the call.
func RelatedBCID(id BCID) Attribute {
	return Attribute{CableLabs, TypeRelatedBCID, id.AppendTo(make([]byte, 0, bcidSize))}
}

// TimeAdjustment says by how much the clock was set ahead; below zero: back.
func TimeAdjustment(ahead time.Duration) Attribute {
	return Attribute{CableLabs, TypeTimeAdjustment, binary.BigEndian.AppendUint64(nil, uint64(ahead.Milliseconds()))}
}

// State of a QoS_Descriptor: is what the stream may use reserved, or in use.
type State uint32

// The states.
const (
	Reserved          State = 1
	Activated         State = 2
	ReservedActivated State = 3
)

// Parameters of a QoS_Descriptor: the bits of those that stand in it.
const (
	hasMaximumRate = 1 << 8
	hasTOS         = 1 << 16
)

// QoS is a QoS_Descriptor: the state, the greatest rate in bit/s and the octet
// that packets are marked with (IPv4's type of service).
func QoS(state State, rate, tos uint32) Attribute {
	b := binary.BigEndian.AppendUint32(nil, uint32(state)|hasMaximumRate|hasTOS)
	b = append(b, make([]byte, 16)...) // Service_Class_Name
	b = binary.BigEndian.AppendUint32(b, rate)
	return Attribute{CableLabs, TypeQoSDescriptor, binary.BigEndian.AppendUint32(b, tos)}
}

// Cause reads a TerminationCause.
func (a Attribute) Cause() (code uint32, err error) {
	if a.Type != TypeTerminationCause || len(a.Value) != 6 {
		return 0, fmt.Errorf("attribute %d of %d octets is no Call_Termination_Cause", a.Type, len(a.Value))
	}
	return binary.BigEndian.Uint32(a.Value[2:]), nil
}
