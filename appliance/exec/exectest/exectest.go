// Package exectest lets tests type EXEC commands without a console and without
// a box: the test says what the processes answer, and sees what was printed.
package exectest

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/exec"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Session is the box and the operator of a test. The zero value is a box whose
// processes are all down and an operator who agrees to everything. It may be
// used from several goroutines once the command runs.
type Session struct {
	// Answers are what methods answer, by name: a value, an error, or a
	// func(params string) (any, error) that is given the parameters as JSON.
	// A process without the method is down.
	Answers map[string]any
	Refuses bool     // the operator says no
	Pasted  []string // what the operator pastes and types hidden, one after the other
	Enough  int      // after so many writes the operator quits the pager; 0: never

	sockets map[string]string // of the processes that Serve started

	mu      sync.Mutex
	printed strings.Builder
	writes  int
	called  []string
}

// Write keeps what the command prints. It fails when the operator has seen
// Enough, as the pager does.
func (s *Session) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writes++; s.Enough > 0 && s.writes > s.Enough {
		return 0, errEnough
	}
	return s.printed.Write(text)
}

var errEnough = errors.New("the operator has seen enough")

// Printed is what was printed since the last Type.
func (s *Session) Printed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.printed.String()
}

// Called are the calls since the last Type that had parameters, each as its
// method, a blank and the parameters as JSON.
func (s *Session) Called() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.called
}

// Serve answers the methods of one more process over a real link, until the
// test ends.
func (s *Session) Serve(t testing.TB, process string, methods link.Methods) {
	t.Helper()
	socket := link.Socket(t.TempDir(), process)
	listener, err := link.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- link.ServeListener(t.Context(), listener, methods) }()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Errorf("serve %s: %v", process, err)
		}
	})
	if s.sockets == nil {
		s.sockets = make(map[string]string)
	}
	s.sockets[process] = socket
}

// Call answers from Answers, or from what Serve serves. Parameters and answer go
// through JSON, as over link.
func (s *Session) Call(ctx context.Context, process, method string, params, result any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	text, err := json.Marshal(params)
	if err != nil {
		return fmt.Errorf("parameters of %s: %w", method, err)
	}
	if params != nil {
		s.mu.Lock()
		s.called = append(s.called, method+" "+string(text))
		s.mu.Unlock()
	}
	if socket := s.sockets[process]; socket != "" && s.Answers[method] == nil {
		if err := link.Call(ctx, socket, method, params, result); err != nil {
			return fmt.Errorf("%s refused: %w", process, err)
		}
		return nil
	}
	answer, known := s.Answers[method]
	if !known || !strings.HasPrefix(method, process+".") {
		return fmt.Errorf("%s does not answer", process)
	}
	if function, ok := answer.(func(string) (any, error)); ok {
		if answer, err = function(string(text)); err != nil {
			answer = err
		}
	}
	if refusal, ok := answer.(error); ok {
		return fmt.Errorf("%s refused: %w", process, refusal)
	}
	if result == nil {
		return nil
	}
	if text, err = json.Marshal(answer); err != nil {
		return fmt.Errorf("answer of %s: %w", method, err)
	}
	return json.Unmarshal(text, result)
}

// Confirm prints the question and agrees unless the operator refuses.
func (s *Session) Confirm(question string) error {
	fmt.Fprintln(s, question)
	if s.Refuses {
		return exec.ErrDeclined
	}
	return nil
}

// Paste prints what is asked for and takes the next of what is Pasted.
func (s *Session) Paste(what string, hidden bool) (string, error) {
	fmt.Fprintf(s, "Paste %s, hidden %v\n", what, hidden)
	return s.pasted()
}

// Secret prints the question and takes the next of what is Pasted.
func (s *Session) Secret(question string) (string, error) {
	fmt.Fprintln(s, question)
	return s.pasted()
}

func (s *Session) pasted() (text string, err error) {
	if len(s.Pasted) == 0 {
		return "", errors.New("abandoned")
	}
	text, s.Pasted = s.Pasted[0], s.Pasted[1:]
	return text, nil
}

// Operator is the one on the serial port.
func (s *Session) Operator() model.Operator {
	return model.Operator{User: "console", Origin: "ttyS0"}
}

// Zone is the zone of the box. It is not UTC, so that a command that prints
// its times in that is found out.
func (s *Session) Zone() *time.Location { return time.FixedZone("CET", int(time.Hour/time.Second)) }

// Type types one line where only the given commands are known and gives what
// was printed, an error as the console prints it. A line that is none of the
// commands fails the test.
func (s *Session) Type(ctx context.Context, t testing.TB, commands []exec.Command, line string) string {
	t.Helper()
	table, err := exec.NewTable(commands)
	if err != nil {
		t.Fatalf("the commands are not well declared: %v", err)
	}
	run, err := table.Find(line)
	if err != nil {
		t.Fatalf("type %v", err)
	}
	s.mu.Lock()
	s.printed.Reset()
	s.writes, s.called = 0, nil
	s.mu.Unlock()
	if err := run(ctx, s); err != nil {
		fmt.Fprintf(s, "%% %v\n", err)
	}
	return s.Printed()
}

// update writes the golden files anew instead of comparing with them.
var update = flag.Bool("update", false, "write the golden files of show commands anew")

// width is what a screen is wide, in characters.
const width = 80

// Golden compares what was printed with testdata/NAME.golden, and refuses
// lines that are wider than a screen.
func Golden(t testing.TB, name, printed string) {
	t.Helper()
	for line := range strings.Lines(printed) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width {
			t.Errorf("%s: a line of %d characters: %q; want at most %d", name, n, line, width)
		}
	}
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(printed), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), printed); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}
