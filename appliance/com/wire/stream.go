package wire

import "encoding/json"

// The services of streams, in Header.Service.
const (
	StreamRPC  = "rpc"
	StreamCLI  = "cli"  // CLI: a console
	StreamFile = "file" // File: a part of a file
	StreamTCP  = "tcp"  // TCP: to a server of the box
)

// Header is the first line of a stream.
type Header struct {
	Service  string          `json:"svc"`
	Version  int             `json:"v"` // 1
	ID       string          `json:"id"`
	Params   json.RawMessage `json:"params,omitempty"`
	Meta     *Meta           `json:"grant,omitempty"` // of a signed one; the method that is signed is "stream." and the service
	Critical []string        `json:"crit,omitempty"`  // members that the receiver must know
}

// Answer is the line that answers it. After an Error the stream ends.
type Answer struct {
	OK    bool           `json:"ok"`
	Size  int64          `json:"size,omitempty"`   // of a file as it is now, octets
	SHA   string         `json:"sha256,omitempty"` // of that many octets of it from its beginning, hexadecimal
	Error *StreamRefusal `json:"error,omitempty"`
}

// StreamRefusal says why a stream was refused.
type StreamRefusal struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// CLI are the parameters of a console. What COM sends are keys, what the box
// sends is the screen.
type CLI struct {
	Width  int  `json:"width"`
	Height int  `json:"height"`
	Raw    bool `json:"raw"` // somebody types, at a terminal in raw mode
}

// File are the parameters of a file. The box sends from Offset on.
type File struct {
	Path   string `json:"path"` // "log:syslog"
	Offset int64  `json:"off"`
	Length int64  `json:"len"` // 0: to the end
}

// TCP are the parameters of a tunnel: only servers of the box itself, by name.
type TCP struct {
	To string `json:"to"` // ToWeb or ToSSH
}

// Where tunnels lead.
const (
	ToWeb = "web"
	ToSSH = "ssh"
)
