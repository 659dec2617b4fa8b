package console

import (
	"bytes"
	"errors"
	"unicode/utf8"
)

// errEnough means that the operator does not want to see the rest.
var errEnough = errors.New("the operator has seen enough")

// pager shows text a screen at a time: Space goes on with the next screen,
// Return with the next row, q and Ctrl-C end it.
type pager struct {
	screen        *screen
	length, width int // in rows and characters; length 0 never stops
	rows          int // shown since the operator was last asked
	column        int // of the row that is being shown
	ended         error
}

// Write fails with errEnough once the operator has seen enough.
func (p *pager) Write(text []byte) (int, error) {
	written := 0
	for part := range bytes.Lines(text) {
		if err := p.show(part); err != nil {
			return written, err
		}
		written += len(part)
	}
	return written, nil
}

// show prints a line or a part of one.
func (p *pager) show(part []byte) error {
	if p.ended == nil && p.length > 0 && p.column == 0 && p.rows >= p.length-1 {
		p.ended = p.ask()
	}
	if p.ended != nil {
		return p.ended
	}
	p.column += utf8.RuneCount(bytes.TrimSuffix(part, []byte("\n")))
	if part[len(part)-1] == '\n' {
		p.rows += max(1, (p.column+p.width-1)/p.width)
		p.column = 0
	}
	_, err := p.screen.Write(part)
	return err
}

// ask waits for a key that says how to go on.
func (p *pager) ask() error {
	for {
		key, err := p.screen.more()
		if err != nil {
			return err
		}
		switch key {
		case " ":
			p.rows = 0
			return nil
		case keyEnter:
			p.rows = p.length - 2
			return nil
		case "q", "Q", keyAbandon, keyLeave:
			return errEnough
		}
	}
}
