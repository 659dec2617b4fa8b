package radius

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2866"
	"layeh.com/radius/rfc2869"
	"layeh.com/radius/rfc3162"
)

// A packet (RFC 2865 §3): code, identifier, length, authenticator, attributes.
const (
	lengthAt         = 2
	authenticatorAt  = 4
	attributesAt     = 20
	maxPacket        = radius.MaxPacketLength
	messageAuthValue = md5.Size
)

// Octets of a record that fit into one request beside everything else.
const (
	MaxAttributes = 4000
	MaxSession    = 44
)

// record is what one request carries.
type record struct {
	session    string
	attributes []byte
	probe      bool // a Status-Server request, which carries neither
}

// appendRequest appends an Accounting-Request. Its authenticator covers all of
// it with the secret (RFC 2866 §3), so there is no Message-Authenticator in it.
// Nor is there an Acct-Delay-Time, which would make a new request of each
// retransmission.
func appendRequest(b []byte, id byte, r *record, nas []byte, now time.Time, secret []byte) []byte {
	b = append(b, byte(radius.CodeAccountingRequest), id)
	b = append(b, make([]byte, attributesAt-lengthAt)...)
	b = append(b, byte(rfc2866.AcctStatusType_Type), 6, 0, 0, 0, byte(rfc2866.AcctStatusType_Value_InterimUpdate))
	b = append(b, byte(rfc2866.AcctSessionID_Type), byte(2+len(r.session)))
	b = append(b, r.session...)
	b = append(b, nas...)
	b = append(b, byte(rfc2869.EventTimestamp_Type), 6)
	b = binary.BigEndian.AppendUint32(b, uint32(now.Unix()))
	b = append(b, r.attributes...)
	binary.BigEndian.PutUint16(b[lengthAt:], uint16(len(b)))
	sum := md5.Sum(append(b, secret...))
	copy(b[authenticatorAt:], sum[:])
	return b
}

// appendStatusServer appends a Status-Server request (RFC 5997 §3): a random
// authenticator, and a Message-Authenticator (RFC 3579 §3.2) that proves who asks.
func appendStatusServer(b []byte, id byte, nas, secret []byte) []byte {
	b = append(b, byte(radius.CodeStatusServer), id)
	b = append(b, make([]byte, attributesAt-lengthAt)...)
	rand.Read(b[authenticatorAt:attributesAt])
	b = append(b, nas...)
	b = append(b, byte(rfc2869.MessageAuthenticator_Type), 2+messageAuthValue)
	b = append(b, make([]byte, messageAuthValue)...)
	binary.BigEndian.PutUint16(b[lengthAt:], uint16(len(b)))
	sum := hmac.New(md5.New, secret)
	sum.Write(b)
	sum.Sum(b[:len(b)-messageAuthValue])
	return b
}

// nasAttribute is the attribute that says who sends: NAS-IP-Address,
// NAS-IPv6-Address (RFC 3162 §2.1), or, for want of an address, NAS-Identifier
// with as much of the name as an IPv6 address takes (RFC 2866 §4.1 wants one of
// them).
func nasAttribute(address netip.Addr, name string) []byte {
	kind, value := rfc2865.NASIdentifier_Type, []byte(name)[:min(len(name), net.IPv6len)]
	if address.IsValid() {
		kind, value = rfc3162.NASIPv6Address_Type, address.AsSlice()
		if address = address.Unmap(); address.Is4() {
			kind, value = rfc2865.NASIPAddress_Type, address.AsSlice()
		}
	}
	return append([]byte{byte(kind), byte(2 + len(value))}, value...)
}

// Why a packet from a server is no answer: the counters of RFC 4670.
var (
	errMalformed        = errors.New("malformed answer")
	errUnknownType      = errors.New("answer of an unknown type")
	errBadAuthenticator = errors.New("answer with a wrong authenticator: is the key the server's?")
	errUnmatched        = errors.New("answer to no request that waits for one")
)

// parseAnswer gives back the packet in b without padding, once its form is
// that of an Accounting-Response. Nothing of it is proven yet.
func parseAnswer(b []byte) ([]byte, error) {
	if len(b) < attributesAt {
		return nil, errMalformed
	}
	length := int(binary.BigEndian.Uint16(b[lengthAt:]))
	if length < attributesAt || length > maxPacket || length > len(b) {
		return nil, errMalformed
	}
	b = b[:length]
	for rest := b[attributesAt:]; len(rest) > 0; rest = rest[rest[1]:] {
		if len(rest) < 2 || rest[1] < 2 || int(rest[1]) > len(rest) {
			return nil, errMalformed
		}
	}
	if radius.Code(b[0]) != radius.CodeAccountingResponse {
		return nil, errUnknownType
	}
	return b, nil
}

// authentic says whether a parsed answer is to that request and from one who
// knows the secret: by the response authenticator (RFC 2866 §3), and by the
// Message-Authenticator where there is one (RFC 3579 §3.2).
func authentic(answer, request, secret []byte) bool {
	if !radius.IsAuthenticResponse(answer, request, secret) {
		return false
	}
	for at := attributesAt; at < len(answer); at += int(answer[at+1]) {
		if radius.Type(answer[at]) != rfc2869.MessageAuthenticator_Type {
			continue
		}
		if answer[at+1] != 2+messageAuthValue {
			return false
		}
		value := answer[at+2 : at+2+messageAuthValue]
		sum := hmac.New(md5.New, secret)
		sum.Write(answer[:authenticatorAt])
		sum.Write(request[authenticatorAt:attributesAt])
		sum.Write(answer[attributesAt : at+2])
		sum.Write(make([]byte, messageAuthValue))
		sum.Write(answer[at+2+messageAuthValue:])
		if !hmac.Equal(sum.Sum(nil), value) {
			return false
		}
	}
	return true
}
