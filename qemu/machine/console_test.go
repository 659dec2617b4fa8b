package machine

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestConsoleExpect feeds a console in pieces and reads it by patterns.
func TestConsoleExpect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		output, machine := io.Pipe()
		c := NewConsole(output, io.Discard)
		start := time.Now()
		go func() {
			io.WriteString(machine, "[ 0.1] Linux\r\ninit: cause")
			time.Sleep(3 * time.Second)
			io.WriteString(machine, "way 1.2 on x86_64 starting\r\ninit: re")
			time.Sleep(4 * time.Second)
			io.WriteString(machine, "ady\r\n")
			machine.Close()
		}()
		match, err := c.Expect(t.Context(), `^init: causeway (\S+) on (\S+) starting`)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(match.Groups[1:], " "); got != "1.2 x86_64" {
			t.Errorf("groups = %q; want version and board", got)
		}
		if !strings.Contains(match.Before, "Linux") {
			t.Errorf("before = %q; want the kernel's line", match.Before)
		}
		if got := match.At.Sub(start); got != 3*time.Second {
			t.Errorf("the first line came after %v; want 3 s", got)
		}
		if match, err = c.Expect(t.Context(), `init: ready`); err != nil || match.At.Sub(start) != 7*time.Second {
			t.Errorf("the second line came after %v, %v; want 7 s", match.At.Sub(start), err)
		}
		if _, err := c.Expect(t.Context(), `init: ready`); !errors.Is(err, io.EOF) {
			t.Errorf("a line that was consumed = %v; want the end of the console", err)
		}
		if got, want := c.Transcript(), "[ 0.1] Linux\ninit: causeway 1.2 on x86_64 starting\ninit: ready\n"; got != want {
			t.Errorf("Transcript() = %q; want %q", got, want)
		}
		if got, want := c.Tail(2), "init: ready\n"; got != want {
			t.Errorf("Tail(2) = %q; want %q", got, want)
		}
	})
}

func TestConsoleExpectEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		output, machine := io.Pipe()
		defer machine.Close()
		c := NewConsole(output, io.Discard)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.Expect(ctx, "never"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Expect = %v; want the deadline", err)
		}
		if _, err := c.Expect(ctx, "("); err == nil {
			t.Error("Expect of a bad pattern = nil; want an error")
		}
	})
}

// TestConsoleCommand plays the appliance's console: it echoes, answers in lines
// and prompts; a line of the kernel falls in between.
func TestConsoleCommand(t *testing.T) {
	output, machine := io.Pipe()
	typed, input := io.Pipe()
	defer machine.Close()
	go func() {
		keys := bufio.NewReader(typed)
		io.WriteString(machine, "boot messages\r\ncauseway> ")
		for {
			line, err := keys.ReadString('\r')
			if err != nil {
				return
			}
			line = strings.TrimSuffix(line, "\r")
			io.WriteString(machine, line+"\r\n")
			if line == "show system" {
				io.WriteString(machine, "[ 9.0] kernel: hello\r\nMemory used (kB): 1234\r\n")
			}
			io.WriteString(machine, "causeway> ")
		}
	}()
	c := NewConsole(output, input)
	for range 2 {
		got, err := c.Command(t.Context(), "show system")
		if want := "[ 9.0] kernel: hello\nMemory used (kB): 1234"; err != nil || got != want {
			t.Errorf("Command = %q, %v; want %q", got, err, want)
		}
	}
	input.Close()
	if err := c.Send("x"); err == nil {
		t.Error("Send to a closed line = nil; want an error")
	}
}
