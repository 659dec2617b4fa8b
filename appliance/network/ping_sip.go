package network

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// pinged is a host that ping takes. A host named sip has a whole name and an
// address besides.
type pinged struct{ config.Host }

// Parse reads an address or a host name.
func (p pinged) Parse(word string) (any, error) {
	if strings.EqualFold(word, "sip") {
		return nil, errors.New("sip is the word of another ping; give the address or the whole name of that host")
	}
	return p.Host.Parse(word)
}

// sipPause is how long after the begin of one OPTIONS the next is sent: servers
// take many at a time for an attack.
const sipPause = time.Second

// pingSIP has the proxy send one OPTIONS after the other.
func pingSIP(ctx context.Context, s exec.Session, a config.Args) error {
	ping := model.SIPPing{Host: a.Text("HOST"), Port: a.Int("PORT"), Transport: a.Text("TRANSPORT")}
	fmt.Fprintf(s, "Sending %d SIP OPTIONS to %s, timeout is %.0f seconds:\n", a.Int("COUNT"), ping.Host, model.SIPPingPatience.Seconds())
	var sent int
	var times []time.Duration
	for sent < a.Int("COUNT") {
		next := time.After(sipPause)
		var told model.SIPPingAnswer
		err := s.Call(ctx, "proxy", "proxy.ping-sip", ping, &told)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return err
		}
		sent++
		if told.Status > 0 {
			times = append(times, told.Trip)
		}
		if _, err := fmt.Fprintln(s, sipAnswerText(&told)); err != nil {
			return err // the operator has seen enough
		}
		if sent < a.Int("COUNT") {
			select {
			case <-ctx.Done():
			case <-next:
			}
		}
	}
	printSuccess(s, sent, times)
	return nil
}

// sipAnswerText is how one OPTIONS went.
func sipAnswerText(told *model.SIPPingAnswer) string {
	switch {
	case told.Status > 0:
		return fmt.Sprintf("SIP/2.0 %d %s from %s in %.1f ms", told.Status, told.Reason, told.Place, milliseconds(told.Trip))
	case told.Place != "":
		return told.Place + ": " + told.Problem
	}
	return told.Problem
}
