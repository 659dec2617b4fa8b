package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// session is an operator in front of a box.
func (b *box) session() *exectest.Session {
	s := &exectest.Session{Answers: map[string]any{}}
	for name := range New(b.dir, nil).Methods() {
		s.Answers[name] = func(params string) (any, error) {
			var answer json.RawMessage
			err := b.call(strings.TrimPrefix(name, "control.files."), params, &answer)
			return answer, err
		}
	}
	return s
}

func TestCommands(t *testing.T) {
	b := newBox(t)
	b.fill("usb0/text", "one\ntwo\n")
	b.fill("usb0/binary", "one\x00two")
	b.fill("usb0/escapes", "a\x1b[2Jb\tc\r\n\u00e9\x7f\n")
	s := b.session()
	s.Answers["control.running"] = map[string]string{"text": "hostname box\n"}
	for _, tt := range []struct{ line, want string }{
		{"mkdir harddisk:dir/", "Made directory harddisk:/dir\n"},
		{"mkdir harddisk:dir", "% control refused: harddisk:/dir: file exists\n"},
		{"copy usb0:text harddisk:dir", "Copied usb0:/text to harddisk:/dir/text\n"},
		{"copy USB0:/text harddisk:/dir/text", "Overwrite harddisk:/dir/text?\nCopied usb0:/text to harddisk:/dir/text\n"},
		{"copy usb0:none harddisk:dir", "% control refused: usb0:/none: no such file or directory\n"},
		{"copy running-config usb0:", "Copied the running configuration to usb0:/running-config\n"},
		{"copy run usb0:saved", "Copied the running configuration to usb0:/saved\n"},
		{"more usb0:saved", "hostname box\n"},
		{"more harddisk:dir/text", "one\ntwo\n"},
		{"more usb0:binary", "% usb0:/binary is not a text\n"},
		{"more usb0:escapes", "a?[2Jb\tc\r\n\u00e9?\n"},
		{"delete harddisk:dir", "Delete harddisk:/dir?\n% control refused: harddisk:/dir: directory not empty\n"},
		{"delete harddisk:dir rec", "Delete harddisk:/dir and everything in it?\nDeleted harddisk:/dir\n"},
		{"delete usb0:text force", "Deleted usb0:/text\n"},
		{"delete usb0:saved", "Delete usb0:/saved?\nDeleted usb0:/saved\n"},
	} {
		if got := s.Type(t.Context(), t, ExecCommands(), tt.line); got != tt.want {
			t.Errorf("%s prints\n%swant\n%s", tt.line, got, tt.want)
		}
	}
	s.Refuses = true
	before := b.tree()
	for _, line := range []string{"delete usb0:binary", "copy usb0:running-config usb0:binary", "copy run usb0:binary", "format harddisk:"} {
		if got := s.Type(t.Context(), t, ExecCommands(), line); !strings.HasSuffix(got, "% not confirmed\n") {
			t.Errorf("%s of an operator who says no prints %q", line, got)
		}
	}
	if got := b.tree(); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("an operator who says no made %q of %q", got, before)
	}
}

func TestDir(t *testing.T) {
	b := newBox(t)
	for i := range listMax + 1 {
		b.fill(fmt.Sprintf("usb0/%04d", i), "x")
	}
	b.must(os.Mkdir(b.path("usb0/sub"), 0o755))
	b.must(os.Chtimes(b.path("usb0/0000"), time.Time{}, time.Date(2026, 3, 1, 23, 30, 0, 0, time.UTC)))
	got := b.session().Type(t.Context(), t, ExecCommands(), "dir usb0:")
	lines := strings.Split(got, "\n")
	if len(lines) != listMax+1+1+5 || lines[0] != "Directory of usb0:/" || !strings.HasSuffix(lines[len(lines)-2], " KB free)") {
		t.Errorf("dir prints %d lines:\n%.300s…", len(lines), got)
	}
	if first, last := lines[2], lines[len(lines)-4]; first != "-             1  2026-03-02 00:30:00 +0100  0000" ||
		!strings.HasPrefix(last, "d                20") || !strings.HasSuffix(last, "  sub") {
		t.Errorf("dir prints %q … %q", first, last)
	}
	if got := b.session().Type(t.Context(), t, ExecCommands(), "dir"); !strings.HasPrefix(got, "Directory of bootflash:/\n") {
		t.Errorf("dir prints %q; want bootflash:", got)
	}
}

// A copy that takes long says how far it is, and Ctrl-C ends it.
func TestCopySaysHowFarItIs(t *testing.T) {
	for _, ends := range []error{nil, context.Canceled, errors.New("usb0:/x: input/output error")} {
		synctest.Test(t, func(t *testing.T) {
			release, asked := make(chan error), 0
			s := &exectest.Session{Answers: map[string]any{
				"control.files.stat": Found{},
				"control.files.copy": func(string) (any, error) { return nil, <-release },
				"control.files.progress": func(string) (any, error) {
					if asked++; asked == 2 {
						release <- ends
					}
					return Progress{int64(asked) * 1000, 5000}, nil
				},
			}}
			got := s.Type(t.Context(), t, ExecCommands(), "copy harddisk:x usb0:")
			want := "1000 of 5000 octets\n2000 of 5000 octets\n"
			switch ends {
			case nil:
				want += "Copied harddisk:/x to usb0:/\n"
			case context.Canceled:
				want += "% cancelled: nothing of the copy is left\n"
			default:
				want += "% control refused: usb0:/x: input/output error\n"
			}
			if got != want {
				t.Errorf("copy prints\n%swant\n%s", got, want)
			}
		})
	}
}

func TestCopyToRunning(t *testing.T) {
	b := newBox(t)
	b.fill("usb0/lines", "hostname box\n")
	b.fill("usb0/long", strings.Repeat("!", textMax+1))
	someone := model.Operator{User: "admin", Origin: "ssh 192.0.2.7"}
	fault := &config.Error{Line: 1, Column: 10, Text: "hostname -", Rule: "- is not a host name"}
	good := map[string]any{
		"control.candidate": change.Candidate{}, "control.configure": change.Configured{}, "control.load": change.Loaded{Lines: 1},
		"control.commit": change.Committed{Revision: 7}, "control.abort": nothing{}, "control.release": nothing{},
	}
	for _, tt := range []struct {
		what    string
		answers map[string]any
		want    string
		last    string // the last call of all
	}{
		{"it goes well", nil, "Revision 7 is in force and saved\n", "control.abort"},
		{"another has it", map[string]any{"control.candidate": change.Candidate{Holder: &change.Holder{Operator: someone}}},
			"% the configuration is being changed by admin on ssh 192.0.2.7\n", "control.files.read"},
		{"another was faster", map[string]any{"control.configure": change.Configured{Holder: &change.Holder{Operator: someone}}},
			"% the configuration is being changed by admin on ssh 192.0.2.7\n", "control.configure"},
		{"changes wait", map[string]any{"control.configure": change.Configured{Changed: true}},
			"% the candidate has changes: commit or abort them first\n", "control.release"},
		{"a line is wrong", map[string]any{"control.load": change.Loaded{Faults: config.Errors{fault}}},
			"% line 1: \"hostname -\": - is not a host name\n% nothing is committed\n", "control.abort"},
		{"a rule is broken", map[string]any{"control.commit": change.Committed{Faults: config.Errors{fault}}},
			"% line 1: \"hostname -\": - is not a host name\n% nothing is committed\n", "control.abort"},
		{"a process is down", map[string]any{"control.commit": change.Committed{Revision: 8, Notes: []string{"proxy does not answer"}}},
			"% proxy does not answer\nRevision 8 is in force and saved\n", "control.abort"},
		{"it confirms", map[string]any{"control.commit": change.Committed{Confirmed: 6}}, "Revision 6 is confirmed\n", "control.abort"},
		{"it changes nothing", map[string]any{"control.commit": change.Committed{}}, "% there is nothing to commit\n", "control.abort"},
		{"it fails", map[string]any{"control.commit": errors.New("no room")}, "% control refused: no room\n", "control.abort"},
	} {
		s := b.session()
		for _, answers := range []map[string]any{good, tt.answers} {
			for method, answer := range answers {
				s.Answers[method] = answer
			}
		}
		if got := s.Type(t.Context(), t, ExecCommands(), "copy usb0:lines running-config"); got != tt.want {
			t.Errorf("%s: prints\n%swant\n%s", tt.what, got, tt.want)
		}
		called := s.Called()
		if last := called[len(called)-1]; !strings.HasPrefix(last, tt.last+" ") {
			t.Errorf("%s: the last call is %s; want %s", tt.what, last, tt.last)
		}
	}
	s := b.session()
	if got := s.Type(t.Context(), t, ExecCommands(), "copy usb0:long running-config"); !strings.Contains(got, "has more than 1048576 octets") {
		t.Errorf("a file that is too long prints %q", got)
	}
}

// volumes is a box whose stick was pulled and whose disk is failing.
var volumes = []model.VolumeStatus{
	{Name: storage.Bootflash, Device: "/dev/vda3", State: "mounted", FileSystem: "ext4", TotalKB: 240000, FreeKB: 180000},
	{Name: storage.Harddisk, Device: "/dev/vda4", State: "mounted read-only", FileSystem: "ext4", ReadOnly: true, TotalKB: 8000000, FreeKB: 7999999,
		Problem: "the kernel found /dev/vda4 damaged; copy off what is needed"},
	{Name: storage.USB, State: "missing"},
}

func TestShowStorage(t *testing.T) {
	s := &exectest.Session{Answers: map[string]any{"init.health": model.SystemHealth{Volumes: volumes}}}
	exectest.Golden(t, "show-storage", s.Type(t.Context(), t, ExecCommands(), "show storage"))
}

func TestVolumeCommands(t *testing.T) {
	const missing = "usb0:\n  State: missing\n  Device: none\n  Problem: none\n"
	s := &exectest.Session{Answers: map[string]any{
		"init.health": model.SystemHealth{Volumes: volumes},
		"init.mount":  nothing{}, "init.unmount": nothing{}, "init.format": nothing{},
	}}
	for _, tt := range []struct{ line, call, want string }{
		{"mount usb0:", `init.mount {"volume":"usb0","write":false}`, missing},
		{"mount usb0 write", `init.mount {"volume":"usb0","write":true}`, missing},
		{"unmount usb0:", `init.unmount {"volume":"usb0"}`, "usb0: is unmounted: the stick may be pulled\n"},
		{"format bootflash:", `init.format {"volume":"bootflash","erase":true}`, "Format bootflash:?\nbootflash:\n  State: mounted\n"},
		{"format hard", `init.format {"volume":"harddisk","erase":true}`, "call records that are not sent yet"},
	} {
		got := s.Type(t.Context(), t, ExecCommands(), tt.line)
		if called := s.Called(); len(called) != 1 || called[0] != tt.call || !strings.Contains(got, tt.want) {
			t.Errorf("%s calls %q and prints\n%swant %s and\n%s", tt.line, called, got, tt.call, tt.want)
		}
	}
}

func TestPathType(t *testing.T) {
	value, err := PathType{}.Parse("USB0:billing_cache/")
	if err != nil || (PathType{}).Format(value) != "usb0:/billing_cache" {
		t.Errorf("Parse = %v, %v; want usb0:/billing_cache", value, err)
	}
	if p := PathOf(config.Args{"PATH": value}, "PATH"); p != (storage.Path{Volume: storage.USB, Name: "billing_cache"}) {
		t.Errorf("PathOf = %v", p)
	}
	if p := PathOf(config.Args{"PATH": nil}, "PATH"); p != (storage.Path{}) {
		t.Errorf("PathOf what was not typed = %v; want none", p)
	}
	if _, err := (PathType{}).Parse("flash:x"); err == nil {
		t.Error("Parse of no volume = nil; want an error")
	}
}
