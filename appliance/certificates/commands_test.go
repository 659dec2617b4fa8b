package certificates

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"causeway/appliance/exec"
	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
	"causeway/appliance/storage/files"
)

// changing is what differs from box to box and from day to day.
var changing = regexp.MustCompile(`(?m)(Serial: |SHA-256: |SHA256:|Valid from: |Valid until: |since |remove sip )[^\n]+`)

var requestPEM = regexp.MustCompile(`(?s)-----BEGIN CERTIFICATE REQUEST-----.*?-----END CERTIFICATE REQUEST-----`)

// TestCommands types a life of certificates: the request, the certificate that
// OpenSSL issues, authorities, and what is refused.
func TestCommands(t *testing.T) {
	root := newAuthority(t, "root")
	middle := root.below("middle")
	b := newBox(t)
	s := &exectest.Session{Answers: map[string]any{}}
	s.Serve(t, "control", b.Methods())
	var printed strings.Builder
	enter := func(line string, pasted ...string) string {
		s.Pasted = pasted
		text := s.Type(t.Context(), t, ExecCommands(), line)
		fmt.Fprintf(&printed, "# %s\n%s", line, text)
		return text
	}
	enter("show certificates sip")
	enter("crypto key generate ec keysize 384 label sip")
	enter("show certificates sip")
	request := enter("crypto pki enroll sip subject-alt-name a.example 192.0.2.7 subject-name O=Ex")
	issued := middle.sign(request)
	enter("crypto pki import sip certificate", issued)
	enter("show certificates sip")
	enter("crypto pki import sip certificate", middle.pem()+issued)
	enter("crypto pki authenticate sip", root.pem())
	enter("show certificates sip")
	key, certificate := root.brought(p256)
	b.status(model.ForWeb)
	enter("crypto pki import web pem", "")
	enter("crypto pki import web pem", certificate)
	enter("crypto pki import web pem", key+certificate)
	enter("crypto pki import web previous")
	s.Answers["control.files.read"] = files.FilePart{Data: []byte(key + certificate), End: true}
	enter("crypto pki import radius pem usb0:box.pem")
	enter("crypto pki enroll callhome self-signed subject-name CN=box,O=Ex")
	enter("crypto pki enroll callhome subject-name Example")
	enter("crypto pki authenticate syslog")
	enter("crypto pki remove web 00000000")
	enter("crypto pki remove sip " + strings.ToUpper(b.status(model.ForSIP).Trusted[0].SHA256[:16]))
	enter("crypto key zeroize radius")
	enter("show certificates radius")
	enter("crypto key generate rsa label license")
	enter("show certificates license")
	enter("show ssh host-key")
	enter("show certificates")
	s.Refuses = true
	enter("crypto key zeroize web")
	enter("crypto pki authenticate syslog", root.pem())
	text := requestPEM.ReplaceAllString(changing.ReplaceAllString(printed.String(), "$1…"), "(a request)")
	exectest.Golden(t, "commands", text)

	checkNoKeys(t, b, printed.String()+b.log.String())
}

// TestAuthenticate: authorities of Call Home come pasted or as a file, one or
// several, as OpenSSL and Windows write them; what is asked about is who they are,
// when they end, and their fingerprints (CH-8, CH-9).
func TestAuthenticate(t *testing.T) {
	root, other := newAuthority(t, "root"), newAuthority(t, "other")
	shown := func(a *authority) []string {
		ends := strings.TrimSpace(strings.TrimPrefix(openssl(t, a.dir, "x509", "-in", a.name+".pem", "-noout", "-enddate"), "notAfter="))
		end, err := time.Parse("Jan _2 15:04:05 2006 MST", ends)
		if err != nil {
			t.Fatal(err)
		}
		_, digits, _ := strings.Cut(strings.TrimSpace(openssl(t, a.dir, "x509", "-in", a.name+".pem", "-noout", "-fingerprint", "-sha256")), "=")
		return []string{"Certificate: CN=" + a.name, "Valid until: " + exec.Time(new(exectest.Session), end, stamp), "SHA-256: " + strings.ToLower(strings.ReplaceAll(digits, ":", ""))}
	}
	withText := openssl(t, root.dir, "x509", "-in", "root.pem", "-text")
	for _, test := range []struct {
		name, line string
		text       string
		want       []*authority
	}{
		{"pasted", "crypto pki authenticate callhome", root.pem(), []*authority{root}},
		{"several, pasted", "crypto pki authenticate callhome", root.pem() + "\n" + other.pem(), []*authority{root, other}},
		{"a file of several", "crypto pki authenticate callhome usb0:callhome.pem", other.pem() + root.pem(), []*authority{root, other}},
		{"lines of Windows", "crypto pki authenticate callhome usb0:callhome.pem", strings.ReplaceAll(root.pem()+other.pem(), "\n", "\r\n"), []*authority{root, other}},
		{"text around it", "crypto pki authenticate callhome usb0:callhome.pem", withText + "# the next\n" + other.pem(), []*authority{root, other}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBox(t)
			s := &exectest.Session{
				Pasted:  []string{test.text},
				Answers: map[string]any{"control.files.read": files.FilePart{Data: []byte(test.text), End: true}},
			}
			s.Serve(t, "control", b.Methods())
			before := s.Type(t.Context(), t, ExecCommands(), test.line)
			after := s.Type(t.Context(), t, ExecCommands(), "show certificates callhome")
			for _, a := range test.want {
				for _, line := range shown(a) {
					if !strings.Contains(before, line) || !strings.Contains(after, line) {
						t.Errorf("want %q in what is asked about:\n%s\nand in what is in force:\n%s", line, before, after)
					}
				}
			}
			if roots, err := b.Authorities(model.ForCallHome); err != nil || len(roots) != len(test.want) {
				t.Errorf("%d authorities are trusted (%v); want %d", len(roots), err, len(test.want))
			}
		})
	}
}

// checkNoKeys looks for every key of the box, and for any key, in a text.
func checkNoKeys(t *testing.T, b *box, text string) {
	t.Helper()
	if strings.Contains(text, "PRIVATE KEY") {
		t.Error("a key is in what was shown or logged")
	}
	for _, file := range b.files() {
		_, content, _ := strings.Cut(file, " ")
		inKey := false
		for line := range strings.Lines(content) {
			if strings.HasPrefix(line, "-----") {
				inKey = strings.Contains(line, "KEY-----") && strings.HasPrefix(line, "-----BEGIN")
				continue
			}
			if inKey && len(line) > 20 && strings.Contains(text, strings.TrimSpace(line)) {
				t.Errorf("a line of a key is in what was shown or logged: %s", line)
			}
		}
	}
}

// TestRun: what the box needs is made by itself, and what is wrong is told.
func TestRun(t *testing.T) {
	b := newBox(t)
	ended := make(chan error, 1)
	go func() { ended <- b.Run(t.Context()) }()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(b.file(model.ForCOM, model.IdentityFile)); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("Run has made no certificate for COM")
		}
	}
	s := &exectest.Session{}
	s.Serve(t, "control", b.Methods())
	damage(t, b.file(model.ForWeb, requestFile))
	s.Pasted = []string{newAuthority(t, "root").pem()}
	s.Type(t.Context(), t, ExecCommands(), "crypto pki authenticate syslog") // a change has Run look at once
	for deadline := time.Now().Add(30 * time.Second); len(b.Conditions()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("Run has not seen the damage")
		}
	}
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
