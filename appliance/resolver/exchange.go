package resolver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/miekg/dns"
)

// dialFunc opens a connection; the kernel gives each a port of its own at
// random, which a forger of replies has to guess (RFC 5452 §4.5).
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// packetSize is the longest UDP message that we ask for and that we send: what
// passes every link without fragments (DNS flag day 2020).
const packetSize = 1232

// exchange asks one question of one server until ctx ends: over UDP, without
// EDNS0 where the server does not understand the query (RFC 6891 §7; some
// repeat the OPT record all the same), and over TCP when the answer does not
// fit (RFC 7766 §5). Beside an error over TCP stands the reply
// that did not fit: the server is not silent.
func exchange(ctx context.Context, dial dialFunc, server netip.AddrPort, question dns.Question) (*dns.Msg, error) {
	query := &dns.Msg{
		MsgHdr:   dns.MsgHdr{Id: dns.Id(), RecursionDesired: true},
		Question: []dns.Question{question},
	}
	query.SetEdns0(packetSize, false)
	reply, err := exchangeOver(ctx, dial, "udp", server, query)
	if err == nil && (reply.Rcode == dns.RcodeFormatError || reply.Rcode == dns.RcodeNotImplemented) {
		query.Id, query.Extra = dns.Id(), nil
		reply, err = exchangeOver(ctx, dial, "udp", server, query)
	}
	if err != nil || !reply.Truncated {
		return reply, err
	}
	query.Id = dns.Id()
	whole, err := exchangeOver(ctx, dial, "tcp", server, query)
	if err != nil {
		return reply, fmt.Errorf("over TCP: %w", err)
	}
	return whole, nil
}

// exchangeOver sends one query and waits for its reply. What else arrives,
// damaged or forged, is passed over.
func exchangeOver(ctx context.Context, dial dialFunc, network string, server netip.AddrPort, query *dns.Msg) (*dns.Msg, error) {
	packed, err := query.Pack()
	if err != nil {
		return nil, fmt.Errorf("pack the query for %s: %w", query.Question[0].Name, err)
	}
	conn, err := dial(ctx, network, server.String())
	if err != nil {
		return nil, cmp.Or(ended(ctx), err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	messages := &dns.Conn{Conn: conn} // knows the framing of TCP
	if _, err := messages.Write(packed); err != nil {
		return nil, cmp.Or(ended(ctx), err)
	}
	size := dns.MaxMsgSize
	if network == "udp" {
		size = 4096 // some send more than they are asked for
	}
	buffer := make([]byte, size)
	for {
		n, err := messages.Read(buffer)
		if err != nil {
			return nil, cmp.Or(ended(ctx), err)
		}
		if reply := readReply(query, buffer[:n]); reply != nil {
			return reply, nil
		}
	}
}

// readReply reads the reply to query; nil if the packet is not one (RFC 5452
// §9.1). One whose end was cut off counts when it says so.
func readReply(query *dns.Msg, packet []byte) *dns.Msg {
	reply := new(dns.Msg)
	err := reply.Unpack(packet)
	if err != nil && !reply.Truncated || reply.Id != query.Id || !reply.Response || reply.Opcode != dns.OpcodeQuery {
		return nil
	}
	// A server that does not understand a query need not repeat it.
	if len(reply.Question) == 0 && reply.Rcode == dns.RcodeFormatError {
		return reply
	}
	if len(reply.Question) != 1 || !sameQuestion(reply.Question[0], query.Question[0]) {
		return nil
	}
	return reply
}

func sameQuestion(a, b dns.Question) bool {
	return a.Qtype == b.Qtype && a.Qclass == b.Qclass && dns.CanonicalName(a.Name) == dns.CanonicalName(b.Name)
}

// errSilent is why a try ends that was waited for long enough.
var errSilent = errors.New("no answer in time")

// ended says why ctx ended; nil while it has not.
func ended(ctx context.Context) error { return context.Cause(ctx) }
