// Package wire is what the box and COM say to each other over the link:
// messages, headers of streams, error codes and limits. Both ends use it. It
// parses and checks; it does nothing.
//
// The link is a WebSocket over TLS to wss://SERVER:{443|8443}/com/v1/link, with
// one of two subprotocols. In com.v1.mux the messages carry a yamux session in
// which the box is the server side: each stream begins with a line of JSON, the
// Header, that the other side answers with a line, the Answer. The first
// stream, opened by the box, is JSON-RPC 2.0 in both directions, an object a
// line. In com.v1.rpc each message is an object of that JSON-RPC, and there are
// no other streams.
//
// All JSON is UTF-8; unknown members are ignored, those that "crit" of a Header
// names must be known. Times are RFC 3339 in UTC, intervals whole seconds.
package wire

import "time"

// Path is where COM has the link. Its query names the customer (ci) and the box
// (sn, its serial number).
const Path = "/com/v1/link"

// The subprotocols.
const (
	Mux = "com.v1.mux"
	RPC = "com.v1.rpc"
)

// Limits, in octets but for the last two.
const (
	LongestHeader  = 4 << 10   // of a stream
	LongestMessage = 256 << 10 // of JSON-RPC
	LongestBeat    = 512       // a heartbeat
	Chunk          = 8 << 10   // written at once; a slow line is kept waiting no longer
	MostStreams    = 16        // at the same time, beside the first
	// LongestLife is how far ahead the Expires of a Meta may be.
	LongestLife = 5 * time.Minute
)

// WebSocket close codes (RFC 6455 §7.4.1) that the two sides use.
const (
	CloseUndecodable = 1003
	ClosePolicy      = 1008
	CloseTooLong     = 1009
)

// Exporter is the label of what both sides take from the TLS session into the
// session ID (RFC 5705).
const Exporter = "EXPORTER-causeway-com"
