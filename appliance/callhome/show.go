package callhome

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// showCommands declares what can be seen of Call Home. The labels are those of
// CH-34 and of IOS.
func showCommands() []exec.Command {
	return []exec.Command{
		{Syntax: "show call-home", Help: "Call Home: what it does, whom it tells, when it did and will", Run: showing(printSettings)},
		{Syntax: "show call-home detail", Help: "All about Call Home", Run: showing(printDetail)},
		{Syntax: "show call-home alert-group", Help: "What messages are about, and who gets them", Run: showing(printGroups)},
		{
			Syntax: "show call-home profile [NAME]", Help: "Where messages go", Run: showProfiles,
			Args: []config.Argument{{Name: "NAME", Type: config.Name{Max: profileNameMost}, Help: "Name of one profile"}},
		},
		{Syntax: "show call-home statistics", Help: "What was sent and what was not", Run: showing(printStatistics)},
		{Syntax: "show call-home schedule", Help: "When messages went out last, and will next; what waits", Run: showing(printSchedule)},
		{Syntax: "show call-home eula", Help: "The agreement that eula accept accepts", Run: showAgreement},
	}
}

func statusOf(ctx context.Context, s exec.Session) (*model.CallHomeStatus, error) {
	var status model.CallHomeStatus
	err := s.Call(ctx, "control", "control.callhome.status", nil, &status)
	return &status, err
}

// showing is a command that asks for the status and prints something of it.
func showing(print func(exec.Session, *model.CallHomeStatus)) func(context.Context, exec.Session, config.Args) error {
	return func(ctx context.Context, s exec.Session, _ config.Args) error {
		status, err := statusOf(ctx, s)
		if err == nil {
			print(s, status)
		}
		return err
	}
}

func showAgreement(_ context.Context, s exec.Session, _ config.Args) error {
	_, err := io.WriteString(s, eula)
	return err
}

// stamp is how times are shown.
const stamp = "Jan 02 15:04:05 2006 MST"

// at is a time, or what there is without one.
func at(s exec.Session, t time.Time, without string) string {
	if t.IsZero() {
		return without
	}
	return exec.Time(s, t, stamp)
}

// modeText is how the modes are called in CH-34.
var modeText = map[string]string{
	model.CallHomeNone:      "None",
	model.CallHomeDisabled:  "Disabled",
	model.CallHomeSmart:     "Enabled (Smart Call Home)",
	model.CallHomeAnonymous: "Enabled (Anonymous Call Home)",
}

// transportText is how the transports are called there.
var transportText = map[string]string{
	model.CallHomeHTTPS: "Secure Web (HTTPS)",
	model.CallHomeEmail: "E-mail",
	model.CallHomeProxy: "Secure Web (HTTPS) through proxy",
}

func printDetail(s exec.Session, status *model.CallHomeStatus) {
	for i, print := range []func(exec.Session, *model.CallHomeStatus){printSettings, printGroups, printProfiles, printSchedule, printStatistics} {
		if i > 0 {
			fmt.Fprintln(s)
		}
		print(s, status)
	}
}

func printSettings(s exec.Session, status *model.CallHomeStatus) {
	c := &status.Settings
	exec.Field(s, "Call Home", modeText[status.Mode])
	if status.Mode == model.CallHomeAnonymous {
		exec.Field(s, "Anonymous", "no persons are named; serial number and licence MAC are sent")
	}
	for _, missing := range status.Pending {
		exec.Field(s, "Nothing is sent yet", missing)
	}
	if status.Problem != "" {
		exec.Field(s, "Messages are not safe from a power cut", status.Problem)
	}
	printTimes(s, status)
	printContact(s, c)
	fmt.Fprintln(s, "Send data")
	exec.Field(s, "  To the vendor using", transportText[c.By()])
	if c.By() == model.CallHomeEmail {
		exec.Field(s, "  Destination", cmp.Or(c.Email, "not configured"))
	} else {
		exec.Field(s, "  Destination", cmp.Or(c.URL, "not configured"))
	}
	if proxy := c.Proxy(); proxy != "" {
		exec.Field(s, "  HTTPS proxy", proxy)
	}
	for _, server := range c.MailServers {
		exec.Field(s, "  Mail server", mailServerText(server))
	}
	if len(c.MailServers) == 0 {
		exec.Field(s, "  Mail server", "not configured; e-mail and copies need one")
	}
	exec.Field(s, "  Copies to", cmp.Or(strings.Join(c.Copies, ", "), "nobody"))
	exec.Field(s, "  Trace logs and diagnostic information", tracesText(c))
	exec.Field(s, "Agreement", map[bool]string{true: "accepted", false: "not accepted: show call-home eula"}[c.Accepted])
}

// printTimes prints the first row of the table of CH-34.
func printTimes(s exec.Session, status *model.CallHomeStatus) {
	fmt.Fprintln(s, "Call Home message schedule")
	exec.Field(s, "  Last sent", at(s, status.LastSent, "never"))
	exec.Field(s, "  Next scheduled", at(s, status.Next, "none"))
}

// printContact prints who is asked about the box. Anonymous Call Home does not
// tell, which is said (CH-12).
func printContact(s exec.Session, c *model.CallHome) {
	heading := "Customer contact details"
	if c.Does() == model.CallHomeAnonymous {
		heading += " (not sent in this mode)"
	}
	fmt.Fprintln(s, heading)
	for _, row := range []struct{ name, text string }{
		{"E-mail address", c.ContactEmail}, {"Company", c.Company}, {"Contact name", c.ContactName}, {"Address", c.StreetAddress},
		{"Phone", c.Phone}, {"Contract user ID", c.ContractUser}, {"Customer ID", c.CustomerID}, {"Contract ID", c.ContractID}, {"Site ID", c.SiteID},
	} {
		if row.text != "" || row.name == "E-mail address" {
			exec.Field(s, "  "+row.name, cmp.Or(row.text, "not configured"))
		}
	}
}

func tracesText(c *model.CallHome) string {
	switch {
	case c.Does() == model.CallHomeAnonymous:
		return "not sent in this mode"
	case c.Traces:
		return "included"
	}
	return "not included"
}

// mailServerText is as "mail.example.com, starttls, as user ann, priority 10".
func mailServerText(server model.MailServer) string {
	host := server.Host
	if server.Port != 0 {
		host = net.JoinHostPort(server.Host, strconv.Itoa(server.Port))
	}
	security := cmp.Or(server.Security, model.MailSTARTTLS)
	if security == model.MailPlain {
		security = "in the clear"
	}
	user := ""
	if server.User != "" {
		user = ", as user " + server.User
	}
	return fmt.Sprintf("%s, %s%s, priority %d", host, security, user, server.Priority)
}
