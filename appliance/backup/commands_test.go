package backup

import (
	"fmt"
	"strings"
	"testing"

	"causeway/appliance/config"
)

func TestCommands(t *testing.T) {
	g, err := config.New(commands(false))
	if err != nil {
		t.Fatal(err)
	}
	octets := make([]byte, 32)
	key, err := config.NewBoxKey(octets)
	if err != nil {
		t.Fatal(err)
	}
	g = g.Sealing(key)
	const fingerprint = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	const recipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
	for _, test := range []struct {
		lines, want string
		fault       string
	}{
		{"backup schedule daily 2:05 usb0:", "backup schedule daily 02:05 usb0:/", ""},
		{"backup schedule weekly mon 23:59 harddisk:backup keep 7", "backup schedule weekly monday 23:59 harddisk:/backup keep 7", ""},
		{"backup schedule daily 02:05 usb0:\nbackup schedule weekly sunday 00:00 usb0:", "backup schedule weekly sunday 00:00 usb0:/", ""},
		{"backup schedule weekly sunday 00:00 usb0:\nno backup schedule", "", ""},
		{"backup recipient " + recipient, "backup recipient " + recipient, ""},
		{"backup recipient " + recipient + "\nbackup recipient " + recipient, "backup recipient " + recipient, ""},
		{"backup recipient ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl anna@laptop\nno backup recipient", "", ""},
		{"backup recipient " + recipient + "\nno backup recipient " + recipient, "", ""},
		{"backup passphrase correct-horse\nno backup passphrase", "", ""},

		{"backup schedule daily 24:00 usb0:", "", "24:00"},
		{"backup schedule daily 02:00 usb0: keep 101", "", "between 1 and 100"},
		{"backup schedule daily 02:00 usb0: password x", "", "are for another system"},
		{"backup schedule daily 02:00 sftp://a@192.0.2.1/b/", "", "password is expected"},
		{"backup schedule daily 02:00 sftp://a@192.0.2.1/b/ password x", "", "is no fingerprint"},
		{"backup schedule daily 02:00 sftp://a@192.0.2.1/b/ password x host-key MD5:1", "", "is no fingerprint"},
		{"backup schedule daily 02:00 sftp://a:hidden@192.0.2.1/b/ password x host-key " + fingerprint, "", "is not like sftp://user@host/directory/"},
		{"backup recipient age1", "", "is not a public key"},
		{"backup recipient AGE-SECRET-KEY-1", "", "is not a public key"},
		{"backup recipient ssh-dss AAAA", "", "is not a public key"},
		{"no backup recipient " + recipient, "", "no such recipient"},
		{"backup passphrase short", "", "12 to 128 octets"},
		{"backup passphrase correct-horse\nbackup recipient " + recipient, "", "a passphrase or with keys"},
	} {
		c, err := g.Parse("hostname cube\n" + test.lines + "\n")
		if err != nil || test.fault != "" {
			if (err == nil) != (test.fault == "") || !strings.Contains(fmt.Sprint(err), test.fault) {
				t.Errorf("Parse(%q) = %v; want %q", test.lines, err, test.fault)
			}
			continue
		}
		got := strings.TrimPrefix(strings.TrimSpace(strings.TrimPrefix(g.Render(c), "hostname cube\n")), "!\n")
		if got != test.want {
			t.Errorf("Parse(%q) is printed as %q; want %q", test.lines, got, test.want)
		}
	}
}
