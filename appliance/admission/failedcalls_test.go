package admission

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

var logging = &model.Config{Admission: model.Admission{FailedCallsLog: true}}

// logGate is a gate that logs to dir, with its Run running in the bubble.
func logGate(t *testing.T, dir string) *Gate {
	t.Helper()
	start := time.Now()
	g := New(Options{Now: func() time.Duration { return time.Since(start) }, FailedCalls: dir})
	g.Apply(logging)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = g.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return g
}

// failure is a call that failed by a rule.
func failure(t testing.TB, rule string) *hop.Failure {
	t.Helper()
	return &hop.Failure{
		In: invite(t, "sip:+4930:pin@example.com;phone-context=x?Authorization=secret", ordinary), Began: time.Now().UTC(),
		Out:     &hop.Target{Adjacency: other, Address: netip.MustParseAddrPort("192.0.2.9:5060")},
		Refusal: hop.Refusal{Status: 503, Reason: "Call Limit Reached", Rule: rule},
	}
}

func TestFailedCall(t *testing.T) {
	f := failure(t, "cac entry 1/t/1 max-num-calls")
	want := &FailedCall{
		Time: f.Began, CallID: "a84b4c76e66710", From: "sip:alice@example.com", To: "sip:bob@example.com", URI: "sip:+4930@example.com",
		Network: "lan1", Adjacency: "ordinary", Peer: "udp 192.0.2.1:5060", Out: "other", OutPeer: "192.0.2.9:5060",
		Status: 503, Reason: "Call Limit Reached", Rule: "cac entry 1/t/1 max-num-calls",
	}
	if diff := cmp.Diff(want, newFailedCall(f)); diff != "" {
		t.Errorf("newFailedCall (-want +got)\n%s", diff)
	}
}

// TestFailedCallsLog: what is asked for, oldest first; nothing while it is off.
func TestFailedCallsLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		g := logGate(t, dir)
		for i := range failedMost + 5 {
			g.Failed(failure(t, fmt.Sprint("rule ", i)))
			synctest.Wait()
		}
		g.Apply(&model.Config{})
		g.Failed(failure(t, "while it is off"))
		synctest.Wait()
		for _, test := range []struct {
			query FailedCallsQuery
			want  []string
		}{
			{FailedCallsQuery{Last: 2}, []string{"rule 10003", "rule 10004"}},
			{FailedCallsQuery{Last: 3, Rule: "rule 99"}, []string{"rule 9997", "rule 9998", "rule 9999"}},
			{FailedCallsQuery{Last: failedMost, Rule: "rule 5", From: "bob"}, nil},
			{FailedCallsQuery{Last: 1, From: "alice@"}, []string{"rule 10004"}},
			{FailedCallsQuery{Last: 9, Rule: "off"}, nil},
		} {
			var got []string
			for _, call := range g.failed.status(test.query).Calls {
				got = append(got, call.Rule)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("status(%+v) (-want +got)\n%s", test.query, diff)
			}
		}
		all := g.failed.status(FailedCallsQuery{Last: 2 * failedMost})
		if len(all.Calls) != failedMost || all.Calls[0].Rule != "rule 5" || all.Written != failedMost+5 || all.Lost != 0 || all.Problem != "" {
			t.Errorf("%d entries from %s, written %d, lost %d, problem %q", len(all.Calls), all.Calls[0].Rule, all.Written, all.Lost, all.Problem)
		}
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(text) > failedFileMax+failedBatch {
				t.Errorf("%s has %d octets; want about %d at most", file, len(text), failedFileMax)
			}
			for line := range strings.Lines(string(text)) {
				var call FailedCall
				if err := json.Unmarshal([]byte(line), &call); err != nil || call.Status != 503 || strings.Contains(line, "secret") || strings.Contains(line, "pin") {
					t.Fatalf("%s has the line %s (%v)", file, line, err)
				}
			}
		}
		if len(files) < 3 || len(files) > failedFileCount {
			t.Errorf("%d files; want 3–%d", len(files), failedFileCount)
		}
		if err := g.failed.clear(); err != nil {
			t.Errorf("clear() = %v", err)
		}
		if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) > 0 || len(g.failed.status(FailedCallsQuery{Last: 1}).Calls) > 0 {
			t.Errorf("after clear there are %q and entries in memory", files)
		}
	})
}

// TestFailedCallsAreBoundedOnDisk: the oldest file goes.
func TestFailedCallsAreBoundedOnDisk(t *testing.T) {
	dir := t.TempDir()
	f := &failedFile{dir: dir}
	line := append([]byte(strings.Repeat("x", failedBatch-1)), '\n')
	for range 2 * failedFileCount * failedFileMax / failedBatch {
		if err := f.files().Append(line); err != nil {
			t.Fatal(err)
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != failedFileCount {
		t.Errorf("files %q; want %d", files, failedFileCount)
	}
}

// TestCutLine: wherever a power cut left the file, the next line is whole.
func TestCutLine(t *testing.T) {
	const line = `{"rule":"one"}` + "\n"
	for length := range len(line) + 1 {
		dir := t.TempDir()
		f := &failedFile{dir: dir}
		if err := os.WriteFile(f.files().Path(0), []byte(line[:length]), 0o640); err != nil {
			t.Fatal(err)
		}
		if err := f.files().Append([]byte(line)); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(f.files().Path(0))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(string(text), "\n")
		if got := lines[len(lines)-2]; got != line {
			t.Errorf("cut after %d octets: the last line is %q; want %q", length, got, line)
		}
	}
}

// TestNoDirectory: the log in memory goes on, and the files once there is one.
func TestNoDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "failed-calls")
		g := logGate(t, dir)
		g.Failed(failure(t, "one"))
		synctest.Wait()
		if status := g.failed.status(FailedCallsQuery{Last: 9}); len(status.Calls) != 1 || status.Problem == "" {
			t.Errorf("without a directory: %d entries, problem %q; want one, and what is wrong", len(status.Calls), status.Problem)
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		g.Failed(failure(t, "two"))
		synctest.Wait()
		text, err := os.ReadFile(g.failed.file.files().Path(0))
		if status := g.failed.status(FailedCallsQuery{}); err != nil || !strings.Contains(string(text), `"two"`) || status.Problem != "" {
			t.Errorf("with a directory: %s, %v, problem %q; want entry two", text, err, status.Problem)
		}
	})
}

// TestNobodyWaitsForTheLog: with no writer at all, calls go on and what is
// lost is counted.
func TestNobodyWaitsForTheLog(t *testing.T) {
	g := New(Options{})
	g.Apply(logging)
	for range failedQueue + 7 {
		g.Failed(failure(t, "cps"))
	}
	if got := g.failed.status(FailedCallsQuery{}).Lost; got != 7 {
		t.Errorf("lost %d; want 7", got)
	}
}
