package callhomed

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Text is a message as the vendor's people see it: what happened, what it means
// and what to do about it (CH-4), and all that came with it.
func (d *Delivery) Text() string {
	var out strings.Builder
	m := &d.Message
	fmt.Fprintf(&out, "%s\n\n", m.Description)
	row := func(name, format string, values ...any) {
		if text := fmt.Sprintf(format, values...); text != "" {
			fmt.Fprintf(&out, "%-12s %s\n", name, text)
		}
	}
	row("Message", "%s, %s", m.ID, cmp.Or(m.Kind, d.Format))
	row("Device", "%s", m.Device)
	row("Came", "%s over %s to %s, repeated %d times", d.First.UTC().Format("2006-01-02 15:04:05 UTC"), cmp.Or(d.TLS, "no TLS"), d.To, d.Repeated)
	if a := m.Alert; a != nil {
		row("Severity", "%s (%d)", a.Severity, m.Level)
		row("Node", "%s", a.Node)
		row("Repeated", "%d times since the alert before", a.Repeated)
		row("Impact", "%s", cmp.Or(a.Impact, "none is known"))
		row("Remediation", "%s", cmp.Or(a.Remedy, "none is known"))
	}
	for i, f := range m.Fields {
		if i == 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintf(&out, "%-40s %s\n", f.Name, f.Text)
	}
	for _, a := range m.Attachments {
		fmt.Fprintf(&out, "\n--- %s (%s)", a.Name, a.Type)
		switch {
		case a.Reason != "":
			fmt.Fprintf(&out, ", at %s: %s\n", a.Path, a.Reason)
		case a.Path != "":
			fmt.Fprintf(&out, ", at %s: %d octets\n", a.Path, len(a.Data))
		default:
			fmt.Fprintf(&out, "\n%s\n", a.Data)
		}
	}
	return out.String()
}

// Alerts are the alerts that were taken, each once however many it went to.
func (s *Server) Alerts() []Message {
	alerts, seen := []Message{}, map[string]bool{}
	for _, d := range s.Deliveries() {
		if d.Message.Kind == "alert" && !seen[d.Message.ID] {
			seen[d.Message.ID] = true
			alerts = append(alerts, d.Message)
		}
	}
	return alerts
}

// Box is what is known of a box.
type Box struct {
	Serial   string         `json:"serial"`
	Device   string         `json:"device"`
	Messages map[string]int `json:"messages"` // by kind; "" of e-mails for people
}

// Boxes are those that have called, by their serial numbers.
func (s *Server) Boxes() []Box {
	boxes := map[string]*Box{}
	for _, d := range s.Deliveries() {
		serial := d.Message.Serial()
		b := boxes[serial]
		if b == nil {
			b = &Box{Serial: serial, Messages: map[string]int{}}
			boxes[serial] = b
		}
		b.Device = cmp.Or(d.Message.Device, b.Device)
		b.Messages[d.Message.Kind]++
	}
	all := []Box{}
	for _, b := range boxes {
		all = append(all, *b)
	}
	slices.SortFunc(all, func(a, b Box) int { return cmp.Compare(a.Serial, b.Serial) })
	return all
}
