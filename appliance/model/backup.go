package model

import "time"

// Backup says when backups are made, where they go and who can open them. The
// zero value makes none by itself.
type Backup struct {
	Schedule   BackupSchedule
	Recipients []string // public keys of age or SSH, without comments, of those who can open them
	Passphrase string   // sealed; empty where Recipients are, or where it is asked for
}

// BackupSchedule is when a backup is made by itself.
type BackupSchedule struct {
	To       string // directory: "usb0:/backup", "sftp://user@192.0.2.1/backup/"; empty: no schedule
	Password string // of the user at To, sealed; empty: To is on the box
	HostKey  string // fingerprint of that host: "SHA256:…"
	Weekly   bool
	Day      time.Weekday // Weekly
	At       int          // minutes since midnight in the zone of the box
	Keep     int          // how many of its files stay at To; 0: all
}
