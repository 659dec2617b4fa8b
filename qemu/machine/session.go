package machine

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// What the appliance asks for a line with: a host name, the mode in
// parentheses, then > or #.
const prompt = `^([A-Za-z][A-Za-z0-9-]{0,62})(?:\(([a-z0-9-]+)\))?([>#]) ?`

// Answer is what the appliance made of a line.
type Answer struct {
	Text       string // what was printed up to the next prompt, without the echo
	Host       string // the name in that prompt
	Mode       string // of that prompt: "config", "config-lan"; empty in EXEC
	Privileged bool   // the prompt ends in #
}

// refusal is what the console prints of a line that it does not take, or that
// control does not. Other lines with % are messages that nobody asked for.
var refusal = regexp.MustCompile(`(?m)^ *\^\n% .*|^% control (?:refused|does not answer).*|^% your groups do not permit .*`)

// Fault says that the line was refused; nil if it was not.
func (a Answer) Fault() error {
	if said := refusal.FindString(a.Text); said != "" {
		return errors.New(strings.TrimSpace(said))
	}
	return nil
}

// Type types one line at the prompt that there is, whatever its mode.
func (c *Console) Type(ctx context.Context, line string) (Answer, error) {
	if _, err := c.wake(ctx); err != nil {
		return Answer{}, err
	}
	return c.enter(ctx, line)
}

// wake has the appliance print a prompt, and reads it; who is not logged in
// does so first. An earlier prompt that was not read yet may be what it reads:
// one more follows then, before the echo of the next line.
func (c *Console) wake(ctx context.Context) (Answer, error) {
	if !c.waitsAt(before) {
		if err := c.Send(""); err != nil {
			return Answer{}, err
		}
	}
	return c.arrive(ctx)
}

// enter types a line, passes over its echo and reads the answer.
func (c *Console) enter(ctx context.Context, line string) (Answer, error) {
	if err := c.Send(line); err != nil {
		return Answer{}, err
	}
	if line != "" {
		if _, err := c.Expect(ctx, echo(line)); err != nil {
			return Answer{}, fmt.Errorf("the echo of %q: %w", line, err)
		}
	}
	answer, err := c.answer(ctx)
	if err != nil {
		return Answer{}, fmt.Errorf("line %q: %w", line, err)
	}
	return answer, nil
}

// echo is the pattern of a line as the console shows it while it is typed: a
// long one goes on in the next row, and a line of init's or of the kernel's may
// fall in between.
func echo(line string) string {
	const between = `(?:\r?\n|init: .*\n|\[ *\d+\.\d+\] .*\n)*`
	var pattern strings.Builder
	for _, r := range line {
		pattern.WriteString(regexp.QuoteMeta(string(r)) + between)
	}
	return pattern.String() + `\s*$`
}

// answer reads up to the next prompt.
func (c *Console) answer(ctx context.Context) (Answer, error) {
	match, err := c.Expect(ctx, prompt)
	if err != nil {
		return Answer{}, err
	}
	return answerOf(match), nil
}

// answerOf is what stood before the prompt that was found.
func answerOf(match Match) Answer {
	groups := match.Groups[len(match.Groups)-3:] // those of prompt
	return Answer{
		Text:       strings.Trim(strings.ReplaceAll(match.Before, "\r", ""), "\n"),
		Host:       groups[0],
		Mode:       groups[1],
		Privileged: groups[2] == "#",
	}
}

// Enable brings the session to a prompt with # and turns paging off. In a mode
// of the configuration it stays there.
func (c *Console) Enable(ctx context.Context) error {
	_, err := c.enable(ctx)
	return err
}

// enable gives the mode of the prompt that it leaves.
func (c *Console) enable(ctx context.Context) (mode string, err error) {
	at, err := c.wake(ctx)
	if err != nil || at.Privileged {
		return at.Mode, err
	}
	for _, line := range []string{"enable", "terminal length 0"} {
		if at, err = c.enter(ctx, line); err != nil {
			return "", err
		}
	}
	if !at.Privileged {
		return "", fmt.Errorf("enable was refused: %s", at.Text)
	}
	return "", nil
}

// Command types one privileged command of EXEC, in whatever mode, and gives
// what it printed up to the next prompt. A refusal is an answer like any other.
func (c *Console) Command(ctx context.Context, line string) (string, error) {
	mode, err := c.enable(ctx)
	if err != nil {
		return "", err
	}
	if mode != "" {
		line = "do " + line
	}
	answer, err := c.enter(ctx, line)
	return answer.Text, err
}

// Leave types a last command of EXEC, of which no prompt comes back: reload now,
// power-off now.
func (c *Console) Leave(ctx context.Context, line string) error {
	mode, err := c.enable(ctx)
	if err != nil {
		return err
	}
	if mode != "" {
		line = "do " + line
	}
	return c.Send(line)
}

// Configure types lines into the candidate, each after the prompt that the one
// before brought. It fails at the first that is refused. The session stays in the
// mode of the last.
func (c *Console) Configure(ctx context.Context, lines ...string) error {
	mode, err := c.enable(ctx)
	if err != nil {
		return err
	}
	if mode == "" {
		answer, err := c.enter(ctx, "configure terminal")
		if err != nil {
			return err
		}
		if answer.Mode == "" {
			return fmt.Errorf("configure terminal was refused: %s", answer.Text)
		}
	}
	for _, line := range lines {
		answer, err := c.enter(ctx, line)
		if err != nil {
			return err
		}
		if err := answer.Fault(); err != nil {
			return fmt.Errorf("line %q: %w", line, err)
		}
	}
	return nil
}

// Paste types a text at once, as a terminal program does from its clipboard,
// and gives what was printed until the last line was answered, echoes and
// prompts included.
func (c *Console) Paste(ctx context.Context, text string) (Answer, error) {
	if _, err := c.wake(ctx); err != nil {
		return Answer{}, err
	}
	const end = "! end of the paste"
	if err := c.Keys(strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\r") + "\r"); err != nil {
		return Answer{}, err
	}
	if err := c.Send(end); err != nil {
		return Answer{}, err
	}
	pasted, err := c.Expect(ctx, echo(end))
	if err != nil {
		return Answer{}, err
	}
	answer, err := c.answer(ctx)
	answer.Text = strings.ReplaceAll(pasted.Before, "\r", "")
	return answer, err
}
