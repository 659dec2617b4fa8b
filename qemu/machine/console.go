package machine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Console is the serial line of a machine as a person would use it: wait for
// a text, type a line. It keeps everything that was printed and when.
type Console struct {
	input io.Writer

	mu       sync.Mutex
	text     []byte
	arrivals []arrival
	cursor   int           // text before it was consumed by Expect
	changed  chan struct{} // closed when text grows or the line ends
	ended    bool
}

// arrival notes that text up to end had come by at.
type arrival struct {
	end int
	at  time.Time
}

// Match is what Expect found.
type Match struct {
	Groups []string  // the whole match, then the groups of the pattern
	Before string    // what was printed since the last match
	At     time.Time // when its last octet arrived
}

// NewConsole reads output until its end, closes it, and types into input.
func NewConsole(output io.ReadCloser, input io.Writer) *Console {
	c := &Console{input: input, changed: make(chan struct{})}
	go c.read(output)
	return c
}

func (c *Console) read(output io.ReadCloser) {
	defer output.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := output.Read(buffer)
		c.mu.Lock()
		if n > 0 {
			c.text = append(c.text, buffer[:n]...)
			c.arrivals = append(c.arrivals, arrival{len(c.text), time.Now()})
		}
		c.ended = err != nil
		close(c.changed)
		c.changed = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Expect waits until the pattern (package regexp; ^ and $ match at lines)
// appears in what was printed since the last match, and consumes the text up
// to its end. It fails when ctx ends or the line is closed first.
func (c *Console) Expect(ctx context.Context, pattern string) (Match, error) {
	expression, err := regexp.Compile("(?m:" + pattern + ")")
	if err != nil {
		return Match{}, fmt.Errorf("expect on the console: %w", err)
	}
	for {
		match, found, changed, ended := c.find(expression)
		switch {
		case found:
			return match, nil
		case ended:
			return Match{}, fmt.Errorf("wait for %q on the console: %w", pattern, io.EOF)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Match{}, fmt.Errorf("wait for %q on the console: %w", pattern, context.Cause(ctx))
		}
	}
}

func (c *Console) find(expression *regexp.Regexp) (match Match, found bool, changed <-chan struct{}, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rest := c.text[c.cursor:]
	at := expression.FindSubmatchIndex(rest)
	if at == nil {
		return Match{}, false, c.changed, c.ended
	}
	for i := 0; i < len(at); i += 2 {
		group := ""
		if at[i] >= 0 {
			group = string(rest[at[i]:at[i+1]])
		}
		match.Groups = append(match.Groups, group)
	}
	match.Before = string(rest[:at[0]])
	c.cursor += at[1]
	match.At = c.arrivedBy(c.cursor)
	return match, true, nil, false
}

// arrivedBy says when the text up to end was there. The lock is held.
func (c *Console) arrivedBy(end int) time.Time {
	for _, a := range c.arrivals {
		if a.end >= end {
			return a.at
		}
	}
	return time.Now()
}

// Send types a line and Return.
func (c *Console) Send(line string) error { return c.Keys(line + "\r") }

// Keys types just these characters: a question mark, Tab, Ctrl-C ("\x03").
func (c *Console) Keys(keys string) error {
	if _, err := io.WriteString(c.input, keys); err != nil {
		return fmt.Errorf("type %q on the console: %w", keys, err)
	}
	return nil
}

// waitsAt consumes what was printed so far, but for a last line that begins
// with the pattern: then it is true.
func (c *Console) waitsAt(pattern *regexp.Regexp) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	line := bytes.LastIndexByte(c.text, '\n') + 1
	waits := pattern.Match(c.text[line:])
	if c.cursor = len(c.text); waits {
		c.cursor = line
	}
	return waits
}

// Transcript gives everything that was printed, with line feeds only.
func (c *Console) Transcript() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.ReplaceAll(string(c.text), "\r", "")
}

// Tail gives the last lines of the transcript, at most that many.
func (c *Console) Tail(lines int) string {
	all := strings.SplitAfter(c.Transcript(), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "")
}
