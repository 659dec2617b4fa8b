package message

import "errors"

// What Parse says of a datagram that gets no answer.
var (
	// ErrKeepAlive: line ends, zero octets or nothing (RFC 5626 §3.5.1).
	ErrKeepAlive = errors.New("keep-alive")
	ErrNotSIP    = errors.New("no SIP start line")
	ErrTooLong   = errors.New("longer than 65535 octets")
	// ErrNoVia: an answer would have no address.
	ErrNoVia = errors.New("no usable Via")
	// ErrMalformed: RFC 3261 §18.1.2 and §18.3 discard such a response.
	ErrMalformed = errors.New("malformed response")
)

// syntaxError says what is wrong with a part of a message. It is fixed text:
// nothing of the message is in it, so it may go into a reason phrase.
type syntaxError string

func (e syntaxError) Error() string { return string(e) }

const (
	errLineEnd     syntaxError = "a line does not end with CRLF"
	errNoEmptyLine syntaxError = "no empty line after the header"
	errTooMany     syntaxError = "too many fields"
	errMissing     syntaxError = "missing"
	errFieldName   syntaxError = "a line without field name"
	errStartLine   syntaxError = "extra white space"
	errNumber      syntaxError = "not a number in range"
	errNoLength    syntaxError = "no Content-Length in a stream"
	errTruncated   syntaxError = "larger than the datagram"
	errRepeated    syntaxError = "given more than once"
	errEmpty       syntaxError = "empty"
	errOctet       syntaxError = "octet not allowed here"
	errQuote       syntaxError = "quoted string without end"
	errParameter   syntaxError = "parameter expected"
	errSeparator   syntaxError = "separator expected"
	errBracket     syntaxError = "no closing >"
	errEnclose     syntaxError = "URI must be within < and >"
	errScheme      syntaxError = "no URI scheme"
	errHost        syntaxError = "no host"
	errPort        syntaxError = "port not in 1 to 65535"
	errProtocol    syntaxError = "no sent-protocol"
	errHeaders     syntaxError = "headers are not allowed here"
	errMethod      syntaxError = "not the method of the request"
	errZone        syntaxError = "time zone is not GMT"
)
