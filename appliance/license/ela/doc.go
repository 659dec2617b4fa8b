// Package ela is the protocol between the licence agent and a licence server,
// ela/1: what they say to each other, how it is signed and how an answer is
// believed (L-38 to L-42).
//
// Requests are JSON in a JWS (RFC 7515) with ES256: a registration by the key
// of its CSR, all others by the ID certificate. Answers are signed by a signing
// certificate of the vendor. A server's nonce stands in every request (as in
// ACME, RFC 8555 §6.5) and a nonce of the box in every answer, with the hash of
// the request's payload: neither can be played again. Files carry the same
// where there is no network; there the box's nonce and the sequence number do
// it alone.
//
// Who may sign answers is an authority (a CA certificate with key usage
// digitalSignature) that leads to a root that is trusted for licences, and whose
// certificate a registration has brought. ID certificates lead to the same roots:
// a box whose own could sign would license itself.
//
// NewRequest makes a request; Client.Send takes it to the server, or Request.File
// and ReadFile take it there and back on a stick; Trust opens the answer. What was
// not opened says nothing.
package ela
