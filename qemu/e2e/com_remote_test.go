//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/com/wire"
	"causeway/appliance/config/change"
	"causeway/qemu/lab"
	"causeway/qemu/lab/comd"
	"causeway/qemu/lab/comd/gateway"
	"causeway/qemu/lab/comd/operator"
)

// TestCOMRemote has an operator work at a box over the link, and others try.
func TestCOMRemote(t *testing.T) {
	t.Parallel()
	b := newSubscribedBox(t, "com service cli\ncom service config\ncom service tunnel-web\ncom service tunnel-ssh\n", nil, comd.Options{})
	for _, part := range []struct {
		name string
		try  func(*managedBox)
	}{
		{"looks", comLooks}, {"switched off", comSwitchedOff}, {"signatures", comSignatures}, {"replays", comReplays},
		{"tunnels", comTunnels}, {"a change that leaves the link", comKept}, {"a change that does not", comUndone},
	} {
		t.Run(part.name, func(t *testing.T) {
			here := *b
			here.t = t
			part.try(&here)
		})
	}
}

// comLooks looks around.
func comLooks(b *managedBox) {
	b.does("com server "+lab.COMName, "config", "get", b.Serial)
	b.does(lab.COMName, "cli", b.Serial, "show com")
	b.audited("com "+comActor+" via anna", wire.MethodCLIExec)
	b.does(wire.FeatureManagement, "show", b.Serial)
	if output, err := b.comctl("cli", b.Serial, "no such command"); !strings.Contains(output, "% no") {
		b.t.Errorf("a command that there is not = %v:\n%s", err, output)
	}
}

// comSwitchedOff asks for what is not switched on.
func comSwitchedOff(b *managedBox) {
	for _, args := range [][]string{{"backup", b.Serial}, {"file", "list", b.Serial, "log:"}, {"metrics", b.Serial}} {
		if output, err := b.comctl(args...); err == nil || !strings.Contains(output, fmt.Sprintf("(%d)", wire.CodeDisabled)) {
			b.t.Errorf("comctl %q = %v:\n%s\nwant %d", args, err, output, wire.CodeDisabled)
		}
	}
	b.audited("refused", "com "+comActor, wire.MethodBackupRun, "switched off")
}

// order is a change that an operator of the box may make, for the session of now.
func (b *managedBox) order(hostName string) operator.Order {
	b.t.Helper()
	session, err := b.Operator.Session(b.t.Context(), b.Serial)
	b.check(err)
	return operator.Order{
		Box: b.Serial, Session: session, Method: wire.MethodConfigEdit, Actor: "eve", Expires: time.Now().Add(time.Minute),
		Params: wire.ConfigEdit{Lines: []string{"hostname " + hostName}},
	}
}

// send sends an order as config.edit, signed or not.
func (b *managedBox) send(key *operator.Key, o operator.Order, unsigned bool) error {
	b.t.Helper()
	params, meta, err := key.Sign(o)
	b.check(err)
	if unsigned {
		meta.Signature = ""
	}
	members := map[string]any{}
	b.check(json.Unmarshal(params, &members))
	members["_m"] = meta
	text, err := json.Marshal(members)
	b.check(err)
	return b.Operator.Send(b.t.Context(), b.Serial, wire.MethodConfigEdit, text, nil)
}

// isRefused fails unless an error is a refusal of the box with that code, and the
// candidate has no such host name.
func (b *managedBox) isRefused(what string, err error, code int, hostName string) {
	b.t.Helper()
	var refusal *operator.Error
	if !errors.As(err, &refusal) || refusal.Code != code {
		b.t.Errorf("%s = %v; want %d", what, err, code)
	}
	b.hasNot(hostName)
}

// hasNot fails if the candidate has that host name.
func (b *managedBox) hasNot(hostName string) {
	b.t.Helper()
	var candidate change.Candidate
	b.check(b.Control.Call(b.t.Context(), "candidate", nil, &candidate))
	if strings.Contains(candidate.Text, "hostname "+hostName+"\n") {
		b.t.Errorf("the candidate has the host name %s", hostName)
	}
}

// comSignatures sends what no operator of the box has signed for it, now.
func comSignatures(b *managedBox) {
	stranger, err := operator.NewKey("mallory")
	b.check(err)
	namesake, err := operator.NewKey(b.Operator.Key.Name)
	b.check(err)
	for _, wrong := range []struct {
		what     string
		key      *operator.Key // nil: the operator's
		unsigned bool
		spoil    func(*operator.Order)
		code     int
		told     string
	}{
		{"nobody's", nil, true, func(*operator.Order) {}, wire.CodeNotAllowed, "is to be signed"},
		{"a stranger's", stranger, false, func(*operator.Order) {}, wire.CodeNotAllowed, "mallory"},
		{"a namesake's", namesake, false, func(*operator.Order) {}, wire.CodeNotAllowed, ""},
		{"one for another box", nil, false, func(o *operator.Order) { o.Box = "LAB00000001" }, wire.CodeNotAllowed, ""},
		{"one for another session", nil, false, func(o *operator.Order) { o.Session = "of yesterday" }, wire.CodeNotAllowed, ""},
		{"one for another method", nil, false, func(o *operator.Order) { o.Method = wire.MethodConfigAbort }, wire.CodeNotAllowed, ""},
		{"one that has expired", nil, false, func(o *operator.Order) { o.Expires = time.Now().Add(-time.Minute) }, wire.CodeExpired, "expired"},
		{"one for ever", nil, false, func(o *operator.Order) { o.Expires = time.Now().Add(time.Hour) }, wire.CodeExpired, "more than"},
	} {
		o := b.order("forged")
		wrong.spoil(&o)
		key := b.Operator.Key
		if wrong.key != nil {
			key = wrong.key
		}
		b.isRefused(wrong.what, b.send(key, o, wrong.unsigned), wrong.code, "forged")
		b.audited("refused", "com eve", wire.MethodConfigEdit, wrong.told)
	}
	b.check(b.COM.Gateway.SetFaults(gateway.Fault{Kind: gateway.Tamper, On: wire.MethodConfigEdit, Times: 1}))
	b.isRefused("one for other parameters", b.send(b.Operator.Key, b.order("forged"), false), wire.CodeNotAllowed, "forged")
}

// comReplays has COM send what an operator has signed another time.
func comReplays(b *managedBox) {
	b.check(b.COM.Gateway.SetFaults(gateway.Fault{Kind: gateway.Twice, On: wire.MethodCLIExec, Times: 1}))
	b.does("", "cli", b.Serial, "mkdir harddisk:once") // the answer is that to the second one
	if output, _ := b.comctl("cli", b.Serial, "mkdir harddisk:once"); !strings.Contains(output, "%") {
		b.t.Errorf("mkdir of what there is = %s; want an error, or the test above shows nothing", output)
	}

	first := b.order("first")
	first.Idem = "00000000-0000-4000-8000-000000000001"
	b.check(b.send(b.Operator.Key, first, false))
	b.check(b.COM.Gateway.SetFaults(gateway.Fault{Kind: gateway.OldCall, On: wire.MethodConfigEdit, Times: 1}))
	b.check(b.send(b.Operator.Key, b.order("second"), false)) // the result of the first comes again
	b.hasNot("second")
	other := b.order("third")
	other.Idem = first.Idem
	b.isRefused("another call of the same name", b.send(b.Operator.Key, other, false), wire.CodeReplay, "third")
	b.relink() // the candidate goes with the session
	b.hasNot("first")
}

// comTunnels has curl at the pages of the box, and looks for its SSH server.
func comTunnels(b *managedBox) {
	web := b.tunnel(wire.ToWeb)
	output, err := exec.CommandContext(b.t.Context(), "curl", "--silent", "--show-error", "--fail", "--insecure", "--location", "--max-time", "60",
		"https://"+web+"/").CombinedOutput()
	if want := `name="password"`; err != nil || !strings.Contains(string(output), want) {
		b.t.Errorf("curl = %v: %s; want the login page, %q", err, output, want)
	}
	conn, err := net.Dial("tcp", b.tunnel(wire.ToSSH))
	b.check(err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	if greeting, err := bufio.NewReader(conn).ReadString('\n'); !strings.HasPrefix(greeting, "SSH-2.0-") {
		b.t.Errorf("the tunnel to SSH says %q, %v", greeting, err)
	}
	b.does("tcp ssh", "sessions", b.Serial)
	b.audited("com "+comActor+" via anna", "tcp web")
}

// tunnel has comctl listen for what a tunnel leads to, and gives where.
func (b *managedBox) tunnel(to string) (address string) {
	b.t.Helper()
	program, err := tools()
	b.check(err)
	command := exec.Command(program, b.comctlArgs("tunnel", b.Serial, to)...)
	output, err := command.StdoutPipe()
	b.check(err)
	b.check(command.Start())
	b.t.Cleanup(func() {
		command.Process.Signal(os.Interrupt)
		command.Wait()
	})
	line, err := bufio.NewReader(output).ReadString('\n')
	b.check(err)
	return line[strings.LastIndexByte(strings.TrimSpace(line), ' ')+1 : len(line)-1]
}

// comKept moves the box to another address of LAN1, over the link: it comes back
// from there, and stays.
func comKept(b *managedBox) {
	b.moveTo("192.168.42.11")
	b.does("waiting for the box to come back\nrevision 2 is confirmed", "config", "commit", b.Serial, "moved")
	if running := b.does("", "config", "get", b.Serial); !strings.Contains(running, "ip address 192.168.42.11 255.255.255.0") {
		b.t.Errorf("the configuration is\n%s\nwant the new address", running)
	}
	var history change.History
	b.check(b.Control.Call(b.t.Context(), "history", nil, &history))
	if newest := history.Revisions[0]; !newest.Stands() || newest.Comment != "moved" || !strings.Contains(newest.Operator.Origin, comActor) {
		b.t.Errorf("the newest revision is %+v; want it to stand", newest)
	}
}

// comUndone moves the box to where COM is out of reach: it comes back by itself.
func comUndone(b *managedBox) {
	before, err := b.Operator.Session(b.t.Context(), b.Serial)
	b.check(err)
	b.moveTo("192.168.142.1")
	const comment = "out of reach"
	soon, cancel := context.WithTimeout(b.t.Context(), 5*time.Second) // when the answer went down with the old address
	defer cancel()
	if err := b.Operator.Call(soon, b.Serial, wire.MethodConfigCommit, wire.ConfigCommit{ConfirmSeconds: 60, Comment: comment}, nil); err != nil {
		b.t.Logf("commit: %v", err)
	}
	for _, state := range []change.State{change.StatePending, change.StateWithdrawn} {
		b.eventually(func() error {
			var history change.History
			b.check(b.Control.Call(b.t.Context(), "history", nil, &history))
			if !slices.ContainsFunc(history.Revisions, func(r change.Revision) bool { return r.Comment == comment && r.State == state }) {
				return fmt.Errorf("the revisions are %+v; want one %s, %s", history.Revisions, comment, state)
			}
			return nil
		})
	}
	b.check(b.Operator.AwaitOther(within(b.t, comLimit), b.Serial, before))
	b.does("ip address 192.168.42.11 255.255.255.0", "config", "get", b.Serial)
}

// moveTo brings another address of LAN1 into the candidate.
func (b *managedBox) moveTo(address string) {
	b.t.Helper()
	file := filepath.Join(b.dir, "lines")
	b.check(os.WriteFile(file, []byte("lan LAN1\nip address "+address+" 255.255.255.0\n"), 0o600))
	b.does("", "config", "edit", b.Serial, file)
	b.does(address, "config", "diff", b.Serial)
}
