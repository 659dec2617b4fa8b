package wire

import "causeway/appliance/model"

// Methods that the box answers, each behind a switch (package gate has the
// table). The signed ones change something.
const (
	MethodConfigGet        = "config.get"      // ConfigGet → Text
	MethodConfigDiff       = "config.diff"     // → Text
	MethodConfigEdit       = "config.edit"     // ConfigEdit → ConfigFaults; signed
	MethodConfigValidate   = "config.validate" // → ConfigFaults
	MethodConfigCommit     = "config.commit"   // ConfigCommit → Committed; signed
	MethodConfigConfirm    = "config.confirm"  // ConfigConfirm → Committed; signed
	MethodConfigRollback   = "config.rollback" // ConfigRollback → Committed; signed
	MethodConfigAbort      = "config.abort"    // signed
	MethodCLIExec          = "cli.exec"        // CLIExec → Text; signed
	MethodFileList         = "file.list"       // FileList → Files
	MethodFileUpload       = "file.upload"     // FileUpload → Uploaded; signed
	MethodBackupRun        = "backup.run"      // BackupRun → Text; signed
	MethodBackupRestore    = "backup.restore"  // BackupRestore → Text; signed
	MethodFirmwareStage    = "fw.stage"        // FirmwareStage → Firmware; signed
	MethodFirmwareActivate = "fw.activate"     // FirmwareActivate → Firmware; signed
	MethodFirmwareConfirm  = "fw.confirm"      // → Firmware; signed
	MethodFirmwareCancel   = "fw.cancel"       // → Firmware; signed
	MethodFirmwareStatus   = "fw.status"       // → Firmware
	MethodMetricsGet       = "metrics.get"     // → Text
	MethodAlarmsGet        = "alarms.get"      // → AlarmsGot
	MethodLogTail          = "log.tail"        // LogTail → Text
	MethodSessionList      = "session.list"    // → Sessions
	MethodSessionKill      = "session.kill"    // SessionKill; signed
)

// Text is what a person may read.
type Text struct {
	Text string `json:"text"`
}

// ConfigGet asks for a configuration, secrets masked.
type ConfigGet struct {
	Source string `json:"src"` // "running", "startup", "candidate"
}

// ConfigEdit brings lines into the candidate, as they are typed from global
// configuration mode on: all of them or, with a fault, none. BaseRevision must be
// the one in force, or the code is CodeConflict; 0 asks for none.
type ConfigEdit struct {
	BaseRevision int      `json:"base_rev"`
	Lines        []string `json:"ops"`
}

// ConfigFaults says what is wrong with lines; none: nothing.
type ConfigFaults struct {
	Faults []string `json:"faults"`
}

// ConfigCommit puts the candidate in force. It is undone unless it is confirmed
// over another session within ConfirmSeconds (RFC 6241 §8.4); 0: 600. Without
// confirmation it cannot be asked for over COM.
type ConfigCommit struct {
	BaseRevision   int    `json:"base_rev"`
	ConfirmSeconds int    `json:"confirm_timeout"`
	Comment        string `json:"comment"`
}

// ConfigConfirm confirms a commit that COM has started.
type ConfigConfirm struct {
	Revision int `json:"commit_id"`
}

// ConfigRollback goes back to an earlier revision, with a confirmation to come.
type ConfigRollback struct {
	Revision int `json:"revision"`
}

// Committed says which revision is in force.
type Committed struct {
	Revision int      `json:"revision"`
	Faults   []string `json:"faults"`
	Notes    []string `json:"notes"`
	// Confirm says until when it must be confirmed, RFC 3339; empty: it need not be.
	Confirm string `json:"confirm"`
}

// CLIExec are lines of EXEC, one after the other.
type CLIExec struct {
	Lines []string `json:"lines"`
}

// FileList asks for a directory: "log:", "billing:", "core:" or "backup:", and
// what is below; empty for these four.
type FileList struct {
	Path  string `json:"path"`
	After []byte `json:"after,omitempty"` // Next of the page before
}

// Files is the answer, in the order of names.
type Files struct {
	Files []FileInfo `json:"files"`
	Next  []byte     `json:"next,omitempty"` // there are more
}

// FileInfo is one file or directory.
type FileInfo struct {
	Name      string `json:"name"`
	Directory bool   `json:"dir,omitempty"`
	Size      int64  `json:"size"` // octets
	Time      string `json:"time"` // RFC 3339
}

// FileUpload has the box bring a file to the file store, by HTTPS PUT. The host
// of the URL must be the one of the configuration (COM-21).
type FileUpload struct {
	Path string `json:"path"`
	URL  string `json:"url"`
}

// Uploaded is the answer.
type Uploaded struct {
	Size int64  `json:"size"`
	SHA  string `json:"sha256"`
}

// BackupRun makes a backup in the directory of the schedule.
type BackupRun struct{}

// BackupRestore makes a backup the candidate. It is put in force by commit.
type BackupRestore struct {
	Name       string `json:"name"`
	Passphrase string `json:"passphrase"`
}

// FirmwareStage fetches a bundle from the file store.
type FirmwareStage struct {
	URL  string `json:"url"`
	Name string `json:"name"` // of the file
	Size int64  `json:"size"`
	SHA  string `json:"sha256"`
}

// FirmwareActivate puts the bundle that is staged on trial. The trial ends well
// when the box is healthy and a later session has confirmed it.
type FirmwareActivate struct {
	When           string `json:"when"`            // "now", "at", "idle", "drain"; empty: now
	At             string `json:"at"`              // "03:00", by the box's clock
	Within         int    `json:"within"`          // minutes that calls are waited for; 0: as upgrade activate has it
	Rollback       bool   `json:"rollback"`        // the other slot as it is
	ConfirmSeconds int    `json:"confirm_seconds"` // how long the trial may take, in whole minutes from there up; 0: 15 minutes
}

// Firmware is how all that stands.
type Firmware struct {
	Running string `json:"running"` // version
	Slot    string `json:"slot"`    // that runs
	Trial   string `json:"trial"`   // what the trial waits for; empty: there is none
	Planned string `json:"planned"` // when what is to be put on trial; empty: nothing
	Last    string `json:"last"`    // how the last trial ended; empty: there was none
	Staged  string `json:"staged"`  // name; empty: none
	SHA     string `json:"sha256"`
	Have    int64  `json:"have"` // octets
	Size    int64  `json:"size"`
	Problem string `json:"problem"`
}

// AlarmsGot are the active alarms, the worst first.
type AlarmsGot struct {
	Active  []model.Alarm `json:"active"`
	Omitted int           `json:"omitted,omitempty"` // that are not in Active: it would be too long
}

// LogTail asks for the newest lines of the log.
type LogTail struct {
	Lines int `json:"lines"` // at most 1000
}

// Sessions are those of COM's operators.
type Sessions struct {
	Sessions []SessionInfo `json:"sessions"`
}

// SessionInfo is one of them.
type SessionInfo struct {
	Number uint64 `json:"number"`
	Actor  string `json:"actor"`
	// Operator is who has signed for it; empty: nobody had to.
	Operator string `json:"operator,omitempty"`
	What     string `json:"what"`  // "cli", "tcp web", "file log:syslog"
	Since    string `json:"since"` // RFC 3339
	In       int64  `json:"in"`    // octets from COM
	Out      int64  `json:"out"`   // and to COM
}

// SessionKill ends one.
type SessionKill struct {
	Number uint64 `json:"number"`
}
