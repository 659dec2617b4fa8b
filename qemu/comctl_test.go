package main

import (
	"bytes"
	"crypto/tls"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"causeway/qemu/lab/comd"
)

// TestComctl has an operator prepare a fleet whose boxes are not there yet.
func TestComctl(t *testing.T) {
	dir := t.TempDir()
	server, err := comd.New(comd.Options{Dir: dir, Names: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := handOut(server, dir); err != nil {
		t.Fatal(err)
	}
	if err := handOut(server, dir); err != nil { // as at each start
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	api, done := &http.Server{Handler: server.API()}, make(chan struct{})
	go func() {
		defer close(done)
		api.Serve(tls.NewListener(tcp, server.APITLS()))
	}()
	t.Cleanup(func() {
		api.Close()
		<-done
		if err := server.Close(0); err != nil {
			t.Error(err)
		}
	})
	for _, row := range []struct {
		line string
		want string // pattern of what is printed, or of the error
		ok   bool
	}{
		{"keygen anna", `^com trust operator anna ecdsa-sha2-nistp256 `, true},
		{"keygen anna", `exists`, false},
		{"partner OTHER", `^$`, true},
		{"customer C-2 OTHER", `^$`, true},
		{"customer C-2 NONE", `NONE`, false},
		{"token bert OTHER", `^[A-Z2-7]{26}\n$`, true},
		{"list", `^BOX +CUSTOMER +STATE .*\n$`, true},
		{"preregister FHK1234ABcd C-2", `^$`, true},
		{"preregister FHK1234ABcd C-9", `C-9`, false},
		{"subscribe FHK1234ABcd remote-management 1", `^$`, true},
		{"subscribe FHK1234ABcd calls 30 10", `^$`, true},
		{"subscribe FHK1234ABcd calls many", `number`, false},
		{"subscribe FHK1234ABcd calls 30 -1", `number`, false},
		{"list", `\nFHK1234ABcd +C-2 +never seen `, true},
		{"show FHK1234ABcd", `(?s)Approved +true.*Subscription +remote-management 1, no end\nSubscription +calls 30, until 20`, true},
		{"show none", `none`, false},
		{"alarms FHK1234ABcd", `^$`, true},
		{"cli FHK1234ABcd show", `not connected`, false},
		{"config get FHK1234ABcd", `not connected`, false},
		{"config commit FHK1234ABcd", `not connected`, false},
		{"config rollback FHK1234ABcd one", `number`, false},
		{"file get FHK1234ABcd log:syslog " + filepath.Join(dir, "syslog"), `not connected`, false},
		{"file upload FHK1234ABcd log:syslog https://files.example.com/syslog", `not connected`, false},
		{"backup restore FHK1234ABcd box.cwb " + filepath.Join(dir, "none"), `no such file`, false},
		{"backup restore FHK1234ABcd box.cwb " + filepath.Join(dir, "operator.pem"), `not connected`, false},
		{"backup FHK1234ABcd", `not connected`, false},
		{"approve FHK1234ABcd", `^$`, true},
		{"revoke FHK1234ABcd", `^$`, true},
		{"show FHK1234ABcd", `Approved +false`, true},
		{"audit", `first \(\) from 127.0.0.1:\d+: POST /boxes/FHK1234ABcd/revoke: ok`, true},
		{"config", `usage: qemu comctl`, false},
		{"show", `usage: comctl show BOX`, false},
		{"show a b", `usage: comctl show BOX`, false},
	} {
		var out bytes.Buffer
		args := []string{"-api", "https://" + tcp.Addr().String(), "-dir", dir, "-key", filepath.Join(dir, "operator.pem")}
		err := comctlTo(t.Context(), &out, append(args, strings.Fields(row.line)...))
		got := out.String()
		if err != nil {
			got = err.Error()
		}
		if (err == nil) != row.ok || !regexp.MustCompile(row.want).MatchString(got) {
			t.Errorf("comctl %s = %q, %v; want %s", row.line, got, err, row.want)
		}
	}
}

// TestPrintable leaves nothing that a terminal would obey.
func TestPrintable(t *testing.T) {
	if got, want := printable("a\x1b[2Jé\r\n\tb\u202e"), "a[2Jéb"; got != want {
		t.Errorf("printable = %q; want %q", got, want)
	}
	if got, want := printableText("a\x1b[2Jé\r\n\tb\u202e"), "a[2Jé\n\tb\n"; got != want {
		t.Errorf("printableText = %q; want %q", got, want)
	}
}
