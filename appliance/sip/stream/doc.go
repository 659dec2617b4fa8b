// Package stream is SIP over connections: TCP, TLS 1.2 and 1.3, WS and WSS
// (RFC 3261 §18, RFC 5923, RFC 5626 §3.5.1, RFC 7118). It knows framing and
// connections, but no transactions.
//
// In come octets of many peers; out goes each complete message, on the
// goroutine that read it, to be run to completion there. What is sent is
// queued with the connection and written by whoever flushes it, without a
// hand-off to another goroutine as long as the kernel takes it all. A message
// that could not be written is given back, so that its transaction fails at
// once (RFC 3261 §8.1.3.1, §18.4).
//
// A connection at rest has one goroutine and no buffers; one that we opened
// keeps what it sent until the peer is heard again. Nothing that a peer
// does makes us keep more than a message of it and a bounded queue for it: who
// does not finish a message, does not read, or is silent for too long loses
// the connection, and so does who opens too many.
//
// Where to read on: pool.go has the type one starts from, conn.go the life of
// a connection, send.go and receive.go the ways out and in, wire.go the socket
// below them, identity.go who a peer is in TLS (RFC 5922).
package stream
