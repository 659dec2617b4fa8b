package machine

import (
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
