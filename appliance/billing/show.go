package billing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// ExecCommands declares what an operator may ask of billing.
func ExecCommands() []exec.Command {
	sbc := config.Argument{Name: "SBC", Type: config.Name{}, Help: "Name of the session border controller"}
	client := config.Argument{Name: "CLIENT", Type: radiusName, Help: "Name of the RADIUS client"}
	release := config.Argument{Name: "RELEASE", Type: config.Choice{oldRelease}, Help: "Release of CUBE"}
	instance := config.Argument{Name: "INSTANCE", Type: config.Word{Max: 512}, Help: "Its place in the cache, as in packetcable-em-0 and xml-1, or a cache path that was left"}
	return []exec.Command{
		{Syntax: "show billing status", Help: "Journal and counters of billing", Run: showStatus},
		{Syntax: "show sbc SBC sbe billing instance", Args: []config.Argument{sbc},
			Help: "The Billing Manager and the instances of its methods", Run: showInstances},
		{Syntax: "show sbc SBC sbe billing local", Args: []config.Argument{sbc},
			Help: "What waits on the box: journal and cache", Run: showLocal},
		{Syntax: "show sbc SBC sbe billing remote", Args: []config.Argument{sbc},
			Help: "Where records go: RADIUS servers", Run: showRemote},
		{Syntax: "show sbc SBC sbe billing configuration release RELEASE", Args: []config.Argument{sbc, release},
			Help: "The configuration of billing in the words of an older release", Run: showOlder},
		{Syntax: "show sbc SBC sbe radius-client-accounting CLIENT [stats]", Args: []config.Argument{sbc, client},
			Help: "A RADIUS client and its servers", Run: showClient},
		{Syntax: "clear sbc SBC sbe billing cache INSTANCE", Args: []config.Argument{sbc, instance}, Level: exec.Privileged,
			Help: "Give up the records that wait for an instance", Run: clearCache},
	}
}

// ask gives how billing stands, if the box's SBC is the one that was named.
func ask(ctx context.Context, s exec.Session, a config.Args) (status model.BillingStatus, err error) {
	if err := s.Call(ctx, "billing", "billing.status", nil, &status); err != nil {
		return status, err
	}
	switch {
	case status.Manager.SBC != a.Text("SBC"):
		return status, fmt.Errorf("there is no SBC %s", a.Text("SBC"))
	case !status.Manager.Configured:
		return status, errors.New("billing is not configured")
	}
	return status, nil
}

// field prints a line; one without value ends with its colon.
func field(s exec.Session, name, format string, args ...any) {
	fmt.Fprintln(s, strings.TrimSuffix(name+": "+fmt.Sprintf(format, args...), " "))
}

func upOrDown(up bool) string {
	if up {
		return "UP"
	}
	return "DOWN"
}

func moment(s exec.Session, t time.Time) string {
	if t.IsZero() {
		return "none"
	}
	return exec.Time(s, t, "2006-01-02 15:04:05 -0700")
}

func showStatus(ctx context.Context, s exec.Session, _ config.Args) error {
	var status model.BillingStatus
	if err := s.Call(ctx, "billing", "billing.status", nil, &status); err != nil {
		return err
	}
	exec.Field(s, "Revision", cmp.Or(status.Revision, "none"))
	exec.Field(s, "Open calls", status.OpenCalls)
	exec.Field(s, "Journal", status.Journal.Directory)
	exec.Field(s, "Journal segments", status.Journal.Segments)
	exec.Field(s, "Journal size (bytes)", status.Journal.Bytes)
	exec.Field(s, "Journal first record", status.Journal.FirstSeq)
	exec.Field(s, "Journal next record", status.Journal.NextSeq)
	exec.Field(s, "Journal repairs", status.Journal.Repaired)
	exec.Counters(s, status.Counters)
	return nil
}
