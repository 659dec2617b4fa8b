// Package message is the span view of one SIP datagram: where its parts are,
// without copying or changing any of them. It is the only parser on the call
// path (RFC 3261 §7, §25; torture messages of RFC 4475).
//
// In comes a datagram, or the octets of a stream that [Frame] cuts into
// messages; out comes a [Message] that the caller owns and uses again:
// [Message.Parse] finds what every transaction needs in one pass and fails on
// what cannot be answered; [Message.Validate] says which answer a faulty
// request deserves. Forwarding is [Splice]: the original bytes with a few spans
// replaced. Nothing is normalised; unknown methods and header fields are spans
// like all others.
//
// Where two readings of the same bytes are possible, the next hop may take
// the other one, so such a message is never forwarded: a request gets 400, a
// response is dropped. So a line ends with CRLF and nothing else (a bare CR or
// LF in the header is a fault), a single-valued field stands once, a tag or
// branch is given once, and what follows the body is cut off. Where only one
// reading is possible the view is liberal: white space and folding wherever
// the grammar has them, display names and parameter values with bytes the
// grammar would want quoted.
package message
