package trace

import (
	"context"
	"fmt"
	"net/netip"
	"path"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// ExecCommands declares what an operator may do with the trace.
func ExecCommands() []exec.Command {
	call := config.Argument{Name: "CALL-ID", Type: config.Word{Max: 255}, Help: "The Call-ID of the call"}
	var transports config.Choice
	for _, t := range model.Transports {
		transports = append(transports, t.String())
	}
	return []exec.Command{
		{
			Syntax: "debug sip trace [address ADDRESS] [call CALL-ID] [method METHOD] [user USER] [transport TRANSPORT] [messages COUNT] [minutes MINUTES] [file FILE]",
			Args: []config.Argument{
				{Name: "ADDRESS", Type: config.Prefix{}, Help: "Address or network of the neighbour"},
				call,
				{Name: "METHOD", Type: config.Word{Max: 32}, Help: "Method, in capitals; of a response that of its CSeq"},
				{Name: "USER", Type: config.Word{Max: 128}, Help: "User or number in From, To or the Request-URI"},
				{Name: "TRANSPORT", Type: transports, Help: "What the message came or went over"},
				{Name: "COUNT", Type: config.Integer{Min: 1, Max: 1_000_000}, Help: "End after so many messages"},
				{Name: "MINUTES", Type: config.Integer{Min: 1, Max: minutesMax}, Default: minutesDefault, Help: "End after this time"},
				{Name: "FILE", Type: fileType{}, Help: "Also write a pcap file, which goes to harddisk:/" + directory},
			},
			Help:  "Trace SIP messages of the calls that a message picks which has all that is named",
			Level: exec.Privileged, Run: start,
		},
		{Syntax: "no debug sip trace", Help: "Stop tracing SIP messages; what was traced stays", Level: exec.Privileged, Run: stop},
		{
			Syntax: "show sip trace [last COUNT] [call CALL-ID] [ladder]",
			Args: []config.Argument{
				{Name: "COUNT", Type: config.Integer{Min: 1, Max: 10_000}, Help: "Only so many of the newest"},
				call,
			},
			Help:  "Traced SIP messages, or who sent which to whom",
			Level: exec.Privileged, Run: show,
		},
	}
}

// directory is where files go on harddisk:.
const directory = "trace"

// fileType is the name of a pcap file on harddisk:. Its value is the name
// alone.
type fileType struct{}

// Parse reads harddisk:NAME.pcap, with or without the directory.
func (fileType) Parse(word string) (any, error) {
	p, err := storage.ParsePath(word)
	switch {
	case err != nil:
		return nil, err
	case p.Volume != storage.Harddisk, !p.Dir().IsVolume() && p.Dir().Name != directory, path.Ext(p.Name) != ".pcap":
		return nil, fmt.Errorf("%s is not harddisk:NAME.pcap", word)
	}
	return p.Base(), nil
}

// Format prints where the file is.
func (fileType) Format(value any) string { return fmt.Sprintf("harddisk:/%s/%s", directory, value) }

// String gives the placeholder.
func (fileType) String() string { return "harddisk:NAME.pcap" }

func start(ctx context.Context, s exec.Session, a config.Args) error {
	r := Request{
		Filter:  Filter{CallID: a.Text("CALL-ID"), Method: a.Text("METHOD"), User: a.Text("USER"), Transport: a.Text("TRANSPORT")},
		Minutes: a.Int("MINUTES"), Messages: a.Int("COUNT"), File: a.Text("FILE"),
	}
	r.Filter.Address, _ = a["ADDRESS"].(netip.Prefix)
	var now Status
	if err := s.Call(ctx, "proxy", "proxy.trace-start", r, &now); err != nil {
		return err
	}
	printStatus(s, now)
	return nil
}

func stop(ctx context.Context, s exec.Session, _ config.Args) error {
	var now Status
	if err := s.Call(ctx, "proxy", "proxy.trace-stop", struct{}{}, &now); err != nil {
		return err
	}
	printStatus(s, now)
	return nil
}

func printStatus(s exec.Session, now Status) {
	if now.On {
		exec.Field(s, "Trace", "on, for another "+now.Left.Round(time.Second).String())
	} else {
		exec.Field(s, "Trace", "off")
	}
	if filter := now.Filter.String(); filter != "" {
		exec.Field(s, "Filter", filter)
	}
	traced := fmt.Sprint(now.Messages)
	if now.Most > 0 {
		traced += fmt.Sprintf(" of %d", now.Most)
	}
	exec.Field(s, "Messages traced", traced)
	exec.Field(s, "Messages kept", now.Kept)
	if now.File == "" {
		return
	}
	exec.Field(s, "File", fileType{}.Format(now.File))
	exec.Field(s, "File size (bytes)", now.Written)
	if now.Lost > 0 {
		exec.Field(s, "Messages too fast for the file", now.Lost)
	}
	if now.Problem != "" {
		exec.Field(s, "The file ended", now.Problem)
	}
}

func show(ctx context.Context, s exec.Session, a config.Args) error {
	q := Query{Last: a.Int("COUNT"), Call: a.Text("CALL-ID"), Brief: a.Has("ladder")}
	var drawn []Traced
	for first, more := true, true; more; first = false {
		var p Page
		if err := s.Call(ctx, "proxy", "proxy.trace-show", q, &p); err != nil {
			return err
		}
		if first {
			printStatus(s, p.Status)
		}
		if q.Brief {
			drawn = append(drawn, p.Traced...)
			p.Traced = nil
		}
		for i := range p.Traced {
			if err := printMessage(s, &p.Traced[i]); err != nil {
				return err
			}
		}
		q.After, q.Last, more = p.Next, 0, p.More
	}
	return printLadder(s, drawn)
}

// printMessage prints a message under a line that says where it came from and
// went.
func printMessage(s exec.Session, t *Traced) error {
	how, from, to := "received", t.Remote, t.Local
	if t.Sent {
		how, from, to = "sent", to, from
	}
	text := strings.ReplaceAll(strings.TrimRight(t.Text, "\r\n"), "\r\n", "\n")
	_, err := fmt.Fprintf(s, "\n-- %d %s %s over %s\n-- %v > %v\n%s\n",
		t.Number, exec.Time(s, t.Time, clockFormat), how, t.Transport, from, to, text)
	return err
}

// clockFormat is the time of day, to the millisecond.
const clockFormat = "15:04:05.000"
