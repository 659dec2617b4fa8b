package callhome

import (
	"context"
	"errors"
	"fmt"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// AllSent is what SendAll prints when it has worked (CH-34, "Save and Call Home
// now").
const AllSent = "Call Home configuration saved and all Call Home messages sent successfully"

// ExecCommands declares what an operator may ask and do about Call Home.
func ExecCommands() []exec.Command {
	profile := config.Argument{Name: "NAME", Type: config.Name{Max: profileNameMost}, Help: "Name of a profile: vendor, copies, or another (default all)"}
	return append([]exec.Command{
		{
			Syntax: "call-home send alert-group GROUP [profile NAME]", Level: exec.Privileged, Run: sendGroup,
			Args: []config.Argument{{Name: "GROUP", Type: config.Choice{model.GroupConfiguration, model.GroupInventory, model.GroupTelemetry}, Help: "What is sent every month"}, profile},
			Help: "Make a message and send it now",
		},
		{Syntax: "call-home send all", Level: exec.Privileged, Help: "Send all messages that are sent every month, and those that wait, now", Run: sendAll},
		{
			Syntax: "call-home test [profile NAME] [text LINE]", Level: exec.Privileged, Run: sendTest,
			Args: []config.Argument{profile, {Name: "LINE", Type: config.Line{Quoted: true}, Help: "What the message says"}},
			Help: "Send a test message now",
		},
		{Syntax: "clear call-home dedup", Level: exec.Privileged, Help: "Forget the alerts of the last 24 hours: the next of each is told again", Run: clearDedup},
		{Syntax: "clear call-home queue", Level: exec.Privileged, Help: "Drop all messages that wait", Run: clearQueue},
	}, showCommands()...)
}

func sendGroup(ctx context.Context, s exec.Session, a config.Args) error {
	answer, err := ask(ctx, s, "send", SendRequest{Operator: s.Operator(), Group: a.Text("GROUP"), Profile: a.Text("NAME")})
	return outcome(s, answer, err)
}

func sendTest(ctx context.Context, s exec.Session, a config.Args) error {
	answer, err := ask(ctx, s, "test", TestRequest{Operator: s.Operator(), Text: a.Text("LINE"), Profile: a.Text("NAME")})
	return outcome(s, answer, err)
}

func sendAll(ctx context.Context, s exec.Session, _ config.Args) error { return SendAll(ctx, s) }

// SendAll has all messages of the vendor sent now, and says what became of them.
// The error says that it was not all.
func SendAll(ctx context.Context, s exec.Session) error {
	answer, err := ask(ctx, s, "send-all", SendAllRequest{Operator: s.Operator()})
	if err == nil && len(answer.Deliveries) > 0 && unsent(answer) == 0 {
		_, err = fmt.Fprintln(s, AllSent)
		return err
	}
	return outcome(s, answer, err)
}

// ask has messages made and sent.
func ask(ctx context.Context, s exec.Session, method string, request any) (answer Answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, SendLimit+10*time.Second)
	defer cancel()
	err = s.Call(ctx, "control", "control.callhome."+method, request, &answer)
	return answer, err
}

// unsent counts the deliveries that have not come about.
func unsent(answer Answer) (n int) {
	for _, d := range answer.Deliveries {
		if d.Outcome != outcomeSent {
			n++
		}
	}
	return n
}

// outcome prints what became of deliveries. Its error says that one did not come
// about.
func outcome(s exec.Session, answer Answer, err error) error {
	if err != nil {
		return err
	}
	if len(answer.Deliveries) == 0 {
		return errors.New("no profile gets such a message: show call-home profile")
	}
	printDeliveries(s, answer.Deliveries)
	if n := unsent(answer); n > 0 {
		return fmt.Errorf("%d of %d messages are not sent", n, len(answer.Deliveries))
	}
	return nil
}

func clearDedup(ctx context.Context, s exec.Session, _ config.Args) error {
	return forget(ctx, s, "clear-dedup", "Alerts forgotten")
}

func clearQueue(ctx context.Context, s exec.Session, _ config.Args) error {
	if err := s.Confirm("The messages that wait are not sent."); err != nil {
		return err
	}
	return forget(ctx, s, "clear-queue", "Deliveries dropped")
}

func forget(ctx context.Context, s exec.Session, method, what string) error {
	var cleared Cleared
	err := s.Call(ctx, "control", "control.callhome."+method, ClearRequest{Operator: s.Operator()}, &cleared)
	if err == nil {
		exec.Field(s, what, cleared.Count)
	}
	return err
}
