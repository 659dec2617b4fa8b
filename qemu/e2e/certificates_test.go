//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/appliance/certificates"
	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/qemu/lab"
	"causeway/qemu/machine"
)

// TestAccessCertificates: the box makes a key and a request, an authority kept by
// OpenSSL issues the certificate, and what was imported is what the proxy shows
// from then on, at the same listen point and in the same life.
func TestAccessCertificates(t *testing.T) {
	const config = twoLANs + nextHop + "sip listen lan1 tls 192.168.42.1 5061\n"
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	home, err := lab.NewNamespace()
	if err != nil {
		t.Fatal(err)
	}
	control, err := home.StartControl(path, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("control printed:\n%s", control.Tail())
		}
		if err := control.Close(); err != nil {
			t.Error(err)
		}
		if err := home.Close(); err != nil {
			t.Error(err)
		}
	})
	files := filepath.Join(control.Dir(), model.CertificateDir, string(model.ForSIP))
	ctx := within(t, 2*time.Minute)
	for { // control makes the box's own at its start
		if _, err := os.Stat(filepath.Join(files, model.IdentityFile)); err == nil {
			break
		}
		if err := control.Running(); err != nil || ctx.Err() != nil {
			t.Fatal(err, ctx.Err())
		}
		time.Sleep(10 * time.Millisecond)
	}
	l, proxy := hostBox(t, config, "-tls", files)
	before := proxy.PID()

	dir := t.TempDir()
	newRoot(t, ctx, dir)
	if output, err := verify(t, ctx, l, dir); err == nil || !strings.Contains(output, "self-signed certificate") {
		t.Errorf("what the box has signed itself is verified: %v\n%s", err, output)
	}

	ask := func(method string, params, result any) {
		t.Helper()
		if err := link.Call(ctx, link.Socket(filepath.Join(control.Dir(), "run"), "control"), "control.certificates."+method, params, result); err != nil {
			t.Fatal(err)
		}
	}
	purpose := certificates.Request{Purpose: model.ForSIP, Operator: model.Operator{User: "lab", Origin: "test"}}
	for _, kind := range []certificates.KeyKind{{}, {RSA: true, Bits: 3072}} {
		ask("generate", certificates.GenerateRequest{Request: purpose, Kind: kind}, nil)
		var enrolled certificates.Enrolled
		ask("enroll", certificates.EnrollRequest{Request: purpose, Wanted: certificates.Wanted{Names: []string{"sip.example.com", "192.168.42.1"}}}, &enrolled)
		writeText(t, filepath.Join(dir, "box.csr"), enrolled.PEM)
		issued := []byte(sign(t, ctx, dir))
		var inForce certificates.Certificate
		ask("import", certificates.ImportRequest{Request: purpose, Text: issued}, &inForce)
		output, err := verify(t, ctx, l, dir)
		if err != nil || !strings.Contains(output, "Verification: OK") {
			t.Errorf("openssl s_client after the import: %v\n%s", err, output)
		}
		serial := openssl(t, ctx, dir, "x509", "-in", "box.pem", "-noout", "-serial")
		if !strings.HasSuffix(strings.ToLower(strings.TrimSpace(serial)), inForce.Serial) {
			t.Errorf("in force is serial number %s; OpenSSL has issued %s", inForce.Serial, serial)
		}
	}
	if proxy.PID() != before {
		t.Error("the proxy was restarted on the way")
	}
}

// openssl runs it in a directory and gives what it printed.
func openssl(t *testing.T, ctx context.Context, dir string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(ctx, "openssl", args...)
	command.Dir = dir
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return string(output)
}

// TestConsoleCertificates pastes a certificate at the serial port of a box. Its
// proxy, which has a user of its own, shows it; keys stay where they are.
func TestConsoleCertificates(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		box, _ := goOn(t, image)
		commit(t, box, "sip listen lan1 tls 192.168.42.1 5061")
		contains(t, "show certificates", command(t, box, "show certificates"), "Chain: self-signed", "Fingerprint: SHA256:")
		ctx, dir := within(t, 5*time.Minute), t.TempDir()
		newRoot(t, ctx, dir)
		writeText(t, filepath.Join(dir, "box.csr"), command(t, box, "crypto pki enroll sip subject-alt-name sip.example.com"))
		issued := strings.ReplaceAll(sign(t, ctx, dir), "\n", "\r")
		keys(t, box, "do crypto pki import sip certificate\r", "drops them") // the configuration is still open
		keys(t, box, issued+".\r", "SHA-256: [0-9a-f]{64}")
		if output, err := verify(t, ctx, box.Lab, dir); err != nil || !strings.Contains(output, "Verification: OK") {
			t.Errorf("openssl s_client after the import: %v\n%s", err, output)
		}
		contains(t, "more", command(t, box, "more bootflash:certificates/sip/identity.pem"), "holds a secret")
		for _, line := range []string{"show tech-support", "show logging"} {
			if strings.Contains(command(t, box, line), "PRIVATE KEY") {
				t.Errorf("%s shows a key", line)
			}
		}
		powerOff(t, box)
	})
}

// newRoot makes an authority kept by OpenSSL: root.pem.
func newRoot(t *testing.T, ctx context.Context, dir string) {
	t.Helper()
	openssl(t, ctx, dir, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "root.key", "-out", "root.pem",
		"-subj", "/CN=lab root", "-addext", "keyUsage=critical,keyCertSign")
}

// sign has it issue box.pem for box.csr, and gives that.
func sign(t *testing.T, ctx context.Context, dir string) string {
	t.Helper()
	openssl(t, ctx, dir, "x509", "-req", "-in", "box.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial",
		"-copy_extensions", "copy", "-days", "90", "-out", "box.pem")
	issued, err := os.ReadFile(filepath.Join(dir, "box.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return string(issued)
}

// verify has OpenSSL connect to the box on LAN1 and hold it against root.pem.
func verify(t *testing.T, ctx context.Context, l *lab.Lab, dir string) (string, error) {
	t.Helper()
	command := exec.CommandContext(ctx, "openssl", "s_client", "-connect", netip.AddrPortFrom(lab.BoxLAN1.Addr(), 5061).String(),
		"-CAfile", filepath.Join(dir, "root.pem"), "-verify_return_error", "-verify_hostname", "sip.example.com")
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := l.LAN1.Start(command); err != nil {
		t.Fatal(err)
	}
	err := command.Wait()
	return output.String(), err
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
