package backup

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/exec/exectest"
	"causeway/appliance/storage/files"
)

// What is typed on one box and on another, as operators see it.
func TestTyped(t *testing.T) {
	first, second := newBox(t, "CWY11111111"), newBox(t, "CWY22222222")
	first.commit("hostname cube\naaa login radius 192.0.2.1 key planted\n")
	first.certificates.files = map[string][]byte{"sip/identity.pem": []byte("the key")}
	s := exectest.Session{Pasted: []string{"correct horse", "correct house"}}
	s.Serve(t, "control", first.Methods())
	if got := s.Type(t.Context(), t, ExecCommands(), "backup now usb0:"); !strings.HasSuffix(got, "% they are not the same; no backup is made\n") {
		t.Errorf("two passphrases that differ: %q", got)
	}
	s.Pasted = []string{"short"}
	if got := s.Type(t.Context(), t, ExecCommands(), "backup now usb0:"); !strings.HasSuffix(got, "% it has 5 characters; no backup is made\n") {
		t.Errorf("a short passphrase: %q", got)
	}
	if names := first.stick(); len(names) != 0 {
		t.Fatalf("there are %q; want no backup", names)
	}
	s.Pasted = []string{phrase, phrase}
	if got := s.Type(t.Context(), t, ExecCommands(), "backup now usb0:"); !strings.Contains(got, "octets made:\n  usb0:/causeway-CWY11111111-") || strings.Contains(got, phrase) {
		t.Errorf("backup now: %q", got)
	}
	second.take(filepath.Join(first.dir, "usb0", first.stick()[0]))

	s = exectest.Session{}
	s.Serve(t, "control", second.Methods())
	for _, test := range []struct {
		name    string
		pasted  []string
		refuses bool
		want    []string
	}{
		{"another passphrase", []string{phrase + "!"}, false, []string{"% control refused: it is not opened with this"}},
		{"no passphrase", []string{""}, false, []string{"% nothing opens the backup; nothing is changed"}},
		{"who only looks", []string{phrase}, true, []string{"Box: CWY11111111 (cube)\n", "Holds: certificates/sip/identity.pem (7 octets)\n", "% not confirmed"}},
	} {
		s.Pasted, s.Refuses = test.pasted, test.refuses
		got := s.Type(t.Context(), t, ExecCommands(), "backup restore usb0:backup")
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q; want %q", test.name, got, want)
			}
		}
		second.nothingChanged()
	}
	s.Pasted, s.Refuses = []string{phrase}, false
	if got := s.Type(t.Context(), t, ExecCommands(), "backup restore usb0:backup"); !strings.Contains(got, "sip/identity.pem: in force\n2 lines are in the candidate") || strings.Contains(got, "planted") {
		t.Errorf("backup restore: %q", got)
	}
	second.commitCandidate()
	if got, want := second.revealed(), first.revealed(); got != want {
		t.Errorf("the second box has %q; want %q", got, want)
	}
}

// With a recipient nobody is asked for a passphrase, and the private key opens it.
func TestTypedKey(t *testing.T) {
	key := ageKey(t)
	b := newBox(t, "CWY11111111")
	b.commit("hostname cube\nbackup recipient " + key.public + "\n")
	s := exectest.Session{}
	s.Serve(t, "control", b.Methods())
	if got := s.Type(t.Context(), t, ExecCommands(), "backup now usb0:"); !strings.HasPrefix(got, "Backup of ") {
		t.Errorf("backup now: %q", got)
	}
	if err := os.Rename(filepath.Join(b.dir, "usb0", b.stick()[0]), filepath.Join(b.dir, "usb0", "x.age")); err != nil {
		t.Fatal(err)
	}
	s.Pasted = []string{"# made for the test\n" + key.private + "\n"}
	if got := s.Type(t.Context(), t, ExecCommands(), "backup restore usb0:x.age"); !strings.Contains(got, "lines are in the candidate") {
		t.Errorf("backup restore: %q", got)
	}
}

func TestShow(t *testing.T) {
	at := time.Date(2026, 11, 22, 1, 30, 0, 0, time.UTC)
	status := Status{
		Recipients: 2, Schedule: "daily 02:30 to usb0:/backup, the last 7 stay", Next: at.AddDate(0, 0, 1),
		Failure: Failure{at, "usb0: is not mounted"},
		Made: []Made{
			{Dir: "usb0:/backup", Name: "causeway-CWY11111111-20261121T013000Z.tar.age", By: bySchedule, Time: at.AddDate(0, 0, -1), Size: 12345},
			{Dir: "sftp://a@192.0.2.1/b/", Name: "causeway-CWY11111111-20261121T120000Z.tar.age", By: admin.String(), Time: at.Add(-13 * time.Hour), Size: 12346},
		},
	}
	manifest := Manifest{
		Format: format, Serial: "CWY11111111", HostName: "cube", Version: "v1.0", Board: "x86-64", Revision: 12, Time: at,
		Files:   []File{newFile(configurationName, make([]byte, 4096)), newFile("certificates/sip/identity.pem", make([]byte, 900))},
		LeftOut: []string{"the host key of SSH: each box has its own"},
	}
	s := exectest.Session{Pasted: []string{phrase}, Answers: map[string]any{
		"control.backup.status": status,
		"control.backup.read": func(params string) (any, error) {
			var r ReadRequest
			if err := json.Unmarshal([]byte(params), &r); err != nil {
				return nil, err
			}
			if r.Secret == "" {
				return Opened{Kind: ByPassphrase, SHA256: "0123"}, nil
			}
			return Opened{Kind: ByPassphrase, SHA256: "0123", Manifest: &manifest}, nil
		},
		"control.backup.restore": Restored{Lines: 120, Certificates: []CertificateResult{{"sip/identity.pem", ""}}},
	}}
	exectest.Golden(t, "show-backup", s.Type(t.Context(), t, ExecCommands(), "show backup"))
	exectest.Golden(t, "backup-restore", s.Type(t.Context(), t, ExecCommands(), "backup restore usb0:x.age"))

	s.Pasted = []string{phrase}
	s.Answers["control.backup.restore"] = Restored{Faults: []Fault{{3, 1, "nothing is expected here"}}}
	exectest.Golden(t, "backup-restore-faults", s.Type(t.Context(), t, ExecCommands(), "backup restore usb0:x.age"))
	s.Answers["control.backup.status"] = Status{}
	exectest.Golden(t, "backup-show-none", s.Type(t.Context(), t, ExecCommands(), "backup show"))

	s.Answers["control.backup.host"] = Host{}
	s.Answers["control.files.host"] = files.Host{Key: "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}
	s.Answers["control.backup.now"] = status.Made[1]
	s.Pasted = []string{"password", phrase, phrase}
	exectest.Golden(t, "backup-now-sftp", s.Type(t.Context(), t, ExecCommands(), "backup now sftp://a@192.0.2.1/b/"))
	want := `"login":{"password":"password","host_key":"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`
	if got := strings.Join(s.Called(), "\n"); !strings.Contains(got, want) {
		t.Errorf("it called\n%s\nwant %s", got, want)
	}
}

// answering is an operator who says no, or nothing, to the second question.
type answering struct {
	*exectest.Session
	asked  int
	second error
}

func (a *answering) Confirm(string) error {
	if a.asked++; a.asked == 2 {
		return a.second
	}
	return nil
}

// Who declines the certificates gets the configuration; who drops the question
// gets nothing.
func TestDeclineCertificates(t *testing.T) {
	b := newBox(t, "CWY11111111")
	b.commit("hostname cube\n")
	b.certificates.files = map[string][]byte{"sip/identity.pem": []byte("the key")}
	b.take(b.backUp())
	b.commit("hostname other\n")
	b.certificates.files = map[string][]byte{}
	for _, test := range []struct {
		answer error
		fails  bool
	}{{context.Canceled, true}, {exec.ErrDeclined, false}} {
		s := &exectest.Session{Pasted: []string{phrase}}
		s.Serve(t, "control", b.Methods())
		err := restore(t.Context(), &answering{Session: s, second: test.answer}, config.Args{"FROM": placeOf(t, "usb0:/backup")})
		if (err != nil) != test.fails || len(b.certificates.files) != 0 {
			t.Errorf("restore with the answer %v = %v, certificates %q; want an error: %t, no certificates", test.answer, err, b.certificates.files, test.fails)
		}
		if test.fails {
			b.nothingChanged()
		}
	}
	b.commitCandidate()
	if text := b.configuration.InForce().Text; text != "hostname cube\n" {
		t.Errorf("in force is %q; want the configuration of the backup", text)
	}
}
