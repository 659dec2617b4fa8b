package certificates

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

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
