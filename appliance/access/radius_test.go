package access

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"

	"causeway/appliance/model"
)

// secret is what the servers of the tests share with the box; it stands in its
// stored form as octets of zero, see newBox.
const secret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// withServers are two RADIUS servers beside the users of the box.
const withServers = admin + "group ops permit exec show\n" +
	"aaa login radius 192.0.2.1 key sealed:" + secret + "\n" +
	"aaa login radius 192.0.2.2 port 1645 key sealed:" + secret + "\n"

// answers is a server that gives an answer to each request.
func answers(answer func(request *radius.Packet) []byte) func(net.Conn) {
	return func(conn net.Conn) {
		buffer := make([]byte, radius.MaxPacketLength)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			request, err := radius.Parse(buffer[:n], []byte(secret))
			if err != nil {
				panic(err)
			}
			if packet := answer(request); packet != nil {
				if _, err := conn.Write(packet); err != nil {
					return
				}
			}
		}
	}
}

// signed encodes an answer with its Message-Authenticator.
func signed(answer *radius.Packet) []byte {
	answer.Attributes = append(radius.Attributes{{Type: rfc2869.MessageAuthenticator_Type, Attribute: make([]byte, md5.Size)}}, answer.Attributes...)
	packet, err := answer.MarshalBinary()
	if err != nil {
		panic(err)
	}
	copy(packet[signatureAt:], sign(packet, answer.Secret)) // over the authenticator of the request
	return authenticate(packet, answer.Secret)
}

// authenticate puts the response authenticator into a packet that has that of
// the request there (RFC 2865 §3).
func authenticate(packet, secret []byte) []byte {
	sum := md5.Sum(append(bytes.Clone(packet), secret...))
	copy(packet[authenticatorAt:attributesAt], sum[:])
	return packet
}

// says is a server with an answer of a code, and attributes.
func says(code radius.Code, add ...func(*radius.Packet)) func(net.Conn) {
	return answers(func(request *radius.Packet) []byte {
		answer := request.Response(code)
		for _, attribute := range add {
			attribute(answer)
		}
		return signed(answer)
	})
}

func filter(group string) func(*radius.Packet) {
	return func(p *radius.Packet) { rfc2865.FilterID_AddString(p, group) }
}

// pair is an attribute of Cisco's.
func pair(text string) func(*radius.Packet) {
	return func(p *radius.Packet) {
		value := append(binary.BigEndian.AppendUint32(nil, ciscoVendor), ciscoAVPair, byte(2+len(text)))
		p.Add(rfc2865.VendorSpecific_Type, append(value, text...))
	}
}

func silent(conn net.Conn) { answers(func(*radius.Packet) []byte { return nil })(conn) }

func TestRADIUSLogin(t *testing.T) {
	const first, second = "192.0.2.1:1812", "192.0.2.2:1645"
	type servers map[string]func(net.Conn)
	unsigned := answers(func(request *radius.Packet) []byte {
		answer := request.Response(radius.CodeAccessAccept)
		rfc2865.FilterID_SetString(answer, model.GroupPrivileged)
		packet, err := answer.Encode()
		if err != nil {
			panic(err)
		}
		return packet
	})
	forged := answers(func(request *radius.Packet) []byte {
		request.Secret = []byte("another")
		answer := request.Response(radius.CodeAccessAccept)
		rfc2865.FilterID_SetString(answer, model.GroupPrivileged)
		return signed(answer)
	})
	tampered := answers(func(request *radius.Packet) []byte { // with the right authenticator, as MD5 allows
		answer := request.Response(radius.CodeAccessReject)
		rfc2865.FilterID_SetString(answer, model.GroupPrivileged)
		packet := signed(answer)
		packet[0] = byte(radius.CodeAccessAccept)
		copy(packet[authenticatorAt:], request.Authenticator[:])
		return authenticate(packet, request.Secret)
	})
	for _, test := range []struct {
		name           string
		servers        servers
		user, password string
		want           error
		may            string        // a command of EXEC, of who logs in
		takes          time.Duration // as long as the network is waited for
	}{
		{"accepted, with a group", servers{first: says(radius.CodeAccessAccept, filter("ops"))}, "eve", "x", nil, "show version", 0},
		{"accepted, with several groups", servers{first: says(radius.CodeAccessAccept, filter("nope"), filter("ops"))}, "eve", "x", nil, "show version", 0},
		{"accepted, with level 15", servers{first: says(radius.CodeAccessAccept, pair("shell:priv-lvl=15"))}, "eve", "x", nil, "reload", 0},
		{"accepted, with level 1", servers{first: says(radius.CodeAccessAccept, pair("shell:priv-lvl=1"))}, "eve", "x", ErrRefused, "", 0},
		{"accepted, without a group", servers{first: says(radius.CodeAccessAccept)}, "admin", right, ErrRefused, "", 0},
		{"accepted, with a group that there is not", servers{first: says(radius.CodeAccessAccept, filter("nope"))}, "eve", "x", ErrRefused, "", 0},
		{"a name that nobody may have", servers{first: says(radius.CodeAccessAccept, filter("ops"))}, "comadmin", "x", ErrRefused, "", 0},
		{"a name that would break logs", servers{first: says(radius.CodeAccessAccept, filter("ops"))}, "eve\nmallory", "x", ErrRefused, "", 0},
		{"a name that is too long", servers{first: says(radius.CodeAccessAccept, filter("ops"))}, strings.Repeat("e", 65), "x", ErrRefused, "", 0},
		{"an empty password", servers{first: says(radius.CodeAccessAccept, filter("ops"))}, "eve", "", ErrRefused, "", 0},
		{"refused is refused", servers{first: says(radius.CodeAccessReject), second: says(radius.CodeAccessAccept, filter("ops"))}, "admin", right, ErrRefused, "", 0},
		{"asked for more", servers{first: says(radius.CodeAccessChallenge)}, "admin", right, ErrRefused, "", 0},
		{"the first is down", servers{second: says(radius.CodeAccessAccept, filter("ops"))}, "eve", "x", nil, "show version", 0},
		{"the first is silent", servers{first: silent, second: says(radius.CodeAccessAccept, filter("ops"))}, "eve", "x", nil, "show version", 2 * answerLimit},
		{"none answers: the users of the box", servers{first: silent}, "admin", right, nil, "reload", 2 * answerLimit},
		{"none answers: others are refused", servers{first: silent, second: silent}, "eve", "x", ErrRefused, "", 4 * answerLimit},
		{"an answer without Message-Authenticator", servers{first: unsigned}, "eve", "x", ErrRefused, "", 2 * answerLimit},
		{"an answer of somebody else", servers{first: forged}, "eve", "x", ErrRefused, "", 2 * answerLimit},
		{"a refusal made an acceptance", servers{first: tampered}, "eve", "x", ErrRefused, "", 2 * answerLimit},
		{"an answer to another request", servers{first: answers(func(request *radius.Packet) []byte {
			request.Identifier++
			answer := request.Response(radius.CodeAccessAccept)
			rfc2865.FilterID_SetString(answer, model.GroupPrivileged)
			return signed(answer)
		})}, "eve", "x", ErrRefused, "", 2 * answerLimit},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBox(t, withServers)
				b.servers = test.servers
				began := time.Now()
				login := b.logIn(test.user, test.password, "ssh 192.0.2.7:50122", test.want)
				if took := time.Since(began).Truncate(100 * time.Millisecond); took != test.takes {
					t.Errorf("it took %v; want %v", took, test.takes)
				}
				if test.may != "" && !login.Rights.May(model.RuleExec, test.may) {
					t.Errorf("rights %+v; want %s", login.Rights, test.may)
				}
				if test.may == "show version" && login.Rights.May(model.RuleExec, "reload") {
					t.Errorf("rights %+v; want not all", login.Rights)
				}
			})
		})
	}
}

// TestRADIUSRequest: what the server is told, and that it is told again.
func TestRADIUSRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, withServers)
		asked := 0
		b.servers["192.0.2.1:1812"] = answers(func(p *radius.Packet) []byte {
			if asked++; asked == 1 {
				return nil
			}
			for what, got := range map[string]string{
				"eve":        rfc2865.UserName_GetString(p),
				"geheim":     rfc2865.UserPassword_GetString(p),
				"proxy1":     rfc2865.NASIdentifier_GetString(p),
				"192.0.2.7":  rfc2865.CallingStationID_GetString(p),
				"Login-User": rfc2865.ServiceType_Get(p).String(),
			} {
				if got != what {
					t.Errorf("the request has %q; want %q", got, what)
				}
			}
			packet, err := p.MarshalBinary()
			if err != nil {
				t.Error(err)
			}
			if p.Attributes[0].Type != rfc2869.MessageAuthenticator_Type || !isSigned(packet, packet, p.Secret) {
				t.Error("the request is not signed; want a right Message-Authenticator in front")
			}
			answer := p.Response(radius.CodeAccessAccept)
			rfc2865.FilterID_SetString(answer, "ops")
			return signed(answer)
		})
		login := b.logIn("eve", "geheim", "ssh 192.0.2.7:50122", nil)
		if asked != 2 {
			t.Errorf("asked %d times; want 2", asked)
		}
		b.apply(strings.ReplaceAll(withServers, "group ops permit exec show", "group ops permit exec ping"))
		select {
		case <-b.Ended(login.Session):
		default:
			t.Error("the session goes on after its group was changed; want its end")
		}
		b.wantEntries("login eve on ssh 192.0.2.7:50122 by RADIUS, session 101", "logout eve on ssh 192.0.2.7:50122, session 101: what the user may do was changed")
		b.apply(withServers)
		b.logIn("eve", "geheim", "ssh 192.0.2.7:50122", nil)
		b.apply(admin)
		if log := b.entries(); len(log) != 4 || log[3] != "logout eve on ssh 192.0.2.7:50122, session 102: the user was removed" {
			t.Errorf("after no server is asked any more the log has %q; want the end of the session last", log)
		}
	})
}

// TestRADIUSCounts: failures at a server count as others do, whatever capitals a
// name that it may take for the same is typed with.
func TestRADIUSCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, withServers)
		b.servers["192.0.2.1:1812"] = says(radius.CodeAccessReject)
		for _, name := range []string{"eve", "Eve", "EVE"} {
			b.logIn(name, "x", "ttyS0", ErrRefused)
		}
		b.logIn("eVe", "x", "ttyS0", &LockedError{})
	})
}

func FuzzParseAnswer(f *testing.F) {
	request, err := newRequest(attempt{"eve", "x", "ssh 192.0.2.7:50122", "proxy1"}, []byte(secret))
	if err != nil {
		f.Fatal(err)
	}
	parsed, err := radius.Parse(request, []byte(secret))
	if err != nil {
		f.Fatal(err)
	}
	accept := parsed.Response(radius.CodeAccessAccept)
	rfc2865.FilterID_SetString(accept, "ops")
	pair(privilegedAVP)(accept)
	f.Add(signed(accept)[attributesAt:])
	f.Add([]byte{26, 8, 0, 0, 0, 9, 1, 2})
	f.Add([]byte{80, 18})
	f.Fuzz(func(t *testing.T, attributes []byte) {
		// As a server would send them that knows the secret: anything else ends early.
		packet := append([]byte{byte(radius.CodeAccessAccept), request[1], 0, 0}, request[authenticatorAt:attributesAt]...)
		packet = append(packet, attributes...)
		if len(packet) > radius.MaxPacketLength {
			return
		}
		binary.BigEndian.PutUint16(packet[lengthAt:], uint16(len(packet)))
		answer, err := parseAnswer(authenticate(packet, []byte(secret)), request, []byte(secret))
		if err != nil {
			return
		}
		if _, signed := answer.Lookup(rfc2869.MessageAuthenticator_Type); !signed {
			t.Fatalf("parseAnswer takes %x without a Message-Authenticator", packet)
		}
		groupsOf(answer)
	})
}
