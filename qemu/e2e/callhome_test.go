//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/alarm"
	"causeway/appliance/callhome"
	"causeway/appliance/certificates"
	"causeway/appliance/model"
	"causeway/qemu/lab"
	"causeway/qemu/lab/callhomed"
	"causeway/qemu/lab/comd"
)

// callingBox is a box of this host with a place to call home to, in a test.
type callingBox struct {
	*managedBox
	home *lab.CallHomed
}

// newCallingBox starts one. It calls home once it has callHomeLines.
func newCallingBox(t *testing.T, options callhomed.Options) *callingBox {
	t.Helper()
	b := &callingBox{managedBox: newManagedBox(t, "", nil, comd.Options{})}
	options.Schema = root + "/docs/callhome.xsd"
	var err error
	b.home, err = b.LAN1.CallHomed(lab.PeerLAN1, options)
	b.check(err)
	t.Cleanup(func() {
		if t.Failed() {
			for _, a := range b.home.Arrivals() {
				t.Logf("arrived: %s over %s: %s %s", a.ID, a.Over, a.Fault, a.Result)
			}
		}
		b.home.Stop() // some tests have
	})
	b.check(b.Control.Trust(t.Context(), model.ForCallHome, b.home.Root()))
	return b
}

// callHomeLines are what a box has to have before it calls home, with more lines
// of that mode.
func (b *callingBox) callHomeLines(more string) string {
	return "call-home\ncontact-email-addr planted-contact@example.com\ndestination url " + b.home.URL + "\neula accept\n" + more + "exit\n"
}

// state is how Call Home of the box stands.
func (b *callingBox) state() (s model.CallHomeStatus) {
	b.t.Helper()
	b.check(b.Control.Call(within(b.t, comLimit), "callhome.status", nil, &s))
	return s
}

// sendAll has the box send all that it can: the vendor gets each.
func (b *callingBox) sendAll() {
	b.t.Helper()
	var answer callhome.Answer
	b.check(b.Control.Call(within(b.t, comLimit), "callhome.send-all", callhome.SendAllRequest{Operator: lab.Operator}, &answer))
	for _, d := range answer.Deliveries {
		if d.Outcome != "sent" {
			b.t.Errorf("%s to %s is %s: %s; want it sent", d.Group, d.Profile, d.Outcome, d.Error)
		}
	}
}

// crash leaves what init leaves when a process has crashed.
func (b *callingBox) crash(what, text string) {
	b.t.Helper()
	file := filepath.Join(b.Control.Dir(), "harddisk/crash", "20260102T030405Z-"+what+".txt")
	b.check(os.WriteFile(file, []byte(text), 0o644))
}

// crashed are the objects of the alerts about crashes that came, each as often as
// it did.
func (b *callingBox) crashed() (objects []string) {
	for _, d := range b.home.Deliveries() {
		if a := d.Message.Alert; a != nil && a.Name == "Coredumpfilefound" && d.Over == callhomed.OverHTTPS {
			objects = append(objects, slices.Repeat([]string{a.Object}, 1+d.Repeated)...)
		}
	}
	return objects
}

// came waits until a message of each kind has come to the vendor.
func (b *callingBox) came(kinds ...string) {
	b.t.Helper()
	b.eventually(func() error {
		for _, kind := range kinds {
			if !slices.ContainsFunc(b.home.Deliveries(), func(d callhomed.Delivery) bool {
				return d.Message.Kind == kind && d.Over == callhomed.OverHTTPS
			}) {
				return fmt.Errorf("no %s has come", kind)
			}
		}
		return nil
	})
}

// What is configured in a box, and may be told of it in Smart mode only.
var plantedNames = planted{
	"contact": "planted-contact@example.com", "name of the contact": "Planted.Name", "company": "Planted Company",
	"street": "1 Planted Street", "phone": "+1 202 555 0199", "contract's user": "planted-user", "customer": "planted-customer",
	"contract": "planted-contract", "site": "planted-site", "host name": "planted-host",
	"address of LAN1": lab.BoxLAN1.Addr().String(), "address of LAN2": lab.BoxLAN2.Addr().String(), "name server": lab.PeerLAN1.String(),
}

// What is configured, and told nowhere.
const (
	plantedKey  = "planted-radius-key"
	plantedMail = "planted-mail-password"
)

// callHomePlanted are lines with all of them.
const callHomePlanted = `company Planted Company
contact-name Planted.Name
street-address 1 Planted Street
phone-number +1 202 555 0199
contract-user-id planted-user
customer-id planted-customer
contract-id planted-contract
site-id planted-site
sender reply-to planted-reply@example.com
copy-email-addr copies@example.org
mail-server mail.example.com username mailer password ` + plantedMail + ` priority 1
`

// proxyPort is that of the HTTP proxy.
const proxyPort = 3128

// TestCallHomeMessages: what a box sends in each mode, format and way is as the
// schema has it, and has what the mode is to tell. An Anonymous box tells
// nobody who it is: not in what it writes, not on the way, not by e-mail
// (checks 20 and 25).
func TestCallHomeMessages(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ mode, format, transport string }{
		{model.CallHomeSmart, model.CallHomeXML, model.CallHomeHTTPS},
		{model.CallHomeSmart, model.CallHomeJSON, model.CallHomeProxy},
		{model.CallHomeAnonymous, model.CallHomeXML, model.CallHomeProxy},
		{model.CallHomeAnonymous, model.CallHomeJSON, model.CallHomeHTTPS},
	} {
		t.Run(row.mode+"_"+row.format, func(t *testing.T) {
			t.Parallel()
			b := newCallingBox(t, callhomed.Options{Users: map[string]string{"mailer": plantedMail}})
			proxy, err := b.LAN1.Connector(netip.AddrPortFrom(lab.PeerLAN1, proxyPort), lab.CallHomeName, lab.PeerLAN1)
			b.check(err)
			defer proxy.Close()
			key := b.showCertificate()
			lines := fmt.Sprintf("mode %s\nformat %s\nhttp-proxy %s port %d\ntransport %s\n", row.mode, row.format, lab.PeerLAN1, proxyPort, row.transport)
			smart := row.mode == model.CallHomeSmart
			if smart {
				lines += "include-traces\n"
			}
			b.commit("hostname planted-host\naaa login radius 192.0.2.10 key " + plantedKey + "\n" + b.callHomeLines(callHomePlanted+lines))
			if waits := b.state().Pending; len(waits) > 0 {
				t.Fatalf("Call Home waits for %q; want nothing", waits)
			}
			b.sendAll()
			b.came(model.GroupInventory, model.GroupTelemetry)
			b.crash("proxy", "panic: planted for a test\n")
			b.raises(alarm.CrashFile)
			if smart {
				b.tellsAll(row.format)
			} else {
				b.tellsNobody()
			}
			b.copied()
			planted{"key of logins": plantedKey, "password of the mail server": plantedMail, private: key}.absentFrom(t, b.home)
			if (row.transport == model.CallHomeProxy) != (len(proxy.Asked()) > 0) {
				t.Errorf("with transport %s the proxy was asked %q", row.transport, proxy.Asked())
			}
			if !smart {
				plantedNames.absent(t, "what the proxy was asked", []byte(strings.Join(proxy.Asked(), "")))
			}
		})
	}
}

// showCertificate gives the box a certificate for Call Home, and gives the
// second line of its key, which begins within the secret number.
func (b *callingBox) showCertificate() (key string) {
	b.t.Helper()
	identity, err := os.ReadFile(filepath.Join(newAuthority(b.t, "planted-authority").write(b.t, lab.BoxLAN1.Addr()), model.IdentityFile))
	b.check(err)
	b.check(b.Control.Call(b.t.Context(), "certificates.import", certificates.ImportRequest{
		Request: certificates.Request{Purpose: model.ForCallHome, Operator: lab.Operator}, Text: identity,
	}, nil))
	return strings.Split(string(identity), "\n")[2]
}

// raises waits for an alarm.
func (b *callingBox) raises(name string) {
	b.t.Helper()
	b.eventually(func() error {
		var active alarm.ActiveAlarms
		b.check(b.Control.Call(b.t.Context(), "alarms", nil, &active))
		if !slices.ContainsFunc(active.Active, func(a model.Alarm) bool { return a.Name == name }) {
			return fmt.Errorf("active are %+v; want %s", active.Active, name)
		}
		return nil
	})
}

// tellsAll wants each kind of message, in that format, and all that was planted.
func (b *callingBox) tellsAll(format string) {
	b.t.Helper()
	b.check(b.Control.Call(within(b.t, comLimit), "callhome.test", callhome.TestRequest{Operator: lab.Operator, Text: "do you hear us"}, nil))
	b.came(model.GroupInventory, model.GroupTelemetry, model.GroupConfiguration, model.GroupTest, "alert")
	var all []byte
	for _, d := range b.home.Deliveries() {
		all = append(all, d.Clear()...)
		if d.Over == callhomed.OverHTTPS && (d.Format != format || d.Certificate == "" || d.Repeated > 0) {
			b.t.Errorf("%s came as %s by who shows the certificate %q, repeated %d times; want %s, by the box, once", d.Message.Kind, d.Format, d.Certificate, d.Repeated, format)
		}
		if a := d.Message.Alert; a != nil && a.Name == "Coredumpfilefound" && d.Over == callhomed.OverHTTPS {
			if a.Object != "proxy" || a.Impact == "" || a.Remedy == "" || a.Node != "planted-host" || !bytes.Contains(d.Clear(), []byte("panic: planted for a test\n")) {
				b.t.Errorf("the alert of the crash is %+v with %d attachments; want the crash with its file", a, len(d.Message.Attachments))
			}
		}
	}
	for what, text := range plantedNames {
		if !bytes.Contains(all, []byte(text)) {
			b.t.Errorf("the %s %q was not told in Smart mode, and would not be seen in Anonymous", what, text)
		}
	}
}

// tellsNobody wants inventory and telemetry, and nothing of who that is.
func (b *callingBox) tellsNobody() {
	b.t.Helper()
	if err := b.Control.Call(within(b.t, comLimit), "callhome.test", callhome.TestRequest{Operator: lab.Operator}, nil); err == nil {
		b.t.Error("an Anonymous box has sent a test")
	}
	b.sendAll() // after what it could have said of the crash
	for _, d := range b.home.Deliveries() {
		if kind := d.Message.Kind; kind != model.GroupInventory && kind != model.GroupTelemetry || d.Certificate != "" {
			b.t.Errorf("an Anonymous box has sent %s %q, and shown the certificate %q", kind, d.Message.Description, d.Certificate)
		}
	}
	plantedNames.absentFrom(b.t, b.home)
	planted{"anything planted": "lanted"}.absentFrom(b.t, b.home)
}

// copied waits until the copies are there: e-mails within TLS, for people and
// programs.
func (b *callingBox) copied() {
	b.t.Helper()
	b.eventually(func() error {
		for _, kind := range []string{model.GroupInventory, model.GroupTelemetry} {
			if !slices.ContainsFunc(b.home.Deliveries(), func(d callhomed.Delivery) bool {
				return d.Over == callhomed.OverMail && d.Message.Kind == kind && d.Format == "long-text" && d.To == "copies@example.org" && d.TLS != ""
			}) {
				return fmt.Errorf("no copy of the %s has come", kind)
			}
		}
		return nil
	})
}

// absentFrom wants no secret in anything that came, taken or not; and all of it
// was taken.
func (p planted) absentFrom(t *testing.T, home *lab.CallHomed) {
	t.Helper()
	for _, a := range home.Arrivals() {
		if a.Result != "taken" {
			t.Errorf("what came over %s is not taken: %s", a.Over, a.Result)
			p.absent(t, "what was not taken", a.Octets)
		}
	}
	for _, d := range home.Deliveries() {
		p.absent(t, fmt.Sprintf("message %d, %s over %s", d.Number, d.Message.Kind, d.Over), d.Clear())
	}
}
