package services

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"causeway/appliance/bundle"
	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// firmware is a Firmware over a file store, and what it asked for.
type firmware struct {
	*Firmware
	asked   []string
	get     func(context.Context, int64) (io.ReadCloser, int64, error)
	refuses error
}

func newFirmware(s *shelf) *firmware {
	f := &firmware{}
	note := func(format string, args ...any) error {
		f.asked = append(f.asked, fmt.Sprintf(format, args...))
		return f.refuses
	}
	f.Firmware = &Firmware{
		Store: s.store,
		Fetch: func(p wire.FirmwareStage, _ model.Operator, get func(context.Context, int64) (io.ReadCloser, int64, error)) {
			note("fetch %s", p.Name)
			f.get = get
		},
		Drop: func() { note("drop") },
		Order: func(_ context.Context, _ model.Operator, p wire.FirmwareActivate) error {
			return note("order %s", p.When)
		},
		Confirm: func(context.Context, model.Operator) error { return note("confirm") },
		Cancel:  func(model.Operator) error { return note("cancel") },
		Status:  func() wire.Firmware { return wire.Firmware{Running: "v1.0.0"} },
	}
	return f
}

// staging asks for a bundle that is well described.
var staging = wire.FirmwareStage{
	URL: "https://example.com/bundle?signature=s3cret", Name: "causeway-2.0.causeway", Size: 10, SHA: strings.Repeat("0a", 32),
}

func TestFirmware(t *testing.T) {
	s := newShelf(t)
	f := newFirmware(s)
	for _, test := range []struct {
		method string
		params any
		want   string
	}{
		{wire.MethodFirmwareStage, staging, "fetch causeway-2.0.causeway"},
		{wire.MethodFirmwareActivate, wire.FirmwareActivate{When: "idle", ConfirmSeconds: 60}, "order idle"},
		{wire.MethodFirmwareConfirm, struct{}{}, "confirm"},
		{wire.MethodFirmwareCancel, struct{}{}, "cancel"},
	} {
		f.asked, f.refuses = nil, nil
		got, err := call[wire.Firmware](t.Context(), f.Methods(), test.method, test.params)
		if err != nil || got.Running != "v1.0.0" || strings.Join(f.asked, " ") != test.want {
			t.Errorf("%s = %+v, %v and asks for %q; want %q", test.method, got, err, f.asked, test.want)
		}
		f.refuses = errors.New("no firmware is on trial")
		if _, err := call[wire.Firmware](t.Context(), f.Methods(), test.method, test.params); test.method != wire.MethodFirmwareStage && codeOf(err) != wire.CodeConflict {
			t.Errorf("%s that is refused = %v; want the code of a conflict", test.method, err)
		}
	}
	s.serves(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("0123456789"))
	})
	content, from, err := f.get(t.Context(), 4)
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	if text, err := io.ReadAll(content); string(text) != "456789" || from != 4 || err != nil {
		t.Errorf("the store gives %q from %d on, %v; want the rest", text, from, err)
	}
}

// TestFirmwareNeedsTheCommands: a method takes the right to the command that does the
// same at a console, and no other right will do.
func TestFirmwareNeedsTheCommands(t *testing.T) {
	words := map[string]string{
		wire.MethodFirmwareStage: "upgrade stage", wire.MethodFirmwareActivate: "upgrade activate", wire.MethodFirmwareConfirm: "upgrade confirm",
		wire.MethodFirmwareCancel: "upgrade cancel", wire.MethodFirmwareStatus: "show version",
	}
	for _, m := range (&Firmware{}).Methods() {
		exec := model.Rule{Permit: true, Kind: model.RuleExec, Words: words[m.Name]}
		if !m.May(model.Rights{Rules: []model.Rule{exec}}) {
			t.Errorf("%s is refused with the right to %q", m.Name, exec.Words)
		}
		others := []model.Rule{{Permit: true, Kind: model.RuleExec, Words: "copy"}, {Permit: true, Kind: model.RuleConfigure}}
		if m.May(model.Rights{Rules: others, FilesRead: true, FilesWrite: true}) {
			t.Errorf("%s is permitted without the right to %q", m.Name, exec.Words)
		}
	}
}

// TestFirmwareSwitchedOff: nothing comes from the store any more once the service
// is switched off.
func TestFirmwareSwitchedOff(t *testing.T) {
	f := newFirmware(newShelf(t))
	f.Apply(&model.Config{COM: model.COM{Services: []string{model.COMFirmware}}})
	if len(f.asked) > 0 {
		t.Errorf("with the service on it asks for %q", f.asked)
	}
	f.Apply(&model.Config{})
	if strings.Join(f.asked, " ") != "drop" {
		t.Errorf("with the service off it asks for %q; want the fetch to end", f.asked)
	}
}

// TestFinal: what the store says for good is not asked for again.
func TestFinal(t *testing.T) {
	s := newShelf(t)
	for status, want := range map[int]bool{
		http.StatusForbidden: true, http.StatusNotFound: true, http.StatusFound: true,
		http.StatusTooManyRequests: false, http.StatusRequestTimeout: false, http.StatusBadGateway: false,
	} {
		s.serves(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://example.org/")
			w.WriteHeader(status)
		})
		_, _, err := s.store.Get(t.Context(), staging.URL, 0)
		var final interface{ Final() bool }
		if got := errors.As(err, &final) && final.Final(); err == nil || got != want || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%d gives %v, final %v; want %v, and no secret", status, err, got, want)
		}
	}
}

func TestStageRefused(t *testing.T) {
	f := newFirmware(newShelf(t))
	for name, spoil := range map[string]func(*wire.FirmwareStage){
		"another host":        func(p *wire.FirmwareStage) { p.URL = "https://example.org/image" },
		"a path":              func(p *wire.FirmwareStage) { p.Name = "../image" },
		"a hidden name":       func(p *wire.FirmwareStage) { p.Name = ".image" },
		"the name of a part":  func(p *wire.FirmwareStage) { p.Name = "a.part" },
		"the name of a sum":   func(p *wire.FirmwareStage) { p.Name = "a.sha256" },
		"nothing":             func(p *wire.FirmwareStage) { p.Size = 0 },
		"too large":           func(p *wire.FirmwareStage) { p.Size = bundle.Max + 1 },
		"no sum":              func(p *wire.FirmwareStage) { p.SHA = "" },
		"a path for a sum":    func(p *wire.FirmwareStage) { p.SHA = strings.Repeat("../a", 16) },
		"a sum in other case": func(p *wire.FirmwareStage) { p.SHA = strings.ToUpper(p.SHA) },
	} {
		p := staging
		spoil(&p)
		if _, err := call[wire.Firmware](t.Context(), f.Methods(), wire.MethodFirmwareStage, p); codeOf(err) == 0 || len(f.asked) > 0 {
			t.Errorf("%s is not refused: %v, %q", name, err, f.asked)
		}
	}
	if _, err := call[wire.Firmware](t.Context(), f.Methods(), wire.MethodFirmwareActivate, wire.FirmwareActivate{ConfirmSeconds: 3601}); codeOf(err) != wire.CodeParams {
		t.Errorf("a trial of more than an hour = %v; want a refusal", err)
	}
}

// TestActivateRights: what COMAdmin may not type, fw.activate does not do.
func TestActivateRights(t *testing.T) {
	f := newFirmware(newShelf(t))
	rights := model.Rights{Rules: append([]model.Rule{
		{Kind: model.RuleExec, Words: "upgrade rollback"}, {Kind: model.RuleExec, Words: "upgrade activate drain"},
	}, all...)}
	for _, test := range []struct {
		params wire.FirmwareActivate
		code   int
	}{
		{wire.FirmwareActivate{}, 0},
		{wire.FirmwareActivate{When: "at", At: "03:00"}, 0},
		{wire.FirmwareActivate{When: "drain"}, wire.CodeNotAllowed},
		{wire.FirmwareActivate{Rollback: true}, wire.CodeNotAllowed},
		{wire.FirmwareActivate{Rollback: true, When: "idle"}, wire.CodeNotAllowed},
	} {
		f.asked = nil
		_, err := f.activate(t.Context(), gate.Caller{Login: model.Login{Rights: rights}}, test.params)
		if got := codeOf(err); got != test.code || (got == 0) != (len(f.asked) == 1) {
			t.Errorf("%+v: %v, and %q is asked for; want the code %d", test.params, err, f.asked, test.code)
		}
	}
}
