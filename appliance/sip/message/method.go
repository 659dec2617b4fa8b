package message

// Method is the method of a request or of a CSeq. Method names are
// case-sensitive (RFC 3261 §7.1); one that is not in the list is MethodOther
// and known only by its span.
type Method uint8

// The methods of RFC 3261, 3262, 3311, 6086, 6665, 3515, 3428 and 3903.
const (
	MethodOther Method = iota
	Invite
	Ack
	Bye
	Cancel
	Options
	Register
	Prack
	Update
	Info
	Subscribe
	Notify
	Refer
	MessageMethod
	Publish
)

// methodNames are the names on the wire, by Method.
var methodNames = [...]string{
	MethodOther:   "",
	Invite:        "INVITE",
	Ack:           "ACK",
	Bye:           "BYE",
	Cancel:        "CANCEL",
	Options:       "OPTIONS",
	Register:      "REGISTER",
	Prack:         "PRACK",
	Update:        "UPDATE",
	Info:          "INFO",
	Subscribe:     "SUBSCRIBE",
	Notify:        "NOTIFY",
	Refer:         "REFER",
	MessageMethod: "MESSAGE",
	Publish:       "PUBLISH",
}

// String is the name on the wire, empty for MethodOther.
func (m Method) String() string { return methodNames[m] }

// methodOf finds the method with exactly that name.
func methodOf(name []byte) Method {
	switch string(name) { // no allocation: the compiler compares in place
	case "INVITE":
		return Invite
	case "ACK":
		return Ack
	case "BYE":
		return Bye
	case "CANCEL":
		return Cancel
	case "OPTIONS":
		return Options
	case "REGISTER":
		return Register
	case "PRACK":
		return Prack
	case "UPDATE":
		return Update
	case "INFO":
		return Info
	case "SUBSCRIBE":
		return Subscribe
	case "NOTIFY":
		return Notify
	case "REFER":
		return Refer
	case "MESSAGE":
		return MessageMethod
	case "PUBLISH":
		return Publish
	}
	return MethodOther
}
