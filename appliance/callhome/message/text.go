package message

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Lines of texts, in characters.
const (
	shortMost   = 160 // of a short text: that of a pager, or a text message
	subjectMost = 120
)

// Subject is what an e-mail with the message is called.
func (m *Message) Subject() string {
	if m.Kind == Alert {
		severity, _ := m.Severity()
		return cut(fmt.Sprintf("Call Home %s of %s: %s", severity, m.Device, m.Description()), subjectMost)
	}
	return cut("Call Home: "+m.Description(), subjectMost)
}

// Short is the message for a pager: who, when, what, how urgent; lines of at
// most 160 characters.
func (m *Message) Short() string {
	severity, level := m.Severity()
	var out strings.Builder
	for _, line := range []string{
		m.Device,
		clock(m.Time),
		m.Description(),
		fmt.Sprintf("Urgency: %s (%d)", severity, level),
	} {
		out.WriteString(cut(line, shortMost) + "\n")
	}
	return out.String()
}

// Long is the whole message for people. Of traces it tells the path.
func (m *Message) Long() string {
	severity, level := m.Severity()
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n\n", m.Description())
	row(&out, "", "Time", clock(m.Time))
	row(&out, "", "Device", m.Device)
	row(&out, "", "Severity", fmt.Sprintf("%s (%d)", severity, level))
	row(&out, "", "Message", m.ID)
	for _, n := range m.tree() {
		switch n.name {
		case "EventTime", "MessageDescription", "Event", "Device":
			continue // told above
		}
		fmt.Fprintf(&out, "\n%s\n", words(n.name))
		n.long(&out, "  ")
	}
	for _, a := range m.Attachments {
		if a.File != "" {
			fmt.Fprintf(&out, "\nAttachment: %s\n  Path: %s\n", a.Name, a.Path)
			continue
		}
		fmt.Fprintf(&out, "\nAttachment: %s\n", a.Name)
		for line := range strings.Lines(a.Text) {
			out.WriteString("  " + strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	return out.String()
}

// long writes what is in an element: a line a text, a line an item.
func (n node) long(out *strings.Builder, indent string) {
	for _, member := range n.nodes {
		switch {
		case n.list:
			var pairs []string
			for _, pair := range member.nodes {
				pairs = append(pairs, words(pair.name)+" "+pair.text)
			}
			fmt.Fprintf(out, "%s%s\n", indent, strings.Join(pairs, ", "))
		case member.nodes == nil:
			row(out, indent, words(member.name), member.text)
		default:
			fmt.Fprintf(out, "%s%s:\n", indent, words(member.name))
			member.long(out, indent+"  ")
		}
	}
}

func row(out *strings.Builder, indent, name, text string) {
	fmt.Fprintf(out, "%s%s: %s\n", indent, name, text)
}

// clock is a time as people read it.
func clock(at time.Time) string { return at.Format("2006-01-02 15:04:05 GMT-07:00") }

// words is the name of an element for people: "OS version" of "OSVersion", "Size
// KiB" of "SizeKiB".
func words(name string) string {
	unit := ""
	for _, u := range []string{"KiB", "MHz"} {
		if before, found := strings.CutSuffix(name, u); found {
			name, unit = before, " "+u
		}
	}
	runes := []rune(name)
	upper := func(i int) bool { return i < len(runes) && unicode.IsUpper(runes[i]) }
	var out strings.Builder
	for i, r := range runes {
		capital := upper(i) && i+1 < len(runes) && !upper(i+1) // of a word, not of an acronym
		if i > 0 && (capital || upper(i) && !upper(i-1)) {
			out.WriteByte(' ')
			if capital {
				r = unicode.ToLower(r)
			}
		}
		out.WriteRune(r)
	}
	return out.String() + unit
}

// cut shortens a text to a number of characters, and shows that it did.
func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}
