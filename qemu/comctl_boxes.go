package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"causeway/appliance/com/wire"
	"causeway/qemu/lab/comd/api"
	"causeway/qemu/lab/comd/store"
)

// boxURL is the path of a box at the API.
func boxURL(serial string) string { return "/boxes/" + url.PathEscape(serial) }

// standing is a box in one word.
func standing(b api.Box) string {
	switch up := b.State != nil && b.State.Up; {
	case up && b.Approved:
		return "up"
	case up:
		return "pending"
	case b.Rival != "":
		return "refused"
	case b.State != nil:
		return "down"
	}
	return "never seen"
}

// printable leaves out what a terminal would obey, and ends of lines: the text
// comes from boxes, or from other operators.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return -1
	}, line)
}

// printableText is printable for text of several lines.
func printableText(text string) string {
	var all strings.Builder
	for line := range strings.Lines(text) {
		for i, word := range strings.Split(strings.TrimSuffix(line, "\n"), "\t") {
			if i > 0 {
				all.WriteByte('\t')
			}
			all.WriteString(printable(word))
		}
		all.WriteByte('\n')
	}
	return all.String()
}

func listBoxes(ctx context.Context, c *comctl, _ []string) error {
	var list []api.Box
	if err := c.Do(ctx, http.MethodGet, "/boxes", nil, &list); err != nil {
		return err
	}
	table := tabwriter.NewWriter(c.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "BOX\tCUSTOMER\tSTATE\tHOST NAME\tFIRMWARE\tCPS\tCALLS\tHEARD")
	for _, b := range list {
		cps, calls, heard := "-", "-", "-"
		if b.State != nil {
			cps, calls, heard = fmt.Sprintf("%.1f", b.State.Beat.CPS), fmt.Sprint(b.State.Beat.Calls), b.State.Heard.Format(time.DateTime)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", printable(b.Serial), b.Customer, standing(b), printable(b.HostName), printable(b.Firmware), cps, calls, heard)
	}
	return table.Flush()
}

func showBox(ctx context.Context, c *comctl, args []string) error {
	b, err := c.Box(ctx, args[0])
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(c.out, 0, 8, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(table, "%s\t%s\n", name, printable(fmt.Sprint(value))) }
	row("Box", b.Serial)
	row("Customer", b.Customer)
	row("State", standing(b))
	row("Approved", b.Approved)
	if b.Rival != "" {
		row("Refused", "another key has come under this serial number, "+b.Rival)
	}
	row("Host name", b.HostName)
	row("Model", b.Model)
	row("Firmware", b.Firmware)
	row("Configuration", fmt.Sprintf("revision %d", b.Revision))
	row("Services", strings.Join(b.Services, " "))
	for _, s := range b.Subscriptions {
		ends := "no end"
		if !s.Expires.IsZero() {
			ends = "until " + s.Expires.Format(time.DateTime)
		}
		row("Subscription", fmt.Sprintf("%s %d, %s", s.Feature, s.Count, ends))
	}
	for _, w := range b.Wanted {
		row("Wants", fmt.Sprintf("%s %d", w.Feature, w.Count))
	}
	if s := b.State; s != nil {
		row("Since", s.Since.Format(time.DateTime))
		row("Heard", s.Heard.Format(time.DateTime))
		row("From", s.Address)
		row("Up for", time.Duration(s.Beat.Uptime)*time.Second)
		row("Calls", fmt.Sprintf("%d open, %.1f a second of %d", s.Beat.Calls, s.Beat.CPS, s.Beat.Limit))
	}
	return table.Flush()
}

func showAlarms(ctx context.Context, c *comctl, args []string) error {
	var list []wire.Entry
	if err := c.Do(ctx, http.MethodGet, boxURL(args[0])+"/alarms", nil, &list); err != nil {
		return err
	}
	for _, e := range list {
		line := fmt.Sprintf("%6d %s %s %s %s", e.Sequence, e.Time.Format(time.DateTime), e.Class, e.Kind, e.Key)
		if e.Missed > 0 {
			line += fmt.Sprintf(" %d missed", e.Missed)
		}
		fmt.Fprintln(c.out, printable(strings.TrimSpace(line)+" "+string(e.Body)))
	}
	return nil
}

func preregister(ctx context.Context, c *comctl, args []string) error {
	return c.Do(ctx, http.MethodPut, boxURL(args[0]), map[string]string{"customer": args[1]}, nil)
}

func approve(ctx context.Context, c *comctl, args []string) error {
	return c.Do(ctx, http.MethodPost, boxURL(args[0])+"/approve", nil, nil)
}

func revoke(ctx context.Context, c *comctl, args []string) error {
	return c.Do(ctx, http.MethodPost, boxURL(args[0])+"/revoke", nil, nil)
}

// subscribe gives a subscription for some days by COM's clock, or without end.
func subscribe(ctx context.Context, c *comctl, args []string) error {
	count, err := strconv.Atoi(args[2])
	if err != nil {
		return fmt.Errorf("count %q: want a number", args[2])
	}
	body := map[string]any{"count": count}
	if len(args) > 3 {
		days, err := strconv.Atoi(args[3])
		if err != nil || days < 1 {
			return fmt.Errorf("days %q: want a number from 1 on", args[3])
		}
		var clock struct{ Now time.Time }
		if err := c.Do(ctx, http.MethodGet, "/clock", nil, &clock); err != nil {
			return err
		}
		body["expires"] = clock.Now.AddDate(0, 0, days).Truncate(time.Second)
	}
	return c.Do(ctx, http.MethodPut, boxURL(args[0])+"/subscriptions/"+url.PathEscape(args[1]), body, nil)
}

func addPartner(ctx context.Context, c *comctl, args []string) error {
	return c.Do(ctx, http.MethodPut, "/partners/"+url.PathEscape(args[0]), nil, nil)
}

func addCustomer(ctx context.Context, c *comctl, args []string) error {
	return c.Do(ctx, http.MethodPut, "/customers/"+url.PathEscape(args[0]), map[string]string{"partner": args[1]}, nil)
}

func newToken(ctx context.Context, c *comctl, args []string) error {
	body := map[string]string{"name": args[0]}
	if len(args) > 1 {
		body["partner"] = args[1]
	}
	var answer struct{ Token string }
	if err := c.Do(ctx, http.MethodPost, "/tokens", body, &answer); err != nil {
		return err
	}
	fmt.Fprintln(c.out, answer.Token)
	return nil
}

func audit(ctx context.Context, c *comctl, _ []string) error {
	var list []store.Audit
	if err := c.Do(ctx, http.MethodGet, "/audit", nil, &list); err != nil {
		return err
	}
	for _, a := range list {
		fmt.Fprintln(c.out, printable(fmt.Sprintf("%s %s (%s) from %s: %s: %s", a.Time.Format(time.DateTime), a.Who, a.Partner, a.From, a.What, a.Result)))
	}
	return nil
}

// text has a box do something whose answer is a text, and prints that.
func (c *comctl) text(ctx context.Context, serial, method string, params any) error {
	var answer wire.Text
	if err := c.Call(ctx, serial, method, params, &answer); err != nil {
		return err
	}
	_, err := io.WriteString(c.out, printableText(answer.Text))
	return err
}

func metrics(ctx context.Context, c *comctl, args []string) error {
	return c.text(ctx, args[0], wire.MethodMetricsGet, nil)
}

// logLines is how many lines of the log are shown.
const logLines = 100

func logTail(ctx context.Context, c *comctl, args []string) error {
	return c.text(ctx, args[0], wire.MethodLogTail, wire.LogTail{Lines: logLines})
}

func backup(ctx context.Context, c *comctl, args []string) error {
	return c.text(ctx, args[0], wire.MethodBackupRun, wire.BackupRun{})
}

// backupRestore brings a backup into the candidate of a box. Its passphrase is the
// first line of a file: the words of a command are for all to see.
func backupRestore(ctx context.Context, c *comctl, args []string) error {
	text, err := os.ReadFile(args[2])
	if err != nil {
		return err
	}
	passphrase, _, _ := strings.Cut(string(text), "\n")
	return c.text(ctx, args[0], wire.MethodBackupRestore, wire.BackupRestore{Name: args[1], Passphrase: strings.TrimSuffix(passphrase, "\r")})
}

func sessions(ctx context.Context, c *comctl, args []string) error {
	var answer wire.Sessions
	if err := c.Call(ctx, args[0], wire.MethodSessionList, nil, &answer); err != nil {
		return err
	}
	text, err := json.MarshalIndent(answer.Sessions, "", "  ")
	if err != nil {
		return errors.Join(errors.New("print the sessions"), err)
	}
	_, err = fmt.Fprintln(c.out, string(text))
	return err
}
