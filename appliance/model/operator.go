package model

// Operator is who changes or asks something, and where from.
type Operator struct {
	User   string `json:"user"`   // "console" while the serial port has no login
	Origin string `json:"origin"` // "ttyS0", "ssh 192.0.2.7", "machine", "com"
}

// String is "user on origin".
func (o Operator) String() string { return o.User + " on " + o.Origin }
