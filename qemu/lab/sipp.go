package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// SIPp is one run of SIPp, at one end of the calls.
type SIPp struct {
	Ladder   Ladder
	Local    netip.AddrPort // where it sends from and listens
	TCP      bool           // one connection for all calls; else UDP
	User     string         // whom a caller calls; empty: "service"
	Contact  string         // where a callee says it is; empty: Local
	Remote   netip.AddrPort // where a caller's requests go; invalid for a callee
	Calls    int            // it ends after that many; 0: a callee goes on until Stop, a caller until Finish
	Rate     int            // new calls per second, for a caller
	Open     int            // a caller begins no call while so many are open; 0: as many as come
	Hold     time.Duration  // length of the scenario's pauses
	CallID   string         // call n (from 1) gets the Call-ID <CallID>-<n>; empty: SIPp's own
	Limit    time.Duration  // it fails after that; 0 means a minute
	Messages bool           // note every message, for Run.Count
	Repeats  bool           // messages may be repeated, by either side
}

// socketBuffer is how many octets may wait for a SIPp that gets no processor.
// By itself it has 64 KiB, and loses what comes in a tenth of a second.
const socketBuffer = 2 << 20

// ErrRepeated is the error of a run in which every call went well, but a
// message had to be sent again or came twice.
var ErrRepeated = errors.New("messages were repeated")

// Run is a SIPp that was started.
type Run struct {
	sipp    SIPp
	dir     string
	command *exec.Cmd
	exited  chan struct{}
	status  error

	finished bool // by Finish
}

// SIPp starts SIPp in the namespace and, for a callee, waits until it
// listens. Wait must be called. The run is killed when ctx ends.
func (n *Namespace) SIPp(ctx context.Context, sipp SIPp) (run *Run, err error) {
	dir, err := os.MkdirTemp("", "causeway-sipp-")
	if err != nil {
		return nil, fmt.Errorf("run SIPp: %w", err)
	}
	run = &Run{sipp: sipp, dir: dir, exited: make(chan struct{})}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
			err = fmt.Errorf("run SIPp (Debian package sip-tester): %w", err)
		}
	}()
	scenario, err := sipp.Ladder.Scenario()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(run.path("scenario.xml"), []byte(scenario), 0o600); err != nil {
		return nil, err
	}
	screen, err := os.Create(run.path("screen"))
	if err != nil {
		return nil, err
	}
	defer screen.Close()
	run.command = exec.CommandContext(ctx, "sipp", run.arguments()...)
	run.command.Dir = dir
	run.command.Stdout, run.command.Stderr = screen, screen
	run.command.Env = append(os.Environ(), "TERM=vt100")
	run.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := n.Start(run.command); err != nil {
		return nil, err
	}
	go func() {
		run.status = run.command.Wait()
		close(run.exited)
	}()
	if !sipp.Remote.IsValid() {
		if err := run.listens(ctx); err != nil {
			run.command.Process.Kill()
			<-run.exited
			return nil, err
		}
	}
	return run, nil
}

func (r *Run) path(name string) string { return filepath.Join(r.dir, name) }

func (r *Run) arguments() []string {
	s := r.sipp
	limit := s.Limit
	if limit == 0 {
		limit = time.Minute
	}
	transport, contact := "u1", cmp.Or(s.Contact, s.Local.String())
	if s.TCP {
		transport, contact = "t1", contact+";transport=tcp"
	}
	args := []string{
		"-sf", "scenario.xml",
		"-t", transport,
		"-i", s.Local.Addr().String(), "-p", strconv.Itoa(int(s.Local.Port())),
		"-key", "contact", contact,
		"-s", cmp.Or(s.User, "service"),
		"-bind_local", "-nostdin", "-buff_size", strconv.Itoa(socketBuffer),
		"-d", strconv.FormatInt(s.Hold.Milliseconds(), 10),
		"-timeout", fmt.Sprintf("%dms", limit.Milliseconds()), "-timeout_error",
		"-trace_stat", "-stf", "statistics.csv", "-fd", "1",
		"-trace_err", "-error_file", "errors",
	}
	if s.Calls > 0 {
		args = append(args, "-m", strconv.Itoa(s.Calls))
	}
	if s.Messages {
		args = append(args, "-trace_shortmsg", "-shortmessage_file", "messages")
	}
	if s.CallID != "" {
		args = append(args, "-cid_str", s.CallID+"-%u")
	}
	if s.Remote.IsValid() {
		args = append(args, "-r", strconv.Itoa(max(s.Rate, 1)), "-l", strconv.Itoa(cmp.Or(s.Open, s.Calls)), s.Remote.String())
	}
	return args
}

// listens waits until the socket is bound.
func (r *Run) listens(ctx context.Context) error {
	table, want := boundSocket(r.sipp.Local, r.sipp.TCP)
	table = fmt.Sprintf("/proc/%d/net/%s", r.command.Process.Pid, table)
	for {
		text, err := os.ReadFile(table)
		if err == nil && strings.Contains(string(text), want) {
			return nil
		}
		select {
		case <-r.exited:
			return fmt.Errorf("before it listened: %w", r.failure())
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// boundSocket says which table of the kernel has a socket that is bound to the
// address, and what stands there.
func boundSocket(local netip.AddrPort, tcp bool) (table, text string) {
	octets := local.Addr().AsSlice()
	for word := range slices.Chunk(octets, 4) {
		slices.Reverse(word) // as the kernel of a little-endian machine prints them
	}
	table = "udp"
	if tcp {
		table = "tcp"
	}
	if local.Addr().Is6() {
		table += "6"
	}
	return table, fmt.Sprintf(" %X:%04X ", octets, local.Port())
}

// Wait waits until SIPp has ended and removes its files. It fails unless SIPp
// itself says that every call went as the scenario has it, and with
// ErrRepeated unless no message had to be sent again or came twice: a lost ACK
// or a 200 of the INVITE taken for that of the BYE would show there.
func (r *Run) Wait() (Statistics, error) {
	<-r.exited
	defer os.RemoveAll(r.dir)
	statistics, err := r.Statistics()
	calls := r.sipp.Calls
	if r.finished {
		calls = statistics.Created
	}
	if err != nil || r.status != nil || statistics.Succeeded != calls {
		return statistics, errors.Join(err, r.failure())
	}
	if !r.sipp.Repeats && statistics.Retransmissions+statistics.OutOfCall > 0 {
		return statistics, fmt.Errorf("%w: %d by SIPp, %d by the others: %w", ErrRepeated, statistics.Retransmissions, statistics.OutOfCall, r.failure())
	}
	return statistics, nil
}

// Statistics is its account as it was a second ago, while it runs.
func (r *Run) Statistics() (Statistics, error) {
	text, err := os.ReadFile(r.path("statistics.csv"))
	if err != nil {
		return Statistics{}, fmt.Errorf("read SIPp's statistics: %w", err)
	}
	return parseStatistics(string(text))
}

// Ended is closed when SIPp has ended.
func (r *Run) Ended() <-chan struct{} { return r.exited }

// Finish has a caller begin no more calls, and end when those that are open have
// ended. Wait must still be called.
func (r *Run) Finish() error {
	r.finished = true
	if err := r.command.Process.Signal(syscall.SIGUSR1); err != nil {
		return fmt.Errorf("finish SIPp: %w", err)
	}
	return nil
}

// Stop ends SIPp whatever it is doing. Wait must still be called.
func (r *Run) Stop() { r.command.Process.Kill() }

// failure says what SIPp complained of.
func (r *Run) failure() error {
	errorsText, _ := os.ReadFile(r.path("errors")) // absent when there were none
	screen, _ := os.ReadFile(r.path("screen"))
	status := r.command.ProcessState.String()
	return fmt.Errorf("SIPp %q: %s\n%s\n%s", r.sipp.Ladder, status, head(string(errorsText), 40), tail(string(screen), 15))
}

// Seen is one message as SIPp notes it.
type Seen struct {
	At     time.Time
	Sent   bool // by SIPp; else received
	CallID string
	CSeq   string // "1 INVITE"
	Start  string // line
}

// Seen gives the messages that SIPp has sent and received so far. SIPp.Messages
// must be set.
func (r *Run) Seen() ([]Seen, error) {
	text, err := os.ReadFile(r.path("messages"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // SIPp makes the file with the first message
		return nil, fmt.Errorf("read the messages of SIPp: %w", err)
	}
	return parseSeen(string(text)), nil
}

// parseSeen reads the file that SIPp's -trace_shortmsg writes. A line that is
// not whole is still being written.
func parseSeen(text string) (all []Seen) {
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		// date and time, seconds since the epoch; direction; Call-ID; CSeq; start line
		n := len(fields)
		if n < 6 || !strings.HasSuffix(line, "\n") {
			continue
		}
		_, number, _ := strings.Cut(fields[n-2], ":")
		seconds, err := strconv.ParseFloat(fields[n-5], 64)
		if err != nil {
			continue
		}
		all = append(all, Seen{
			At: time.UnixMicro(int64(seconds * 1e6)), Sent: fields[n-4] == "S",
			CallID: fields[n-3], CSeq: strings.TrimSpace(number), Start: fields[n-1],
		})
	}
	return all
}

// Count gives how many messages with this start (of the start line) SIPp has
// sent ("S") or received ("R") so far. SIPp.Messages must be set.
func (r *Run) Count(direction, start string) (n int) {
	all, err := r.Seen()
	if err != nil {
		return 0
	}
	for _, seen := range all {
		if seen.Sent == (direction == "S") && strings.HasPrefix(seen.Start, start) {
			n++
		}
	}
	return n
}

func head(text string, lines int) string {
	all := strings.SplitAfter(text, "\n")
	return strings.Join(all[:min(lines, len(all))], "")
}

func tail(text string, lines int) string {
	all := strings.SplitAfter(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "")
}
