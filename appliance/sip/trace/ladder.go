package trace

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"causeway/appliance/exec"
)

// What a screen has room for, in characters.
const (
	screenWidth = 80
	timeWidth   = len(clockFormat) + len("  ")
	peersMax    = 4 // more columns leave no room for words on the arrows
	widthMax    = 32
)

// printLadder draws messages as arrows between columns: one for the box, one
// for each neighbour. More neighbours than there is room for begin a new
// drawing.
//
//	A: 192.0.2.1:5060 over udp
//	B: 198.51.100.2:5060 over tcp
//	              A                              box                             B
//	12:00:00.123  |------- INVITE (SDP) --------->|                              |
func printLadder(s exec.Session, messages []Traced) error {
	for len(messages) > 0 {
		l, count := newLadder(messages)
		if _, err := fmt.Fprintf(s, "\n%s", l.head()); err != nil {
			return err
		}
		for i := range messages[:count] {
			t := &messages[i]
			if _, err := fmt.Fprintf(s, "%s  %s\n", exec.Time(s, t.Time, clockFormat), l.arrow(t)); err != nil {
				return err
			}
		}
		messages = messages[count:]
	}
	return nil
}

// ladder is one drawing. The first neighbour stands left of the box, the
// others right of it.
type ladder struct {
	peers []peer
	width int // from one column to the next
}

// peer is a neighbour's end.
type peer struct {
	address   netip.AddrPort
	transport string
}

// newLadder gives the drawing that messages begin with, and how many of them
// are on it.
func newLadder(messages []Traced) (l ladder, count int) {
	for _, t := range messages {
		p := peer{t.Remote, t.Transport}
		if !slices.Contains(l.peers, p) {
			if len(l.peers) == peersMax {
				break
			}
			l.peers = append(l.peers, p)
		}
		count++
	}
	l.width = min((screenWidth-timeWidth-2)/len(l.peers), widthMax)
	return l, count
}

// column gives where the i-th neighbour stands; the box stands at l.width.
func (l *ladder) column(i int) int {
	if i > 0 {
		i++
	}
	return i * l.width
}

// name is the letter of the i-th neighbour.
func name(i int) string { return string(rune('A' + i)) }

// head explains the columns and names them.
func (l *ladder) head() string {
	var b strings.Builder
	line := l.line(" ")
	copy(line[l.width-1:], "box")
	for i, p := range l.peers {
		fmt.Fprintf(&b, "%s: %v over %s\n", name(i), p.address, p.transport)
		copy(line[l.column(i):], name(i))
	}
	fmt.Fprintf(&b, "%*s%s\n", timeWidth, "", strings.TrimRight(string(line), " "))
	return b.String()
}

// line is an empty line with a mark in each column.
func (l *ladder) line(mark string) []byte {
	line := []byte(strings.Repeat(" ", l.width*len(l.peers)+2))
	for i := range len(l.peers) + 1 {
		copy(line[i*l.width:], mark)
	}
	return line
}

// arrow draws one message.
func (l *ladder) arrow(t *Traced) string {
	line := l.line("|")
	at := l.column(slices.Index(l.peers, peer{t.Remote, t.Transport}))
	left, right := min(at, l.width), max(at, l.width)
	shaft := line[left+1 : right]
	copy(shaft, strings.Repeat("-", len(shaft)))
	if t.Sent == (at > l.width) {
		shaft[len(shaft)-1] = '>'
	} else {
		shaft[0] = '<'
	}
	words := t.Summary[:min(len(t.Summary), len(shaft)-2)]
	if len(words) < len(shaft)-4 {
		words = " " + words + " "
	}
	copy(shaft[(len(shaft)-len(words))/2:], words)
	return strings.TrimRight(string(line), " ")
}
