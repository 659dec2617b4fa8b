package callhome

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"causeway/appliance/callhome/message"
)

// The bounds of what commands print into an alert.
const (
	printedMost     = 64 << 10  // octets, of one
	allPrintedMost  = 256 << 10 // octets
	commandPatience = 30 * time.Second
)

// diagnose runs the commands of an alert, one after the other. One that hangs
// costs its own output only.
func (c *CallHome) diagnose(ctx context.Context, lines []string) (attachments []message.Attachment) {
	most := min(printedMost, allPrintedMost/len(lines))
	for _, line := range lines {
		limited, cancel := context.WithTimeout(ctx, commandPatience)
		printed := c.options.Diagnose(limited, line)
		cancel()
		printed.Text = shorten(printed.Text, most)
		attachments = append(attachments, printed)
	}
	return attachments
}

// shorten gives the beginning of a text that has more than so many octets, and
// says so.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	note := fmt.Sprintf("\n[%d octets in all, cut here]\n", len(text))
	return strings.ToValidUTF8(text[:most-len(note)], "") + note
}

// trace is a crash file. It is read when the message goes out.
func (c *CallHome) trace(file string) message.Attachment {
	name := "harddisk:crash/" + file
	return message.Attachment{
		Name: name, Type: "trace", Path: name,
		File: filepath.Join(c.options.Volumes, "harddisk", "crash", file),
	}
}
