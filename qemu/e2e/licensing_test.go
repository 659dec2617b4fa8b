//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"causeway/appliance/alarm"
	"causeway/appliance/clock"
	"causeway/appliance/license"
	"causeway/appliance/license/ela"
	"causeway/appliance/model"
	"causeway/qemu/lab/licensed"
	"causeway/qemu/machine"
)

// TestLicensingLife is a year and a half of a box: every state, what leads to it,
// and what it does to calls.
func TestLicensingLife(t *testing.T) {
	t.Parallel()
	b := newLicensedBox(t, "")
	b.is(license.Unidentified, true)
	b.refusal("register where nobody is trusted", b.ask("license.register", license.RegisterRequest{Operator: labOperator, Token: b.token()}, nil), "trust")
	b.trust()

	// The evaluation counts on over a restart.
	b.advance(30 * day)
	b.restart()
	if left := b.status().Evaluation.Left; left > 60*day || left < 59*day {
		t.Errorf("30 days and a restart later %v are left of the evaluation; want 60 days or a little less", left)
	}
	b.is(license.Unidentified, true)

	b.check(b.server.SetFaults(licensed.Fault{Kind: licensed.Refuse, On: ela.TypeAuthorize, Status: 503}))
	b.register()
	b.is(license.Registered, true)
	b.check(b.server.SetFaults())
	b.check(b.renew())
	b.is(license.Authorized, true)

	// Shortage: more is asked for than was bought, and honoured.
	b.check(b.server.SetQuantity(licensed.FirstAccount, cusp5, 4))
	b.check(b.renew())
	b.is(license.OutOfCompliance, true)
	inventory, err := b.server.Inventory(licensed.FirstAccount)
	b.check(err)
	if row := inventory.Licenses[0]; row.InUse != 10 || row.Surplus != -6 || row.Alerts != "Insufficient Licenses" {
		t.Errorf("inventory = %+v; want 10 in use, a shortage of 6", row)
	}
	b.check(b.server.SetQuantity(licensed.FirstAccount, cusp5, 10))
	b.advance(13 * time.Hour) // it asks again by itself (L-65)
	b.is(license.Authorized, true)

	// The server is dead: first the operators hear of it, then the authorisation ends.
	b.check(b.server.Stop())
	b.advance(31 * day)
	b.eventually(func() string {
		if !b.status().Listening {
			return "the box does not listen for notifications; want it when the renewal has failed"
		}
		return ""
	})
	b.is(license.Authorized, true)
	hangUp := b.hold()
	b.advance(60 * day)
	b.is(license.AuthorizationExpired, true)
	b.commit("license profile cusp-9\n")
	b.is(license.AuthorizationExpired, false)
	hangUp() // requests inside dialogs pass
	b.commit("license profile cccsp-15\n")
	b.is(license.AuthorizationExpired, true)
	b.check(b.server.Start())
	b.check(b.renew())
	b.is(license.Authorized, true)

	// In the middle of its life the ID certificate is renewed; the server signs
	// with its next certificate meanwhile.
	registration := b.status().Registration
	b.check(b.server.RotateSigning())
	b.advance(181 * day)
	b.eventually(func() string {
		if now := b.status().Registration; now.IDSerial == registration.IDSerial || !now.Expires.After(registration.Expires) || now.Instance != registration.Instance || now.SigningSerial == registration.SigningSerial {
			return fmt.Sprintf("registration = %+v; want %+v renewed", now, registration)
		}
		return ""
	})
	b.is(license.Authorized, true)

	// Without a server for a year the box is nobody's any more, with what is
	// left of the evaluation.
	b.check(b.server.Stop())
	b.advance(366 * day)
	b.is(license.Unidentified, true)
	b.advance(61 * day)
	b.is(license.EvalExpired, false)
	b.restart()
	b.is(license.EvalExpired, false)

	b.check(b.server.Start())
	b.register()
	b.is(license.Authorized, true)
	b.commit("no license smart enable\n")
	b.is(license.Unconfigured, false)
	b.commit("license smart enable\n")
	b.is(license.Authorized, true)
	b.must("license.deregister", license.DeregisterRequest{Operator: labOperator}, nil)
	b.is(license.EvalExpired, false) // nothing is left of the evaluation
}

// TestLicensingFaults has the server and the way to it do wrong, and control die:
// what was granted stands, no longer and no shorter.
func TestLicensingFaults(t *testing.T) {
	t.Parallel()
	b := newLicensedBox(t, "license profile cusp-9\n")
	b.trust()
	b.register()
	b.is(license.Authorized, true)
	b.check(b.renew()) // so that there is an older reply
	before := b.status().Authorization
	for _, kind := range []licensed.FaultKind{
		licensed.BadSignature, licensed.OldReply, licensed.WrongNonce, licensed.UnknownSigner, licensed.HangUp, licensed.Refuse, licensed.InvalidTag,
	} {
		b.check(b.server.SetFaults(licensed.Fault{Kind: kind, On: ela.TypeAuthorize}))
		if err := b.renew(); err == nil {
			t.Errorf("%s: the answer was believed", kind)
		}
		if s := b.status(); s.State != license.Authorized || !s.Calls || s.Authorization.Start != before.Start || s.Authorization.Deadline != before.Deadline || s.Failure == "" {
			t.Errorf("%s: %+v; want what was before, and the failure told", kind, s)
		}
	}
	b.check(b.server.SetFaults())
	b.served(true)

	// Control dies when there are some seconds left: the proxy ends it by itself.
	b.check(b.server.Stop())
	left := b.status().Authorization.Deadline.Sub(b.status().Now)
	b.advance(left - 5*time.Second)
	b.eventually(func() string {
		status, err := b.proxy.Status(t.Context())
		if ends := status.Grant.ChangesAt - clock.BootTime(); err != nil || ends > 10*time.Second {
			return fmt.Sprintf("the proxy has grant %+v, %v; want one that ends in seconds", status.Grant, err)
		}
		return ""
	})
	b.control.Kill()
	b.served(false)
	b.restart()
	b.is(license.AuthorizationExpired, false)
	b.check(b.server.Start())
	b.check(b.renew())
	b.is(license.Authorized, true)

	// A proxy that is killed comes back with what it had, with nobody to ask.
	b.control.Kill()
	b.check(b.proxy.Restart(t.Context()))
	b.served(true)
	b.restart()
	b.is(license.Authorized, true)
}

// TestLicensingRestored brings the licence files of last month back: the server
// knows that these requests were made before, and operators hear of it. Damaged
// files are believed in nothing.
func TestLicensingRestored(t *testing.T) {
	t.Parallel()
	b := newLicensedBox(t, "")
	b.trust()
	b.register()
	b.is(license.Authorized, true)
	b.check(b.renew()) // which is kept when it returns
	files := []string{filepath.Join(b.control.Dir(), "bootflash/license/state"), filepath.Join(b.control.Dir(), "bootflash/control/license-state")}
	b.control.Kill()
	old, err := os.ReadFile(files[0])
	b.check(err)
	b.restart()
	b.check(b.renew())
	b.check(b.renew())

	overwrite := func(text []byte) {
		t.Helper()
		b.control.Kill()
		for _, file := range files {
			b.check(os.WriteFile(file, text, 0o600))
			b.check(os.Chown(file, model.UIDControl, model.GIDCauseway))
		}
		b.restart()
	}
	overwrite(old)
	b.refusal("renew with an old sequence number", b.renew(), "bad-seq")
	b.awaitAlarm(alarm.LicenseCopied)
	b.is(license.Authorized, true)

	deadline := b.status().Authorization.Deadline
	overwrite(bytes.Replace(old, []byte(`"evaluation"`), []byte(`"evaluatiom"`), 1))
	b.awaitAlarm(alarm.LicenseState)
	if s := b.status(); s.State == license.Authorized || s.Authorization.Deadline.Equal(deadline) {
		t.Errorf("with damaged files: %+v; want no authorization", s)
	}
}

// TestLicensingOffline carries requests and answers as files, and fetches the
// licence log over SFTP by the paths of both source documents.
func TestLicensingOffline(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := newLicensedBox(t, "license smart transport off\n"+
		"username alice create\nusername alice group pfs-privusers\nusername alice password "+sshPassword+"\n")
	b.trust()
	token := b.token()
	stick := filepath.Join(b.control.Dir(), "usb0")
	b.must("license.save", license.SaveRequest{Operator: labOperator, Kind: license.KindRegister, Token: token, File: "usb0:/box.ela-req"}, nil)
	carry := func(request, answer string) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(stick, request))
		b.check(err)
		text, err = b.server.AnswerFile(text)
		b.check(err)
		b.check(os.WriteFile(filepath.Join(stick, answer), text, 0o644))
		b.must("license.import", license.ImportRequest{Operator: labOperator, File: "usb0:/" + answer}, nil)
	}
	carry("box.ela-req", "box.ela-resp")
	b.is(license.Registered, true)
	b.must("license.save", license.SaveRequest{Operator: labOperator, Kind: license.KindAuthorize, File: "usb0:/may.ela-req"}, nil)
	carry("may.ela-req", "may.ela-resp")
	b.is(license.Authorized, true)
	b.refusal("the same answer again", b.ask("license.import", license.ImportRequest{Operator: labOperator, File: "usb0:/may.ela-resp"}, nil), "no request was saved")

	client, err := b.lab.LAN1.NewOpenSSH(dir)
	b.check(err)
	alice := &sshBox{OpenSSH: client, t: t, lab: b.lab, control: b.control, dir: dir}
	alice.await()
	output, err := alice.sftp(byPassword, "get /CUSP/log/sml.log cusp", "get /opt/CUSP/dsnrs/log/sml.log cccsp")
	alice.must("sftp", output, err, false)
	cusp, err1 := os.ReadFile(filepath.Join(dir, "cusp"))
	cccsp, err2 := os.ReadFile(filepath.Join(dir, "cccsp"))
	if err1 != nil || err2 != nil || !bytes.Equal(cusp, cccsp) {
		t.Errorf("sml.log has %d and %d octets, %v, %v; want the same file twice", len(cusp), len(cccsp), err1, err2)
	}
	contains(t, "sml.log", string(cusp), "register received:", "auth request received: start_date:", "compliance_status:IC")
	if strings.Contains(string(cusp), token) {
		t.Error("sml.log has the token")
	}
}

// TestLicensingRelease: nothing in an image that is released moves the clock of
// licences; what these tests run has something that does.
func TestLicensingRelease(t *testing.T) {
	const method = "control.license.advance"
	path, err := programWithClock()
	if err != nil {
		t.Fatal(err)
	}
	if moving, err := os.ReadFile(path); err != nil || !bytes.Contains(moving, []byte(method)) {
		t.Errorf("the program of these tests has no %s, %v", method, err)
	}
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		kernel, err := image.Kernel()
		if err != nil {
			t.Fatal(err)
		}
		packed, err := os.ReadFile(kernel.Initramfs)
		if err != nil {
			t.Fatal(err)
		}
		unpacker, err := zstd.NewReader(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer unpacker.Close()
		files, err := unpacker.DecodeAll(packed, nil)
		if err != nil || !bytes.Contains(files, []byte("control.license.status")) || bytes.Contains(files, []byte(method)) {
			t.Errorf("the root file system of %s has %d octets, %v; want control.license.status in it and no %s", image.Dir, len(files), err, method)
		}
	})
}
