//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/certificates"
	"causeway/appliance/clock"
	"causeway/appliance/config/change"
	"causeway/appliance/grammar"
	"causeway/appliance/license"
	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/qemu/lab"
	"causeway/qemu/lab/licensed"
)

const (
	cusp5 = "CUSP-5" // the product of which there are licences
	// licensedFor is what licensedLines ask for: ten licences.
	licensedFor   = 50
	licensedLines = "license smart activate cusp 50\nlicense smart url https://192.168.43.2:8443\n"
	day           = 24 * time.Hour
)

// licenseServerAt is where the licence server of these tests is.
var licenseServerAt = netip.AddrPortFrom(lab.PeerLAN2, 8443)

// programWithClock builds the appliance whose licence clock tests move, once.
var programWithClock = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(scratch, "testclock")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Chmod(scratch, 0o755)); err != nil {
		return "", err
	}
	return lab.BuildAppliance(context.Background(), root, dir, "-tags=testclock")
})

var labOperator = model.Operator{User: "lab", Origin: "test"}

// licensedBox is control and proxy of this host between two LANs, a licence
// server on LAN2, and SIPp there that answers all calls.
type licensedBox struct {
	t       *testing.T
	lab     *lab.Lab
	server  *lab.Licensed
	control *lab.Control
	proxy   *lab.Proxy
}

// newLicensedBox starts a box with those lines in its configuration beside
// licensedLines. The server has ten licences, and the box does not trust it yet.
func newLicensedBox(t *testing.T, lines string) *licensedBox {
	t.Helper()
	b := &licensedBox{t: t}
	path, err := programWithClock()
	b.check(err)
	b.lab, err = lab.New()
	b.check(err)
	t.Cleanup(func() { b.lab.Close() })
	home, err := b.lab.Box()
	b.check(err)
	b.server, err = b.lab.LAN2.Licensed(licenseServerAt)
	b.check(err)
	t.Cleanup(func() { b.server.Stop() }) // it may have been
	b.check(b.server.SetQuantity(licensed.FirstAccount, cusp5, licensedFor/model.LicenseUnit))
	b.control, err = home.StartControl(path, "firewall off\n"+grammar.BuiltIn()+licensedLines+lines)
	b.check(err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("control printed:\n%s", b.control.Tail())
		}
		b.control.Close()
	})
	b.awaitControl()
	b.proxy, err = b.control.StartProxy()
	b.check(err)
	t.Cleanup(func() {
		if err := b.proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	answerCalls(t, b.lab)
	return b
}

// answerCalls has SIPp on LAN2 answer all calls until the test ends.
func answerCalls(t *testing.T, l *lab.Lab) {
	t.Helper()
	callee, err := l.LAN2.SIPp(t.Context(), lab.SIPp{
		Ladder: lab.Callee, Local: netip.AddrPortFrom(lab.PeerLAN2, lab.CalleePort), Limit: time.Hour, Repeats: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		callee.Stop()
		callee.Wait()
	})
}

func (b *licensedBox) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// ask asks control, as an operator.
func (b *licensedBox) ask(method string, params, result any) error {
	return link.Call(within(b.t, time.Minute), link.Socket(filepath.Join(b.control.Dir(), "run"), "control"), "control."+method, params, result)
}

// must asks, and fails unless that is done.
func (b *licensedBox) must(method string, params, result any) {
	b.t.Helper()
	if err := b.ask(method, params, result); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
}

// eventually waits until a question has no complaint left.
func (b *licensedBox) eventually(complaint func() string) {
	b.t.Helper()
	for ctx := within(b.t, time.Minute); ; time.Sleep(20 * time.Millisecond) {
		text := complaint()
		if text == "" {
			return
		}
		if ctx.Err() != nil {
			b.t.Fatal(text)
		}
	}
}

// commit puts more lines in force.
func (b *licensedBox) commit(lines string) {
	b.t.Helper()
	var loaded change.Loaded
	var committed change.Committed
	b.must("configure", change.ConfigureRequest{Operator: labOperator, Take: true}, nil)
	b.must("load", change.LoadRequest{Operator: labOperator, Text: lines}, &loaded)
	b.must("commit", change.CommitRequest{Operator: labOperator}, &committed)
	if len(loaded.Faults)+len(committed.Faults) > 0 || committed.Revision == 0 {
		b.t.Fatalf("commit %q: %+v, %+v", lines, loaded, committed)
	}
}

// trust has the box trust the licence server.
func (b *licensedBox) trust() {
	b.t.Helper()
	b.must("certificates.trust", certificates.TrustRequest{
		Request: certificates.Request{Purpose: model.ForLicense, Operator: labOperator}, Text: b.server.Root(),
	}, nil)
}

// token is one of the server's, good for one registration.
func (b *licensedBox) token() string {
	b.t.Helper()
	token, err := b.server.NewToken(licensed.FirstAccount, day, 1)
	b.check(err)
	return token
}

// register registers the box.
func (b *licensedBox) register() {
	b.t.Helper()
	b.must("license.register", license.RegisterRequest{Operator: labOperator, Token: b.token()}, nil)
}

// renew asks for an authorisation.
func (b *licensedBox) renew() error {
	return b.ask("license.renew", license.RenewRequest{Operator: labOperator}, nil)
}

// advance lets time pass, for the box and for the server.
func (b *licensedBox) advance(by time.Duration) {
	b.t.Helper()
	b.check(b.server.AdvanceClock(by))
	b.must("license.advance", map[string]int64{"by": int64(by / time.Second)}, nil)
}

func (b *licensedBox) status() (status license.Status) {
	b.t.Helper()
	b.must("license.status", nil, &status)
	return status
}

// restart kills control, and starts it on the same files.
func (b *licensedBox) restart() {
	b.t.Helper()
	b.control.Kill()
	b.check(b.control.Start())
	b.awaitControl()
}

// awaitControl waits until control answers.
func (b *licensedBox) awaitControl() {
	b.t.Helper()
	b.eventually(func() string {
		b.check(b.control.Running())
		if err := b.ask("license.status", nil, nil); err != nil {
			return err.Error()
		}
		return ""
	})
}

// awaitAlarm waits until an alarm is active.
func (b *licensedBox) awaitAlarm(name string) {
	b.t.Helper()
	b.eventually(func() string {
		var alarms alarm.ActiveAlarms
		b.must("alarms", nil, &alarms)
		if !slices.ContainsFunc(alarms.Active, func(a model.Alarm) bool { return a.Name == name }) {
			return fmt.Sprintf("alarms = %+v; want %s", alarms, name)
		}
		return ""
	})
}

// is waits for a state and its effect on calls, and tries that: two calls by SIPp
// are answered or refused; when refused, emergency calls are not.
func (b *licensedBox) is(state license.State, calls bool) {
	b.t.Helper()
	b.eventually(func() string {
		if s := b.status(); s.State != state || s.Calls != calls {
			return fmt.Sprintf("state = %v, calls %t (%s); want %v, calls %t", s.State, s.Calls, s.Failure, state, calls)
		}
		return ""
	})
	b.served(calls)
}

// served waits until the proxy goes by that, and has SIPp try.
func (b *licensedBox) served(calls bool) {
	b.t.Helper()
	b.eventually(func() string {
		status, err := b.proxy.Status(b.t.Context())
		if now := status.Grant.At(clock.BootTime()); err != nil || now != (model.Allowance{Calls: calls, LimitCPS: licensedFor}) {
			return fmt.Sprintf("the proxy has grant %+v, %v; want calls %t", status.Grant, err, calls)
		}
		return ""
	})
	if calls {
		b.check(b.place(lab.Caller, "service"))
		return
	}
	b.check(b.place("send INVITE, recv 503, send ACK", "service"))
	b.check(b.place(lab.Caller, "112"))
}

// place has SIPp place two calls.
func (b *licensedBox) place(ladder lab.Ladder, user string) error {
	run, err := b.lab.LAN1.SIPp(b.t.Context(), b.caller(ladder, user))
	if err == nil {
		_, err = run.Wait()
	}
	return err
}

func (b *licensedBox) caller(ladder lab.Ladder, user string) lab.SIPp {
	return lab.SIPp{
		Ladder: ladder, Local: netip.AddrPortFrom(lab.PeerLAN1, lab.CallerPort), Remote: lab.BoxLAN1, User: user,
		Calls: 2, Rate: 20, Hold: 20 * time.Millisecond, Repeats: true,
	}
}

// hold sets a call up and gives what hangs up.
func (b *licensedBox) hold() (hangUp func()) {
	b.t.Helper()
	const callID = "held"
	held := b.caller(lab.CallerHeld, "service")
	at := netip.AddrPortFrom(lab.PeerLAN1, lab.CallerPort+1)
	held.Local, held.Calls, held.CallID, held.Messages, held.Limit = at, 1, callID, true, 5*time.Minute
	run, err := b.lab.LAN1.SIPp(b.t.Context(), held)
	b.check(err)
	b.eventually(func() string {
		if run.Count("S", "ACK ") == 0 {
			return "no call is established that could be held"
		}
		return ""
	})
	prober := probe(b.t, b.lab.LAN1, netip.AddrPortFrom(lab.PeerLAN1, 0))
	return func() {
		b.t.Helper()
		b.check(prober.Send(lab.Message(fmt.Sprintf("INFO sip:caller@%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bK-held\r\n"+
			"From: <sip:lab@%[2]s>;tag=lab\r\nTo: <sip:caller@%[1]s>\r\nCall-ID: %[3]s-1\r\nCSeq: 1 INFO\r\nContent-Length: 0\r\n\r\n", at, prober.Local, callID)), at))
		_, err := run.Wait()
		b.check(err)
	}
}

// refusal fails unless an error is one with that text.
func (b *licensedBox) refusal(what string, err error, want string) {
	b.t.Helper()
	var remote *link.RemoteError
	if !errors.As(err, &remote) || !strings.Contains(err.Error(), want) {
		b.t.Errorf("%s = %v; want %q", what, err, want)
	}
}
