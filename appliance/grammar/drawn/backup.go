package drawn

import (
	"strings"
	"time"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// drawBackup draws when backups are made, and who can open them.
func drawBackup(t *rapid.T, c *model.Config) {
	if rapid.Bool().Draw(t, "backup passphrase") {
		c.Backup.Passphrase = Sealed
	} else {
		for _, key := range []string{"age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj", publicKeys[0]} {
			if rapid.Bool().Draw(t, "is recipient") {
				c.Backup.Recipients = append(c.Backup.Recipients, key)
			}
		}
	}
	s := &c.Backup.Schedule
	s.To = rapid.SampledFrom([]string{"", "usb0:/", "harddisk:/backup", "sftp://a@192.0.2.1/backup/"}).Draw(t, "backups go to")
	if s.To == "" {
		return
	}
	if s.Weekly = rapid.Bool().Draw(t, "weekly"); s.Weekly {
		s.Day = time.Weekday(rapid.IntRange(0, 6).Draw(t, "day"))
	}
	s.At = rapid.IntRange(0, 24*60-1).Draw(t, "minutes")
	s.Keep = rapid.SampledFrom([]int{0, 1, 100}).Draw(t, "keep")
	if strings.HasPrefix(s.To, "sftp:") {
		s.Password, s.HostKey = Sealed, "SHA256:"+strings.Repeat("A", 43)
	}
}
