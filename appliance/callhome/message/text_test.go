package message

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/model"
)

// xmlValues are the elements that have a text, in their order: "name=text", with
// names as JSON has them.
func xmlValues(t testing.TB, text []byte) (values []string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(string(text)))
	name, said, leaf := "", "", false
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return values
		}
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		switch token := token.(type) {
		case xml.StartElement:
			name, said, leaf = token.Name.Local, "", true
		case xml.CharData:
			said += string(token)
		case xml.EndElement:
			if leaf {
				values = append(values, lowerCamel(name)+"="+said)
			}
			leaf = false
		}
	}
}

// jsonValues are the members that are texts or numbers; all arrays are of objects.
func jsonValues(t testing.TB, text []byte) (values []string) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	name := ""
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return values
		}
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		switch _, bracket := token.(json.Delim); {
		case bracket:
			name = ""
		case name == "":
			name = fmt.Sprint(token)
		default:
			values = append(values, name+"="+fmt.Sprint(token))
			name = ""
		}
	}
}

// TestSameNames finds the same names and values in XML and JSON, but for the
// envelope.
func TestSameNames(t *testing.T) {
	sends(t, func(t *testing.T, kind Kind, mode string) {
		forms := written(t, example(t, kind, mode))
		fromXML, fromJSON := xmlValues(t, forms["xml"]), jsonValues(t, forms["json"])
		for i, value := range fromXML {
			if strings.HasPrefix(value, "eventTime=") {
				fromXML = fromXML[i:]
				break
			}
		}
		if diff := cmp.Diff(fromXML, fromJSON[3:]); diff != "" {
			t.Errorf("XML and JSON (-xml +json):\n%s", diff)
		}
	})
}

// TestKept is a message that was in a queue: it is the same in all forms.
func TestKept(t *testing.T) {
	sends(t, func(t *testing.T, kind Kind, mode string) {
		m := example(t, kind, mode)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var kept Message
		if err := json.Unmarshal(text, &kept); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, &kept); diff != "" {
			t.Errorf("kept (-made +kept):\n%s", diff)
		}
		if diff := cmp.Diff(written(t, m), written(t, &kept)); diff != "" {
			t.Errorf("written (-made +kept):\n%s", diff)
		}
	})
}

// TestNewRefuses is what no message is made of.
func TestNewRefuses(t *testing.T) {
	smart, quiet := settings(model.CallHomeSmart), settings(model.CallHomeSmart)
	quiet.Traces = false
	anonymous, disabled := settings(model.CallHomeAnonymous), settings(model.CallHomeDisabled)
	anonymous.Traces = true // which no commit lets pass
	for _, test := range []struct {
		name        string
		kind        Kind
		settings    *model.CallHome
		event       *Event
		attachments []Attachment
		want        string
	}{
		{"alert in anonymous", Alert, anonymous, event(Alert), nil, "mode anonymous of Call Home sends no alert messages"},
		{"configuration in anonymous", Configuration, anonymous, nil, nil, "mode anonymous of Call Home sends no configuration messages"},
		{"test in anonymous", Test, anonymous, event(Test), nil, "mode anonymous of Call Home sends no test messages"},
		{"disabled", Inventory, disabled, nil, nil, "mode disabled of Call Home sends no inventory messages"},
		{"event in anonymous", Inventory, anonymous, event(Alert), nil, "inventory message: alerts and tests have an event, and nothing else"},
		{"attachment in anonymous", Telemetry, anonymous, nil, attachments(Alert), "telemetry message: only alerts have attachments"},
		{"attachment without include-traces", Alert, quiet, event(Alert), attachments(Alert), "attachments need include-traces"},
		{"alert without event", Alert, smart, nil, nil, "alert message: alerts and tests have an event, and nothing else"},
		{"kind that is none", "inventories", smart, nil, nil, "mode smart of Call Home sends no inventories messages"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := New(test.kind, "CH:1:1", sent, test.settings, facts(), test.event, test.attachments...)
			if err == nil || err.Error() != test.want {
				t.Errorf("New = %v, %v; want %s", m, err, test.want)
			}
		})
	}
}

// FuzzUnmarshal has a queue give back what it never got: an error, or a message
// that can be written.
func FuzzUnmarshal(f *testing.F) {
	for _, kind := range all {
		m, err := New(kind, "CH:1:1", sent, settings(model.CallHomeSmart), facts(), event(kind), attachments(kind)...)
		if err != nil {
			f.Fatal(err)
		}
		text, err := json.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add([]byte(strings.Replace(string(text), `"event"`, `"erent"`, 1)))
		f.Add([]byte(strings.Replace(string(text), `"kind"`, `"kine"`, 1)))
		f.Add([]byte(strings.Replace(string(text), model.CallHomeSmart, model.CallHomeAnonymous, 1)))
		f.Add([]byte(strings.ReplaceAll(string(text), "Item", "//Count")))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var m Message
		if json.Unmarshal(text, &m) != nil {
			return
		}
		if m.Mode == model.CallHomeAnonymous && (m.Event != nil || len(m.Attachments) > 0 || m.Kind != Inventory && m.Kind != Telemetry) {
			t.Errorf("an anonymous message came back as %+v", m)
		}
		m.Short()
		m.Long()
		m.Subject()
		if text, err := m.JSON(traces); err == nil && !json.Valid(text) {
			t.Errorf("not JSON: %s", text)
		}
		if text, err := m.XML(traces); err == nil && len(text) == 0 {
			t.Error("no XML and no error")
		}
	})
}

// TestUnmarshalRefuses is a message of which the event was lost.
func TestUnmarshalRefuses(t *testing.T) {
	text, err := json.Marshal(example(t, Alert, model.CallHomeSmart))
	if err != nil {
		t.Fatal(err)
	}
	var m Message
	err = json.Unmarshal([]byte(strings.Replace(string(text), `"event"`, `"erent"`, 1)), &m)
	if want := "alert message: alerts and tests have an event, and nothing else"; err == nil || err.Error() != want {
		t.Errorf("Unmarshal = %v; want %s", err, want)
	}
}

// zeros reads as many octets.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestTrace is a trace at the limit of what is sent, and one that is not there
// any more (CH-35).
func TestTrace(t *testing.T) {
	for _, test := range []struct {
		name string
		file io.Reader
		err  error
		want string // the reason, or none
	}{
		{"3 MiB", zeros(InlineMost), nil, ""},
		{"an octet more", zeros(InlineMost + 1), nil, "larger than 3 MiB"},
		{"empty", zeros(0), nil, ""},
		{"gone", nil, fmt.Errorf("open: %w", fs.ErrNotExist), "gone"},
		{"not allowed", nil, fs.ErrPermission, "cannot be read"},
		{"bad disk", io.MultiReader(zeros(10), iotest.ErrReader(errors.New("input/output error"))), nil, "cannot be read"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := example(t, Alert, model.CallHomeSmart)
			m.Attachments = m.Attachments[1:2]
			text, err := m.XML(func(file string) (io.ReadCloser, error) {
				if file != "/volumes/20261201-proxy.txt" {
					t.Errorf("opens %s", file)
				}
				return io.NopCloser(test.file), test.err
			})
			if err != nil {
				t.Fatal(err)
			}
			said := map[string]string{}
			for _, value := range xmlValues(t, text) {
				name, value, _ := strings.Cut(value, "=")
				said[name] = value
			}
			if said["path"] != "harddisk:crash/20261201-proxy.txt" || said["reason"] != test.want {
				t.Errorf("path %q, reason %q; want %q", said["path"], said["reason"], test.want)
			}
			if _, there := said["data"]; there != (test.want == "") {
				t.Errorf("data: %t", there)
			}
		})
	}
}

// scatter puts a text at the end of every text in a value.
func scatter(value reflect.Value, text string) {
	switch value.Kind() {
	case reflect.Pointer:
		if !value.IsNil() {
			scatter(value.Elem(), text)
		}
	case reflect.Struct:
		for i := range value.NumField() {
			if value.Type().Field(i).IsExported() {
				scatter(value.Field(i), text)
			}
		}
	case reflect.Slice:
		for i := range value.Len() {
			scatter(value.Index(i), text)
		}
	case reflect.String:
		value.SetString(value.String() + text)
	}
}

// FuzzNew has any octets in every fact, setting, event and attachment: XML and
// JSON can be read and say the same, texts have nothing that a screen or the
// header of an e-mail acts upon, and lines for pagers are short.
func FuzzNew(f *testing.F) {
	for _, text := range []string{
		"", "\x00\x1b[2J\x7f", "\r\nBcc: someone@example.com\r\n", "\xff\xfe\xc0\x80", "]]>&<!--\"'", "\ufffe\uffff\u202e\u0085\u2028",
		strings.Repeat("ö", 300), "\t\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, mode := range []string{model.CallHomeSmart, model.CallHomeAnonymous} {
			for _, kind := range all {
				if !May(kind, mode) {
					continue
				}
				told, set, about, more := facts(), settings(mode), event(kind), attachments(kind)
				scatter(reflect.ValueOf(&told), text)
				scatter(reflect.ValueOf(set), text)
				set.Mode = mode
				if about != nil {
					severity := about.Severity
					scatter(reflect.ValueOf(about), text)
					about.Severity = severity
				}
				for i := range more {
					scatter(reflect.ValueOf(&more[i]), text)
				}
				m, err := New(kind, "CH:1:1", sent, set, told, about, more...)
				if err != nil {
					t.Fatal(err)
				}
				forms := written(t, m)
				fromXML, fromJSON := xmlValues(t, forms["xml"]), jsonValues(t, forms["json"])
				if len(fromXML) < len(fromJSON) || !cmp.Equal(fromXML[len(fromXML)-len(fromJSON)+3:], fromJSON[3:]) {
					t.Errorf("XML says %q and JSON %q", fromXML, fromJSON)
				}
				if subject := m.Subject(); utf8.RuneCountInString(subject) > subjectMost || strings.ContainsFunc(subject, unprintable) {
					t.Errorf("subject %q", subject)
				}
				for line := range strings.Lines(m.Short()) {
					if line = strings.TrimSuffix(line, "\n"); utf8.RuneCountInString(line) > shortMost || strings.ContainsFunc(line, unprintable) {
						t.Errorf("line for a pager %q", line)
					}
				}
				if long := m.Long(); !utf8.ValidString(long) || strings.ContainsFunc(long, func(r rune) bool { return r != '\n' && r != '\t' && unprintable(r) }) {
					t.Errorf("long text %q", long)
				}
			}
		}
	})
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
