package resolver

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// bindPause is between two tries to bind an address that is taken.
const bindPause = time.Second

// serve answers at one address over UDP or TCP until ctx ends. An address that
// cannot be had is tried again.
func (r *Resolver) serve(ctx context.Context, network, address string) {
	place := address + " " + network
	for said := ""; ; {
		err := r.serveOnce(ctx, network, address, func() { r.setListening(place, "") })
		if ctx.Err() != nil {
			return
		}
		r.setListening(place, err.Error())
		if err.Error() != said {
			said = err.Error()
			r.log.Error("DNS is not served, the box cannot look up names", "address", address, "network", network, "error", err)
		}
		if !sleep(ctx, bindPause) {
			return
		}
	}
}

// serveOnce answers at one address until ctx ends or the socket fails.
func (r *Resolver) serveOnce(ctx context.Context, network, address string, started func()) error {
	server := &dns.Server{Handler: dns.HandlerFunc(r.serveDNS), UDPSize: packetSize}
	var listen net.ListenConfig
	var err error
	if network == "udp" {
		server.PacketConn, err = listen.ListenPacket(ctx, network, address)
	} else {
		server.Listener, err = listen.Listen(ctx, network, address)
		server.Listener = &limited{Listener: server.Listener}
	}
	if err != nil {
		return fmt.Errorf("serve DNS at %s over %s: %w", address, network, err)
	}
	stop := func() bool { return true }
	server.NotifyStartedFunc = func() {
		stop = context.AfterFunc(ctx, func() { _ = server.Shutdown() }) // it fails only where there is nothing to end
		started()
	}
	err = server.ActivateAndServe()
	stop()
	return fmt.Errorf("serve DNS at %s over %s: %w", address, network, err)
}

func (r *Resolver) setListening(place, problem string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listening[place] = problem
}

// serveDNS answers one query.
func (r *Resolver) serveDNS(w dns.ResponseWriter, query *dns.Msg) {
	size := dns.MaxMsgSize
	if w.LocalAddr().Network() == "udp" {
		size = dns.MinMsgSize
		if edns := query.IsEdns0(); edns != nil {
			size = min(int(edns.UDPSize()), packetSize)
		}
	}
	reply := r.respond(r.lifetime, query)
	reply.Truncate(size)
	if err := w.WriteMsg(reply); err != nil {
		_ = w.Close() // who asked is gone, or asks again
	}
}

// What processes may take from control with TCP. The time for which they may
// say nothing is bounded by dns.Server.
const (
	connectionsMax = 64              // at an address
	writeTime      = 2 * time.Second // for a client to take a reply
)

// limited is a listener that closes connections beyond connectionsMax, and
// whose connections do not wait for ever to write.
type limited struct {
	net.Listener
	open atomic.Int32
}

// Accept waits for a connection that is within the limit.
func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= connectionsMax {
			return &limitedConn{conn, sync.OnceFunc(func() { l.open.Add(-1) })}, nil
		}
		l.open.Add(-1)
		conn.Close()
	}
}

type limitedConn struct {
	net.Conn
	release func()
}

// Write fails when the other side does not take it.
func (c *limitedConn) Write(packet []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return 0, err
	}
	return c.Conn.Write(packet)
}

// Close makes room for another connection.
func (c *limitedConn) Close() error {
	c.release()
	return c.Conn.Close()
}

// respond gives the reply to a query, of any length.
func (r *Resolver) respond(ctx context.Context, query *dns.Msg) *dns.Msg {
	reply := new(dns.Msg)
	reply.SetReply(query)
	reply.RecursionAvailable = true
	if edns := query.IsEdns0(); edns != nil {
		reply.SetEdns0(packetSize, false)
		if edns.Version() != 0 { // RFC 6891 §6.1.3
			reply.Rcode = dns.RcodeBadVers
			return reply
		}
	}
	if reply.Rcode = refusal(query); reply.Rcode != dns.RcodeSuccess {
		return reply
	}
	question := query.Question[0]
	question.Name = dns.CanonicalName(question.Name)
	known, err := r.resolve(ctx, question)
	if err != nil {
		reply.Rcode = dns.RcodeServerFailure
		return reply
	}
	reply.Rcode = known.rcode
	for _, list := range [][]dns.RR{known.aliases, known.records} {
		for _, record := range list {
			reply.Answer = append(reply.Answer, known.aged(record))
		}
	}
	if known.soa != nil {
		reply.Ns = []dns.RR{known.aged(known.soa)}
	}
	return reply
}

// refusal is the response code for a query that is none of ours; NOERROR for
// one that is.
func refusal(query *dns.Msg) int {
	switch {
	case query.Opcode != dns.OpcodeQuery:
		return dns.RcodeNotImplemented
	case len(query.Question) != 1:
		return dns.RcodeFormatError
	}
	switch question := query.Question[0]; {
	case question.Qclass != dns.ClassINET:
		return dns.RcodeRefused
	case question.Qtype == dns.TypeAXFR || question.Qtype == dns.TypeIXFR:
		return dns.RcodeNotImplemented
	case question.Qtype == dns.TypeOPT || question.Qtype == dns.TypeNone:
		return dns.RcodeFormatError
	}
	return dns.RcodeSuccess
}

// aged is a copy of one of its records with the TTL that is left.
func (k known) aged(record dns.RR) dns.RR {
	left := seconds(staleTTL)
	if k.source != fromStale {
		left = record.Header().Ttl - min(seconds(k.age), record.Header().Ttl)
	}
	record = dns.Copy(record)
	record.Header().Ttl = left
	return record
}
