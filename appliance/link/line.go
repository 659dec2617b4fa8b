package link

import (
	"bytes"
	"fmt"
	"io"
	"net"

	"github.com/creachadair/jrpc2/channel"
)

// longest bounds a message, in octets: far above any real one (a configuration
// has 1 MiB at the most), and far below what would hurt a process.
const longest = 16 << 20

// ErrTooLong means that a message is longer than either side reads.
var ErrTooLong = fmt.Errorf("a message of more than %d MiB", longest>>20)

// lines makes a connection a channel with a message a line.
func lines(conn net.Conn) channel.Channel { return channel.Line(&lineReader{from: conn}, conn) }

// asking is the channel of a caller. He is told when his question is too long;
// what the other side does about it would look as if it went away.
type asking struct{ channel.Channel }

// Send implements channel.Channel.
func (a asking) Send(message []byte) error {
	if len(message) > longest {
		return ErrTooLong
	}
	return a.Channel.Send(message)
}

// lineReader fails when a line does not end within longest and what is read at once.
type lineReader struct {
	from  io.Reader
	since int // octets since the last line ended
}

// Read implements io.Reader.
func (r *lineReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	if end := bytes.LastIndexByte(p[:n], '\n'); end >= 0 {
		r.since = n - end - 1
	} else {
		r.since += n
	}
	if err == nil && r.since > longest {
		err = ErrTooLong
	}
	return n, err
}
