package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"causeway/appliance/model"
)

// A box in the field keeps its certificates, wherever the power is cut.
func TestMoveCertificates(t *testing.T) {
	const key, certificate, trust = "key\n", "certificate\n", "trust\n"
	for name, cut := range map[string]func(t *testing.T, m *machine){
		"at once": func(*testing.T, *machine) {},
		"cut before the authorities": func(t *testing.T, m *machine) {
			m.write(t, "bootflash/certificates/sip/identity.pem", key+"\n"+certificate+"\n") // still root's
		},
		"cut before it is removed": func(t *testing.T, m *machine) {
			m.write(t, "bootflash/certificates/sip/identity.pem", key+"\n"+certificate+"\n")
			m.write(t, "bootflash/certificates/sip/trust.pem", trust+"\n")
		},
		"cut while it is removed": func(t *testing.T, m *machine) {
			m.write(t, "bootflash/certificates/sip/identity.pem", key+"\n"+certificate+"\n")
			m.write(t, "bootflash/certificates/sip/trust.pem", trust+"\n")
			if err := os.Remove(m.path("bootflash/proxy/tls/key.pem")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, _, _ := newTest(t)
			m.makeDirectories("/bootflash")
			m.write(t, "bootflash/proxy/tls/key.pem", key)
			m.write(t, "bootflash/proxy/tls/certificate.pem", certificate)
			m.write(t, "bootflash/proxy/tls/trust.pem", trust)
			m.write(t, "bootflash/proxy/call.key", "stays")
			m.write(t, "bootflash/billing/tls/trust.pem", trust) // and nothing else
			cut(t, m)
			for range 2 { // the second time there is nothing to do
				m.moveCertificates()
			}
			if len(m.missing) != 0 {
				t.Fatalf("missing = %q", m.missing)
			}
			for path, want := range map[string]string{
				"sip/identity.pem": key + "\n" + certificate + "\n",
				"sip/trust.pem":    trust + "\n",
				"radius/trust.pem": trust + "\n",
			} {
				path = m.path("bootflash/certificates", path)
				text, err := os.ReadFile(path)
				if err != nil || string(text) != want {
					t.Errorf("%s = %q, %v; want %q", path, text, err, want)
					continue
				}
				info, err := os.Stat(path)
				dir, dirErr := os.Stat(filepath.Dir(path))
				if err != nil || dirErr != nil {
					t.Fatal(err, dirErr)
				}
				is, in := info.Sys().(*syscall.Stat_t), dir.Sys().(*syscall.Stat_t)
				if got := fmt.Sprintf("%d:%d", is.Uid, is.Gid); got != fmt.Sprintf("%d:%d", model.UIDControl, in.Gid) {
					t.Errorf("%s is %s's; want control's, of its directory's group", path, got)
				}
			}
			for _, path := range []string{"bootflash/proxy/tls", "bootflash/billing/tls", "bootflash/certificates/radius/identity.pem"} {
				if _, err := os.Lstat(m.path(path)); !os.IsNotExist(err) {
					t.Errorf("%s is there (%v)", path, err)
				}
			}
			if _, err := os.Stat(m.path("bootflash/proxy/call.key")); err != nil {
				t.Error(err)
			}
		})
	}
}

// A process whose files are moved has nothing else moved to where it may read.
func TestMoveCertificatesOnly(t *testing.T) {
	for name, plant := range map[string]func(trust string) error{
		"a link":      func(trust string) error { return os.Symlink("../../keys/box.key", trust) },
		"a pipe":      func(trust string) error { return syscall.Mkfifo(trust, 0o600) },
		"a large one": func(trust string) error { return os.WriteFile(trust, make([]byte, formerMax+1), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			m, _, _ := newTest(t)
			m.makeDirectories("/bootflash")
			m.write(t, "bootflash/keys/box.key", "secret")
			m.write(t, "bootflash/proxy/tls/key.pem", "alone")
			if err := plant(m.path("bootflash/proxy/tls/trust.pem")); err != nil {
				t.Fatal(err)
			}
			m.moveCertificates()
			if len(m.missing) != 1 {
				t.Errorf("missing = %q; want what is planted", m.missing)
			}
			if text, err := os.ReadFile(m.path("bootflash/certificates/sip/trust.pem")); !os.IsNotExist(err) {
				t.Errorf("%d octets were moved, %v; want none", len(text), err)
			}
		})
	}
}
