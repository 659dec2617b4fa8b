package access

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"

	"causeway/appliance/model"
)

// How long a server is waited for, and how often it is asked.
const (
	answerLimit = 3 * time.Second
	askTimes    = 2
)

// errNoAnswer means that no RADIUS server has said anything.
var errNoAnswer = errors.New("no answer")

// radiusClient asks RADIUS servers who may log in (RFC 2865). Requests and
// answers are signed with Message-Authenticator, first in the packet, and
// answers without are dropped: nobody on the way makes a refusal an acceptance
// (RFC 3579 §3.2; Blast-RADIUS).
type radiusClient struct {
	lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
	open   func(stored string) (string, error)
	log    *slog.Logger
}

// ask asks the servers, one after the other, until one answers. The error is an
// errWrong when it refuses, errNoAnswer when none answers, or that of ctx.
func (c radiusClient) ask(ctx context.Context, servers []model.LoginServer, t attempt) (groups []string, err error) {
	for _, server := range servers {
		answer, err := c.askServer(ctx, server, t)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			c.log.Warn("RADIUS server does not answer", "server", server.Host, "error", err)
			continue
		case answer.Code == radius.CodeAccessAccept:
			return groupsOf(answer), nil
		case answer.Code == radius.CodeAccessChallenge:
			return nil, fmt.Errorf("%w: RADIUS server %s asks for more than a password", errWrong, server.Host)
		}
		return nil, fmt.Errorf("%w: refused by RADIUS server %s", errWrong, server.Host)
	}
	return nil, errNoAnswer
}

// askServer asks one server.
func (c radiusClient) askServer(ctx context.Context, server model.LoginServer, t attempt) (*radius.Packet, error) {
	secret, err := c.open(server.Key)
	if err != nil {
		return nil, err
	}
	addresses, err := c.lookup(ctx, server.Host)
	if err != nil {
		return nil, err
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("%s has no address", server.Host)
	}
	request, err := newRequest(t, []byte(secret))
	if err != nil {
		return nil, err
	}
	conn, err := c.dial(ctx, "udp", net.JoinHostPort(addresses[0].String(), strconv.Itoa(server.Port)))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	defer stop()
	for range askTimes {
		var answer *radius.Packet
		if answer, err = exchange(conn, request, []byte(secret)); err == nil || ctx.Err() != nil {
			return answer, err
		}
	}
	return nil, err
}

// exchange sends a request and waits for its answer. What is no answer to it is
// dropped, as anybody may have sent it.
func exchange(conn net.Conn, request, secret []byte) (*radius.Packet, error) {
	if err := conn.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return nil, err
	}
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	buffer := make([]byte, radius.MaxPacketLength)
	var dropped error
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return nil, errors.Join(err, dropped)
		}
		answer, err := parseAnswer(buffer[:n], request, secret)
		if err == nil {
			return answer, nil
		}
		dropped = err
	}
}

// newRequest makes an Access-Request. The server is told the name of the box and
// where the user is, as far as that is an address.
func newRequest(t attempt, secret []byte) ([]byte, error) {
	p := radius.New(radius.CodeAccessRequest, secret)
	p.Add(rfc2869.MessageAuthenticator_Type, make(radius.Attribute, md5.Size))
	var caller error
	if from, ok := callerOf(t.origin); ok {
		caller = rfc2865.CallingStationID_SetString(p, from)
	}
	err := errors.Join(
		rfc2865.UserName_SetString(p, t.user),
		rfc2865.UserPassword_SetString(p, t.password),
		rfc2865.NASIdentifier_SetString(p, cmp.Or(t.host, "causeway")), // one must be there (§4.1)
		rfc2865.ServiceType_Set(p, rfc2865.ServiceType_Value_LoginUser),
		caller,
	)
	if err != nil {
		return nil, fmt.Errorf("make a RADIUS request: %w", err)
	}
	encoded, err := p.Encode()
	if err != nil {
		return nil, fmt.Errorf("make a RADIUS request: %w", err)
	}
	copy(encoded[signatureAt:], sign(encoded, secret))
	return encoded, nil
}

// Where things are in a packet (RFC 2865 §3); our Message-Authenticator is the
// first attribute.
const (
	lengthAt        = 2
	authenticatorAt = 4
	attributesAt    = 20
	signatureAt     = attributesAt + 2
)

// sign gives the Message-Authenticator of a packet in which it is zero.
func sign(packet, secret []byte) []byte {
	sum := hmac.New(md5.New, secret)
	sum.Write(packet)
	return sum.Sum(nil)
}

// callerOf is the address in an origin such as "ssh 192.0.2.7:50122".
func callerOf(origin string) (string, bool) {
	_, from, _ := strings.Cut(origin, " ")
	at, err := netip.ParseAddrPort(from)
	return at.Addr().String(), err == nil
}

// parseAnswer gives the answer to a request, if it is one and comes from who
// knows the secret.
func parseAnswer(packet, request, secret []byte) (*radius.Packet, error) {
	p, err := radius.Parse(packet, secret)
	if err != nil {
		return nil, fmt.Errorf("malformed answer: %w", err)
	}
	packet = packet[:int(packet[lengthAt])<<8|int(packet[lengthAt+1])] // without padding
	if packet[1] != request[1] || !radius.IsAuthenticResponse(packet, request, secret) {
		return nil, errors.New("answer with a wrong authenticator: is the key the server's?")
	}
	if !isSigned(packet, request, secret) {
		return nil, errors.New("answer without a right Message-Authenticator, which the server must send")
	}
	switch p.Code {
	case radius.CodeAccessAccept, radius.CodeAccessReject, radius.CodeAccessChallenge:
		return p, nil
	}
	return nil, fmt.Errorf("answer of an unexpected type: %v", p.Code)
}

// isSigned says whether a packet that radius.Parse takes has one
// Message-Authenticator, and a right one (RFC 3579 §3.2).
func isSigned(packet, request, secret []byte) bool {
	unsigned := bytes.Clone(packet)
	copy(unsigned[authenticatorAt:attributesAt], request[authenticatorAt:attributesAt])
	var signature []byte
	for at := attributesAt; at < len(packet); at += int(packet[at+1]) {
		if radius.Type(packet[at]) != rfc2869.MessageAuthenticator_Type {
			continue
		}
		if signature != nil || packet[at+1] != 2+md5.Size {
			return false
		}
		signature = packet[at+2 : at+2+md5.Size]
		clear(unsigned[at+2 : at+2+md5.Size])
	}
	return signature != nil && hmac.Equal(signature, sign(unsigned, secret))
}

// What servers write for a user who may do all.
const (
	ciscoVendor   = 9
	ciscoAVPair   = 1
	privilegedAVP = "shell:priv-lvl=15"
)

// groupsOf are the groups that an answer names: those of Filter-Id, and of
// whom Cisco's servers give level 15, the one that may do all.
func groupsOf(answer *radius.Packet) (groups []string) {
	names, err := rfc2865.FilterID_GetStrings(answer)
	if err == nil {
		groups = names
	}
	for _, a := range answer.Attributes {
		if a.Type != rfc2865.VendorSpecific_Type {
			continue
		}
		vendor, pairs, err := radius.VendorSpecific(a.Attribute)
		if err == nil && vendor == ciscoVendor && isPrivileged(pairs) {
			groups = append(groups, model.GroupPrivileged)
		}
	}
	return groups
}

// isPrivileged looks for privilegedAVP among the attributes of a vendor.
func isPrivileged(pairs []byte) bool {
	for len(pairs) > 2 && pairs[1] > 2 && int(pairs[1]) <= len(pairs) {
		if pairs[0] == ciscoAVPair && string(pairs[2:pairs[1]]) == privilegedAVP {
			return true
		}
		pairs = pairs[pairs[1]:]
	}
	return false
}
