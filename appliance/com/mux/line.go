package mux

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"causeway/appliance/com/wire"
)

var (
	// ErrTooLong means that a line or message is longer than it may be.
	ErrTooLong = errors.New("a message that is too long")
	// ErrUndecodable means that it is not the JSON that it should be.
	ErrUndecodable = errors.New("a message that cannot be decoded")
)

// WriteHeader begins a stream.
func WriteHeader(w io.Writer, h wire.Header) error { return writeLine(w, h) }

// ReadHeader reads how a stream begins, and nothing behind it.
func ReadHeader(r io.Reader) (h wire.Header, err error) {
	if err := readLine(r, &h); err != nil {
		return wire.Header{}, fmt.Errorf("header of a stream: %w", err)
	}
	return h, nil
}

// WriteAnswer answers a header.
func WriteAnswer(w io.Writer, a wire.Answer) error { return writeLine(w, a) }

// ReadAnswer reads the answer to a header, and nothing behind it.
func ReadAnswer(r io.Reader) (a wire.Answer, err error) {
	if err := readLine(r, &a); err != nil {
		return wire.Answer{}, fmt.Errorf("answer to a stream: %w", err)
	}
	return a, nil
}

func writeLine(w io.Writer, value any) error {
	line, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if len(line) > wire.LongestHeader {
		return ErrTooLong
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// readLine reads octet by octet: what follows the line is not ours.
func readLine(r io.Reader, value any) error {
	var line []byte
	for one := make([]byte, 1); ; {
		switch _, err := io.ReadFull(r, one); {
		case err != nil:
			return err
		case one[0] == '\n':
			return decode(line, value)
		case len(line) == wire.LongestHeader:
			return ErrTooLong
		}
		line = append(line, one[0])
	}
}

// decode reads an object.
func decode(text []byte, value any) error {
	if text = bytes.TrimSpace(text); len(text) == 0 || text[0] != '{' {
		return ErrUndecodable
	}
	if err := json.Unmarshal(text, value); err != nil {
		return fmt.Errorf("%w: %w", ErrUndecodable, err)
	}
	return nil
}

// lines are messages of JSON-RPC, one a line (channel.Channel).
type lines struct {
	to       io.WriteCloser
	from     *bufio.Reader
	patience time.Duration // for a message to be sent
}

// Send implements channel.Channel.
func (l *lines) Send(message []byte) error {
	if len(message) > wire.LongestMessage {
		return ErrTooLong
	}
	if to, has := l.to.(interface{ SetWriteDeadline(time.Time) error }); has {
		if err := to.SetWriteDeadline(time.Now().Add(l.patience)); err != nil {
			return err
		}
	}
	_, err := l.to.Write(append(message[:len(message):len(message)], '\n'))
	return err
}

// Recv implements channel.Channel.
func (l *lines) Recv() ([]byte, error) {
	var message []byte
	for {
		part, err := l.from.ReadSlice('\n')
		if message = append(message, part...); len(message) > wire.LongestMessage+1 {
			return nil, ErrTooLong
		}
		switch {
		case err == nil:
			return message[:len(message)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(message) > 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

// Close implements channel.Channel.
func (l *lines) Close() error { return l.to.Close() }
