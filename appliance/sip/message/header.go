package message

// HeaderID is a header field name that the box acts on, or that has a compact
// form: the long and the compact form have the same id. A name not in the list
// is HeaderOther and known only by its span.
type HeaderID uint8

// The header field names.
const (
	HeaderOther HeaderID = iota
	HeaderVia
	HeaderFrom
	HeaderTo
	HeaderCallID
	HeaderCSeq
	HeaderMaxForwards
	HeaderRoute
	HeaderRecordRoute
	HeaderContact
	HeaderContentLength
	HeaderContentType
	HeaderProxyRequire
	HeaderRequire
	HeaderSupported
	HeaderRetryAfter
	HeaderExpires
	HeaderReason
	HeaderUserAgent
	HeaderServer
	HeaderDate
	HeaderAllow
	HeaderSubject
	HeaderTimestamp
	HeaderPAssertedIdentity
	HeaderPPreferredIdentity
	HeaderPrivacy
	HeaderSessionExpires
	HeaderEvent
	HeaderReferTo
	HeaderReferredBy
	HeaderAllowEvents
	HeaderContentEncoding
	HeaderAcceptContact
	HeaderRejectContact
	HeaderRequestDisposition
	HeaderIdentity
	headerCount
)

// headerNames are the names by id, the compact form beside (RFC 3261 §7.3.3,
// RFC 3515, 3841, 3892, 4028, 4474, 6665). One marked single identifies, routes
// or frames the message and may stand only once (§7.3.1): a second one would
// give the message a second reading.
var headerNames = [headerCount]struct {
	long    string
	compact string
	single  bool
}{
	HeaderVia:                {"Via", "v", false},
	HeaderFrom:               {"From", "f", true},
	HeaderTo:                 {"To", "t", true},
	HeaderCallID:             {"Call-ID", "i", true},
	HeaderCSeq:               {"CSeq", "", true},
	HeaderMaxForwards:        {"Max-Forwards", "", true},
	HeaderRoute:              {"Route", "", false},
	HeaderRecordRoute:        {"Record-Route", "", false},
	HeaderContact:            {"Contact", "m", false},
	HeaderContentLength:      {"Content-Length", "l", true},
	HeaderContentType:        {"Content-Type", "c", true},
	HeaderProxyRequire:       {"Proxy-Require", "", false},
	HeaderRequire:            {"Require", "", false},
	HeaderSupported:          {"Supported", "k", false},
	HeaderRetryAfter:         {"Retry-After", "", false},
	HeaderExpires:            {"Expires", "", false},
	HeaderReason:             {"Reason", "", false},
	HeaderUserAgent:          {"User-Agent", "", false},
	HeaderServer:             {"Server", "", false},
	HeaderDate:               {"Date", "", false},
	HeaderAllow:              {"Allow", "", false},
	HeaderSubject:            {"Subject", "s", false},
	HeaderTimestamp:          {"Timestamp", "", false},
	HeaderPAssertedIdentity:  {"P-Asserted-Identity", "", false},
	HeaderPPreferredIdentity: {"P-Preferred-Identity", "", false},
	HeaderPrivacy:            {"Privacy", "", false},
	HeaderSessionExpires:     {"Session-Expires", "x", false},
	HeaderEvent:              {"Event", "o", false},
	HeaderReferTo:            {"Refer-To", "r", false},
	HeaderReferredBy:         {"Referred-By", "b", false},
	HeaderAllowEvents:        {"Allow-Events", "u", false},
	HeaderContentEncoding:    {"Content-Encoding", "e", false},
	HeaderAcceptContact:      {"Accept-Contact", "a", false},
	HeaderRejectContact:      {"Reject-Contact", "j", false},
	HeaderRequestDisposition: {"Request-Disposition", "d", false},
	HeaderIdentity:           {"Identity", "y", false},
}

// String is the long form of the name, empty for HeaderOther.
func (id HeaderID) String() string { return headerNames[id].long }

// longestName is the length of the longest name in headerNames.
const longestName = len("P-Preferred-Identity")

// slotCount leaves more than half of the slots free.
const slotCount = 128

// headerName is a name as RFCs write it and its id.
type headerName struct {
	text string
	id   HeaderID
}

// headerSlots holds both forms of all names, each in the slot of its hash or
// the next free one.
var headerSlots = headerIndex()

func headerIndex() (slots [slotCount]headerName) {
	for id, names := range headerNames {
		for _, name := range []string{names.long, names.compact} {
			if name == "" {
				continue
			}
			slot := headerHash([]byte(name))
			for slots[slot].id != HeaderOther {
				slot = (slot + 1) % slotCount
			}
			slots[slot] = headerName{name, HeaderID(id)}
		}
	}
	return slots
}

// headerHash gives the slot of a name. The factors were searched for: two of
// all names are not in their own.
func headerHash(name []byte) uint {
	length := uint(len(name))
	return (11*length + 59*uint(name[0]|0x20) + uint(name[length-1]|0x20)) % slotCount
}

// headerOf finds the id of a field name, which must be a token, in either form
// and any case.
func headerOf(name []byte) HeaderID {
	if len(name) == 0 {
		return HeaderOther
	}
	for slot := headerHash(name); headerSlots[slot].id != HeaderOther; slot = (slot + 1) % slotCount {
		known := &headerSlots[slot]
		if string(name) == known.text || sameName(name, known.text) { // the first is quick and nearly always right
			return known.id
		}
	}
	return HeaderOther
}

// HeaderIDOf is the id of a field name in its long or compact form and any
// case; HeaderOther when it has none.
func HeaderIDOf(name string) HeaderID {
	var short [longestName]byte
	if len(name) > longestName {
		return HeaderOther
	}
	octets := short[:copy(short[:], name)]
	if skip(tokenClass, octets, 0, len(octets)) != len(octets) {
		return HeaderOther
	}
	return headerOf(octets)
}
