package sticks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// Report is what became of the sticks.
type Report struct {
	Sticks  int
	Mounted int // some of them read-only
	Refused int // said to be unusable, or with nothing on them that can be read
	Intact  int // of those mounted
	Hung    int // the box did not answer any more
	Crashed int // it began anew, or a service of it did
	Wrong   []string
}

// String gives the report, one key=value a line.
func (r Report) String() string {
	return fmt.Sprintf("sticks=%d\nmounted=%d\nrefused=%d\nintact=%d\nhung=%d\ncrashed=%d\n%s",
		r.Sticks, r.Mounted, r.Refused, r.Intact, r.Hung, r.Crashed, strings.Join(append(r.Wrong, ""), "\n"))
}

// Fault says what was wrong; nil if nothing was.
func (r Report) Fault() error {
	if r.Hung+r.Crashed+len(r.Wrong) == 0 {
		return nil
	}
	return fmt.Errorf("of %d sticks %d hung the box, %d crashed it; %s", r.Sticks, r.Hung, r.Crashed, strings.Join(r.Wrong, "; "))
}

const (
	// noticeLimit is how long the box has to say something about a stick, or
	// to notice that it is gone.
	noticeLimit = 90 * time.Second
	// answerLimit is how long a command may take.
	answerLimit = 3 * time.Minute
)

// Box is a box that sticks are plugged into.
type Box struct {
	*smoke.Box
	Progress io.Writer // gets a line for each stick
}

// Run plugs sticks from 0 to count-1 in. It ends at the first that hangs or
// crashes the box, whose image is kept.
func (b Box) Run(ctx context.Context, m *Maker, count int) (report Report, err error) {
	before, err := b.lives(ctx)
	if err != nil {
		return report, err
	}
	for i := range count {
		stick, err := m.Make(i)
		if err != nil {
			return report, fmt.Errorf("make stick %d: %w", i, err)
		}
		outcome, err := b.try(ctx, stick, i%2 == 0)
		report.Sticks++
		fmt.Fprintf(b.Progress, "%d: %s: %s\n", i, stick.Name, outcome)
		after, alive := b.lives(ctx)
		switch {
		case alive == nil && after != before:
			report.Crashed++
			report.Wrong = append(report.Wrong, fmt.Sprintf("stick %d (%s, %s): the services lived on as %q; before it was %q", i, stick.Name, stick.Image, after, before))
			return report, nil
		case alive != nil || err != nil:
			report.Hung++
			report.Wrong = append(report.Wrong, fmt.Sprintf("stick %d (%s, %s): %v", i, stick.Name, stick.Image, errors.Join(err, alive)))
			return report, nil
		}
		switch {
		case outcome != mounted && outcome != readOnly:
			report.Refused++
		default:
			report.Mounted++
			if stick.Intact {
				report.Intact++
			}
		}
		if stick.Intact && outcome != mounted {
			report.Wrong = append(report.Wrong, fmt.Sprintf("stick %d (%s) is intact, and: %s", i, stick.Name, outcome))
		}
		if err := os.Remove(stick.Image); err != nil {
			return report, err
		}
	}
	return report, nil
}

// Outcomes, beside what the box says of a stick that it refuses.
const (
	mounted  = "mounted"
	readOnly = "mounted read-only"
	nothing  = "nothing on it can be read"
)

// said is what init says of a stick that was plugged in.
var said = `init: usb0: (?:(mounted(?: read-only)?) from|((?:/dev/\S+ (?:holds|is (?:blank|half|unknown))|mount |look |open |read ).*)$)`

// try plugs a stick in, uses it and pulls it, without unmounting it first if so
// asked. The error says that the box did not answer.
func (b Box) try(ctx context.Context, stick Stick, rudely bool) (outcome string, err error) {
	if err := b.Machine.Plug(ctx, "stick", machine.Stick{Image: stick.Image}); err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, noticeLimit)
	match, err := b.Machine.Console.Expect(limited, said)
	cancel()
	switch {
	case err != nil && ctx.Err() != nil:
		return "", err
	case err != nil:
		outcome = nothing
	default:
		outcome = match.Groups[1] + match.Groups[2]
	}
	if outcome == mounted || outcome == readOnly {
		if err := b.use(ctx, stick); err != nil {
			return outcome, err
		}
		if !rudely {
			if _, err := b.command(ctx, "unmount usb0:"); err != nil {
				return outcome, err
			}
		}
	}
	if err := b.Machine.Pull(ctx, "stick"); err != nil {
		return outcome, err
	}
	return outcome, b.gone(ctx)
}

// use looks at all of a stick, and writes to it.
func (b Box) use(ctx context.Context, stick Stick) error {
	for _, line := range []string{
		"dir usb0:", "dir usb0:folder", "dir usb0:folder/deeper", "dir usb0:folder/deeper/deeper", "show storage",
		"mkdir usb0:new", "copy running-config usb0:new/config", "dir usb0:new",
	} {
		answer, err := b.command(ctx, line)
		if err != nil {
			return err
		}
		if stick.Intact && strings.Contains(answer, "% ") && !strings.Contains(line, "deeper/deeper") {
			return fmt.Errorf("%s: %s", line, answer)
		}
	}
	if !stick.Intact {
		return nil // a file of terabytes may be a hole: nobody waits for that
	}
	answer, err := b.command(ctx, "more usb0:hello.txt")
	if err == nil && !strings.Contains(answer, strings.TrimSpace(helloText)) {
		err = fmt.Errorf("more usb0:hello.txt: %s", answer)
	}
	return err
}

// command types a line.
func (b Box) command(ctx context.Context, line string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	return b.Machine.Console.Command(ctx, line)
}

// noStick is what show storage says of usb0: when no stick is there.
var noStick = regexp.MustCompile(`(?s)usb0:\s+State: (?:missing|pulled)`)

// gone waits until the box has noticed that the stick was pulled, and forgets
// that it was.
func (b Box) gone(ctx context.Context) error {
	for deadline := time.Now().Add(noticeLimit); ; {
		answer, err := b.command(ctx, "show storage")
		switch {
		case err != nil:
			return err
		case noStick.MatchString(answer):
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("the box has not noticed that the stick was pulled:\n%s", answer)
		}
	}
}

// row is that of a service in show system.
var row = regexp.MustCompile(`(?m)^\w+ +PID: \d+ `)

// lives gives the processes of the services: others are there after a crash.
func (b Box) lives(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	system, err := b.System(ctx)
	if err != nil {
		return "", err
	}
	all := strings.Join(row.FindAllString(system.Text, -1), "")
	if all == "" {
		return "", fmt.Errorf("show system names no service:\n%s", system.Text)
	}
	return all, nil
}
