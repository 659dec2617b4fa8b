package billing

import (
	"context"
	"fmt"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// showRemote prints where records go.
func showRemote(ctx context.Context, s exec.Session, a config.Args) error {
	status, err := ask(ctx, s, a)
	if err != nil {
		return err
	}
	for i := range status.RADIUS {
		if i > 0 {
			fmt.Fprintln(s)
		}
		showTransport(s, &status, &status.RADIUS[i])
		for _, server := range status.RADIUS[i].Servers {
			field(s, "Server "+server.Name, "%s, priority %d, %s%s", server.Address, server.Priority, upOrDown(server.Up),
				map[bool]string{true: ", current"}[server.Current])
		}
	}
	if len(status.RADIUS) == 0 {
		fmt.Fprintln(s, "No RADIUS client is at work")
	}
	return nil
}

// showTransport prints how a client stands, and what waits for it.
func showTransport(s exec.Session, status *model.BillingStatus, client *model.RADIUSClientStatus) {
	field(s, "Radius client name", "%s", client.Name)
	field(s, "Transport Mechanism Status", "%s", upOrDown(client.Up))
	field(s, "Requests under way", "%d", client.UnderWay)
	for _, i := range status.Instances {
		if i.Client != client.Name {
			continue
		}
		field(s, "Instance", "%s", i.Name)
		if c := consumer(&status.Cache, i.Name); c != nil {
			showWaiting(s, c)
		}
	}
}

// showClient prints a client with its servers, or what they count.
func showClient(ctx context.Context, s exec.Session, a config.Args) error {
	status, err := ask(ctx, s, a)
	if err != nil {
		return err
	}
	name := a.Text("CLIENT")
	at := slices.IndexFunc(status.RADIUS, func(c model.RADIUSClientStatus) bool { return c.Name == name })
	if at < 0 {
		return notAtWork(&status, name)
	}
	client := &status.RADIUS[at]
	if a.Has("stats") {
		field(s, "Radius client name", "%s", client.Name)
	} else {
		showTransport(s, &status, client)
	}
	for i := range client.Servers {
		server := &client.Servers[i]
		fmt.Fprintf(s, "\nServer: %s\n", server.Name)
		if a.Has("stats") {
			showServerStats(s, server)
		} else {
			showServer(s, server)
		}
	}
	return nil
}

// notAtWork says why there is nothing to show of a client.
func notAtWork(status *model.BillingStatus, name string) error {
	for _, i := range status.Instances {
		if i.Client == name {
			return fmt.Errorf("RADIUS client %s is not at work: %s is not, either", name, i.Name)
		}
	}
	return fmt.Errorf("no instance sends with a RADIUS client %s", name)
}

func showServer(s exec.Session, server *model.RADIUSServerStatus) {
	field(s, "Address", "%s", server.Address)
	field(s, "Transport", "%s", map[bool]string{true: "tls", false: "udp"}[server.TLS])
	field(s, "Priority", "%d", server.Priority)
	field(s, "State", "%s", upOrDown(server.Up))
	field(s, "Current", "%s", map[bool]string{true: "Yes", false: "No"}[server.Current])
	if server.Problem != "" {
		field(s, "Problem", "%s", server.Problem)
	}
}

// showServerStats prints the counters of RADIUS-ACC-CLIENT-MIB (RFC 4670) in
// its order.
func showServerStats(s exec.Session, server *model.RADIUSServerStatus) {
	field(s, "Round Trip Time", "%v", server.RoundTripTime)
	for _, counter := range []struct {
		name  string
		value int64
	}{
		{"Requests", server.Requests},
		{"Retransmissions", server.Retransmissions},
		{"Responses", server.Responses},
		{"Malformed Responses", server.MalformedAnswers},
		{"Bad Authenticators", server.BadAuthenticators},
		{"Pending Requests", server.Pending},
		{"Timeouts", server.Timeouts},
		{"Unknown Types", server.UnknownTypes},
		{"Packets Dropped", server.Dropped},
	} {
		field(s, counter.name, "%d", counter.value)
	}
}
