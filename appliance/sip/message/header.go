package message

// HeaderID is a header field name that the box acts on. The long and the
// compact form of a name have the same id; a name not in the list is
// HeaderOther and known only by its span.
type HeaderID uint8

// Header field names, with the compact form where there is one.
const (
	HeaderOther  HeaderID = iota
	HeaderVia             // v
	HeaderFrom            // f
	HeaderTo              // t
	HeaderCallID          // i
	HeaderCSeq
	HeaderMaxForwards
	HeaderRoute
	HeaderRecordRoute
	HeaderContact       // m
	HeaderContentLength // l
	HeaderContentType   // c
	HeaderProxyRequire
	HeaderRequire
	HeaderSupported // k
	HeaderRetryAfter
	HeaderExpires
	HeaderReason
	HeaderUserAgent
	HeaderServer
	HeaderDate
	HeaderAllow
	HeaderSubject // s
	headerCount
)
