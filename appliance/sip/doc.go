// Package sip is the wire: a transaction-stateful, record-routing SIP proxy
// (RFC 3261 §16–18, RFC 6026, RFC 3581, RFC 5658) over UDP.
//
// In come datagrams; out go datagrams, and the events of each call as
// model.CallEvent. A reader thread runs a message to completion under the lock
// of its Call-ID's shard: parse to a span view, find or make the transaction,
// decide, splice the outgoing message from the original bytes, queue it. No
// message is handed to another thread, no lock is shared between shards and
// nothing is allocated but the transaction itself.
//
// Where to read on: proxy.go has the type one starts from, worker.go what a
// thread has at hand; request.go and response.go are §16.3–16.6 and §16.7 in
// order; transaction.go has the two state machines of §17; invite.go what is
// special about INVITE (CANCEL, ACK).
package sip
