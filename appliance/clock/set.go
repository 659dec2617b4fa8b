package clock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/link"
)

// Methods are what control serves of the clock.
func (c *Clock) Methods() link.Methods {
	return link.Methods{
		"control.ntp":        func(context.Context) (Synchronisation, error) { return c.synchronisation(), nil },
		"control.clock-set":  link.ForOperators(c.setTime),
		"control.clock-step": link.ForOperators(c.takeStep),
	}
}

// SetRequest is the parameter of control.clock-set.
type SetRequest struct {
	Time string `json:"time"` // "2026-11-22 09:30:00" in the zone of the configuration
}

// StepRequest is the parameter of control.clock-step.
type StepRequest struct {
	Offset time.Duration `json:"offset"` // the step that the operator agreed to, as Synchronisation.Refused
}

// Set is the answer of both: the time of the clock after it was set.
type Set struct {
	Time time.Time `json:"time"`
}

const setLayout = "2006-01-02 15:04:05"

// setTime sets the clock by hand. It counts as a clock that is not
// synchronised.
func (c *Clock) setTime(_ context.Context, r SetRequest) (Set, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	to, err := time.ParseInLocation(setLayout, r.Time, c.zone)
	switch {
	case err != nil:
		return Set{}, fmt.Errorf("set the clock: %w", err)
	case to.Format(setLayout) != r.Time:
		return Set{}, fmt.Errorf("%s does not exist in %v: daylight saving begins", r.Time, c.zone)
	case to.Before(c.options.Floor):
		return Set{}, fmt.Errorf("%s is before this image was built, on %s", r.Time, c.options.Floor.In(c.zone).Format(setLayout))
	}
	state, err := c.options.Adjust.read()
	if err != nil {
		return Set{}, err
	}
	c.workedOff(state.offset)
	if _, err := c.options.Adjust(setByHand(to.Sub(state.now))); err != nil {
		return Set{}, fmt.Errorf("set the clock: %w", err)
	}
	c.options.Log.Warn("clock set by hand", "from", state.now.UTC(), "to", to.UTC())
	c.stepped(to.Sub(state.now))
	c.byHand, c.refused, c.right = true, 0, time.Time{}
	c.hurry(1)
	signal(c.keep)
	signal(c.wake)
	return Set{to}, nil
}

// stepDiffers is how far the offset may have gone from the one agreed to.
const stepDiffers = 10 * time.Second

// takeStep takes the step that was refused.
func (c *Clock) takeStep(_ context.Context, r StepRequest) (Set, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	state, err := c.options.Adjust.read()
	switch {
	case err != nil:
		return Set{}, err
	case c.refused == 0 || c.chosen.peer == nil:
		return Set{}, errors.New("no step is refused now")
	case (c.chosen.offset - r.Offset).Abs() > stepDiffers:
		return Set{}, fmt.Errorf("the servers want another step now, by %s", c.chosen.offset.Round(time.Second))
	}
	if err := c.tell(true, state); err != nil {
		return Set{}, err
	}
	c.poll = minPoll
	c.hurry(1)
	signal(c.wake)
	return Set{state.now.Add(c.offset)}, nil
}

// months are the words of clock set.
var months = config.Choice{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}

// timeOfDay is a time of day to the second. Its value is a string such as
// "09:30:00".
type timeOfDay struct{}

// Parse reads a time of day.
func (timeOfDay) Parse(word string) (any, error) {
	if _, err := time.Parse(time.TimeOnly, word); err != nil || len(word) != len(time.TimeOnly) {
		return nil, fmt.Errorf("%s is not a time of day such as 09:30:00", word)
	}
	return word, nil
}

// Format prints the time.
func (timeOfDay) Format(value any) string { return fmt.Sprint(value) }

// String gives the notation.
func (timeOfDay) String() string { return "HH:MM:SS" }

// settingCommands declares what sets the clock.
func settingCommands() []exec.Command {
	return []exec.Command{{
		Syntax: "clock set TIME DAY MONTH YEAR", Help: "Set the clock by hand, in the time zone of the appliance",
		Level: exec.Privileged, Run: setClock,
		Args: []config.Argument{
			{Name: "TIME", Type: timeOfDay{}, Help: "Time of day"},
			{Name: "DAY", Type: config.Integer{Min: 1, Max: 31}, Help: "Day of the month"},
			{Name: "MONTH", Type: months, Help: "Month"},
			{Name: "YEAR", Type: config.Integer{Min: 2000, Max: 2099}, Help: "Year"},
		},
	}, {
		Syntax: "clock step", Help: "Take the time of the servers although the step was refused",
		Level: exec.Privileged, Run: stepClock,
	}}
}

func setClock(ctx context.Context, s exec.Session, a config.Args) error {
	day, month := a.Int("DAY"), slices.Index(months, a.Text("MONTH"))+1
	date := fmt.Sprintf("%04d-%02d-%02d", a.Int("YEAR"), month, day)
	if _, err := time.Parse(time.DateOnly, date); err != nil {
		return fmt.Errorf("%s %d has no day %d", a.Text("MONTH"), a.Int("YEAR"), day)
	}
	now, err := ask(ctx, s)
	if err != nil {
		return err
	}
	if strings.HasPrefix(now.Status, "synchronised") {
		if err := s.Confirm("The clock follows time servers, which will set it back. Set it nevertheless?"); err != nil {
			return err
		}
	}
	return change(ctx, s, "control.clock-set", SetRequest{date + " " + a.Text("TIME")})
}

func stepClock(ctx context.Context, s exec.Session, _ config.Args) error {
	now, err := ask(ctx, s)
	if err != nil {
		return err
	}
	if now.Refused == 0 {
		return fmt.Errorf("no step is refused now: %s", now.Status)
	}
	to := exec.Time(s, time.Now().Add(now.Refused), "2006-01-02 15:04:05 MST")
	if err := s.Confirm(fmt.Sprintf("Step the clock by %s, to %s?", now.Refused.Round(time.Second), to)); err != nil {
		return err
	}
	return change(ctx, s, "control.clock-step", StepRequest{now.Refused})
}

// change sets the clock and says what it shows then.
func change(ctx context.Context, s exec.Session, method string, request any) error {
	var set Set
	if err := s.Call(ctx, "control", method, request, &set); err != nil {
		return err
	}
	exec.Field(s, "The clock was set to", exec.Time(s, set.Time, "2006-01-02 15:04:05 MST"))
	return nil
}
