package machine

import (
	"bufio"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// playConsole plays the appliance: it echoes, answers, and asks for the next
// line. It gives a console at it and the lines that it was typed.
func playConsole(t *testing.T) (c *Console, typed func() []string) {
	output, screen := io.Pipe()
	keyboard, input := io.Pipe()
	var lines []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		prompts := map[string]string{"enable": "#", "configure terminal": "(config)#", "interface LAN1": "(config-lan)#"}
		at := ">"
		io.WriteString(screen, "boot messages\r\nbox"+at)
		for keys := bufio.NewReader(keyboard); ; {
			line, err := keys.ReadString('\r')
			if err != nil {
				return
			}
			line = strings.TrimSuffix(line, "\r")
			io.WriteString(screen, line+"\r\n")
			if line != "" {
				lines = append(lines, line)
			}
			switch line {
			case "show system":
				io.WriteString(screen, "[ 9.0] kernel: hello\r\nMemory used (kB): 1234\r\n")
			case "frobnicate":
				io.WriteString(screen, "    ^\r\n% unknown command\r\n")
			case "interface LAN1":
				io.WriteString(screen, "% Raised: a message that nobody asked for\r\n")
			}
			if next, ok := prompts[line]; ok {
				at = next
			}
			io.WriteString(screen, "box"+at)
		}
	}()
	t.Cleanup(func() {
		input.Close()
		<-done
		screen.Close()
	})
	return NewConsole(output, input), func() []string {
		input.Close()
		<-done
		return lines
	}
}

func TestConsoleCommand(t *testing.T) {
	c, typed := playConsole(t)
	for range 2 {
		got, err := c.Command(t.Context(), "show system")
		if want := "[ 9.0] kernel: hello\nMemory used (kB): 1234"; err != nil || got != want {
			t.Errorf("Command = %q, %v; want %q", got, err, want)
		}
	}
	want := []string{"enable", "terminal length 0", "show system", "show system"}
	if got := typed(); !slices.Equal(got, want) {
		t.Errorf("typed %q; want %q: enable once", got, want)
	}
	if err := c.Send("x"); err == nil {
		t.Error("Send to a closed line = nil; want an error")
	}
}

func TestConsoleConfigure(t *testing.T) {
	c, typed := playConsole(t)
	if err := c.Configure(t.Context(), "interface LAN1"); err != nil {
		t.Fatal(err)
	}
	answer, err := c.Type(t.Context(), "! nothing")
	if want := (Answer{Host: "box", Mode: "config-lan", Privileged: true}); err != nil || answer != want {
		t.Errorf("Type = %+v, %v; want %+v", answer, err, want)
	}
	if err := c.Configure(t.Context(), "frobnicate", "never typed"); err == nil || !strings.Contains(err.Error(), "unknown command") {
		t.Errorf("Configure of a line that is refused = %v; want the appliance's words", err)
	}
	if _, err := c.Command(t.Context(), "show system"); err != nil {
		t.Errorf("Command in a mode of the configuration = %v", err)
	}
	want := []string{
		"enable", "terminal length 0", "configure terminal", "interface LAN1", "! nothing", "frobnicate", "do show system",
	}
	if got := typed(); !slices.Equal(got, want) {
		t.Errorf("typed %q; want %q", got, want)
	}
}

func TestConsolePaste(t *testing.T) {
	c, typed := playConsole(t)
	answer, err := c.Paste(t.Context(), "configure terminal\ninterface LAN1\nfrobnicate\nshow system\n")
	if err != nil || answer.Mode != "config-lan" || !strings.Contains(answer.Text, "unknown command") || !strings.Contains(answer.Text, "1234") {
		t.Errorf("Paste = %+v, %v; want all answers, in the mode of the last line", answer, err)
	}
	if got := typed(); len(got) != 5 || got[3] != "show system" {
		t.Errorf("typed %q; want the text and its end", got)
	}
}

// playDoor plays an appliance that asks these questions in turn, and then
// stands at a prompt. It gives a console at it and what was typed; echoes are
// those of a terminal, and secrets have none.
func playDoor(t *testing.T, questions ...string) (c *Console, typed func() []string) {
	output, screen := io.Pipe()
	keyboard, input := io.Pipe()
	var lines []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		keys := bufio.NewReader(keyboard)
		for _, question := range append(questions, "box>", "box>", "box>") {
			io.WriteString(screen, "\r\n"+question)
			line, err := keys.ReadString('\r')
			if err != nil {
				return
			}
			line = strings.TrimSuffix(line, "\r")
			lines = append(lines, line)
			if !strings.HasPrefix(question, "Password") && !strings.HasPrefix(question, "Again") {
				io.WriteString(screen, line)
			}
		}
	}()
	t.Cleanup(func() {
		input.Close()
		<-done
		screen.Close()
	})
	c = NewConsole(output, input)
	if _, err := c.Expect(t.Context(), regexp.QuoteMeta(questions[0])); err != nil {
		t.Fatal(err)
	}
	return c, func() []string {
		input.Close()
		<-done
		return lines
	}
}

// TestConsoleArrives: whoever types at a console that nobody is logged in at logs
// in first, and sets a new box up.
func TestConsoleArrives(t *testing.T) {
	for _, test := range []struct {
		name            string
		questions, want []string
	}{
		{"a login", []string{"Username: ", "Password: "}, []string{User, Password, ""}},
		{"a new box", []string{
			"Host name [box]: ", "Name of the administrator [admin]: ", "Password: ", "Again: ", "LAN1 address, dhcp or none [none]: ",
			"Put this in force (yes/no)? [yes]: ", "Username: ", "Password: ",
		}, []string{"", "", Password, Password, "", "", User, Password, ""}},
		{"control comes late", []string{"Choice [wait]: ", "Choice [wait]: ", "Username: ", "Password: "}, []string{"", "", User, Password, ""}},
	} {
		c, typed := playDoor(t, test.questions...)
		if answer, err := c.Type(t.Context(), ""); err != nil || answer.Host != "box" {
			t.Errorf("%s: Type = %+v, %v; want the prompt of box", test.name, answer, err)
		}
		if got := typed(); !slices.Equal(got, test.want) {
			t.Errorf("%s: typed %q; want %q", test.name, got, test.want)
		}
	}
	c, _ := playDoor(t, "Username: ", "Password: ", "% login invalid\r\nUsername: ", "Password: ", "% login invalid\r\nUsername: ")
	if answer, err := c.Type(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "login invalid") {
		t.Errorf("Type where the login is refused = %+v, %v; want what was said", answer, err)
	}
}
