package callhomed

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// golden has what boxes write, as their own tests hold it.
const golden = "../../../appliance/callhome/message/testdata/"

// schema is what XML is held against.
const schema = "../../../docs/callhome.xsd"

// goldens are the golden messages, by their names.
func goldens(t testing.TB, extension string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(golden + "*" + extension)
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no messages like %s*%s: %v", golden, extension, err)
	}
	texts := map[string][]byte{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[strings.TrimSuffix(filepath.Base(file), extension)] = text
	}
	return texts
}

// TestGoldens reads all that boxes write: XML and JSON of a message say the same.
func TestGoldens(t *testing.T) {
	ofJSON := goldens(t, ".json")
	for name, text := range goldens(t, ".xml") {
		fromXML, err := readXML(text)
		if err != nil {
			t.Errorf("readXML(%s): %v", name, err)
			continue
		}
		fromJSON, err := readJSON(ofJSON[name])
		if err != nil {
			t.Errorf("readJSON(%s): %v", name, err)
			continue
		}
		if len(fromXML.Fields) < 3 {
			t.Errorf("%s has the fields %v; want what tells of a box", name, fromXML.Fields)
		}
		for _, m := range []*Message{&fromXML, &fromJSON} {
			for i := range m.Fields {
				m.Fields[i].Name = strings.ToLower(m.Fields[i].Name)
			}
		}
		if !reflect.DeepEqual(fromXML, fromJSON) {
			t.Errorf("%s: XML says %+v,\nJSON %+v", name, fromXML, fromJSON)
		}
	}
}

// TestReadAlert reads what an alert says.
func TestReadAlert(t *testing.T) {
	m, err := readXML(goldens(t, ".xml")["alert-smart"])
	if err != nil {
		t.Fatal(err)
	}
	zone := time.FixedZone("", 3600)
	if want := time.Date(2026, 12, 1, 3, 17, 42, 0, zone); !m.Time.Equal(want) {
		t.Errorf("time = %v; want %v", m.Time, want)
	}
	want := Alert{
		Name: "Coredumpfilefound", Group: "crash", Object: "proxy", Severity: "major",
		Description: `proxy crashed: <nil> & "more"`, Impact: "Calls in progress were lost.", Remedy: "Send the crash file to support.",
		First: m.Alert.First, Repeated: 2, Node: "sbc1",
	}
	if *m.Alert != want || m.Kind != "alert" || m.Level != 5 || m.Serial() != "FOX26110001" {
		t.Errorf("alert = %+v, kind %s, level %d, of %s; want %+v", *m.Alert, m.Kind, m.Level, m.Serial(), want)
	}
	for name, want := range map[string]string{
		"CustomerData/UserData/Email": "noc@example.com", "systeminfo/name": "sbc1",
		"ServerIPAddress/2/Address": "2001:db8::10/64", "Name": "", "Nothing": "",
	} {
		if got := m.Field(name); got != want {
			t.Errorf("field %s = %q; want %q", name, got, want)
		}
	}
	names := []string{}
	for _, a := range m.Attachments {
		names = append(names, a.Name+" "+string(a.Data)+a.Reason)
	}
	if want := []string{"show processes proxy  up\nbilling\tup ]]> <x>\n", "20261201-proxy.txt panic: example\n", "20261130-gone.txt gone"}; !slices.Equal(names, want) {
		t.Errorf("attachments = %q; want %q", names, want)
	}
}

// TestReadRefuses makes one thing of a message wrong at a time.
func TestReadRefuses(t *testing.T) {
	texts := map[string]string{
		"xml":  string(goldens(t, ".xml")["alert-smart"]),
		"json": string(goldens(t, ".json")["alert-smart"]),
	}
	const id, device = "CH:FOX26110001:64d", "QEMU-X86@C@FOX26110001"
	for _, row := range []struct{ format, old, new, want string }{
		{"xml", "<?xml", "<!DOCTYPE x><?xml", "DTD"},
		{"xml", "<soap:Envelope ", "<?php x?><soap:Envelope ", "instruction for php"},
		{"xml", "</soap:Envelope>", "</soap:Envelope><more/>", "behind the end"},
		{"xml", "</soap:Envelope>", "</soap:Envelope>more", "outside of the elements"},
		{"xml", "</soap:Envelope>", "", "unexpected EOF"},
		{"xml", "<soap:Header>", "<soap:Header>text", "text beside elements"},
		{"xml", "<soap:Header>", "<soap:Header>" + strings.Repeat("<a>", mostDeep) + strings.Repeat("</a>", mostDeep), "too deep"},
		{"xml", soapSpace, "urn:other", "one element Envelope"},
		{"xml", "</ch:CallHome>", "</ch:CallHome><ch:CallHome xmlns:ch='" + messageSpace + "'/>", "one element CallHome"},
		{"xml", messageSpace + `"`, `urn:other"`, "one element CallHome"},
		{"xml", "<block:Severity>5", "<block:Severity>10", `severity "10"`},
		{"xml", "GroupId>" + id, "GroupId>CH:FOX26110001:64e", "the block"},
		{"xml", "From>" + device, "From>X@C@FOX26110001", "session is from"},
		{"json", `"schema": 1`, `"schema": 2`, `schema "2"`},
		{"json", `"schema": 1`, `"schema": 1, "schema": 1`, "comes twice"},
		{"json", `"schema": 1`, `"schema": 1, "Schema": 1`, "comes twice"},
		{"json", `"schema": 1`, `"schema": null`, "want a text"},
		{"json", `"schema": 1`, "\"schema\": \"\xff\"", "UTF-8"},
		{"json", `"schema": 1`, `"schema": ` + strings.Repeat("[", mostDeep+1) + strings.Repeat("]", mostDeep+1), "too deep"},
		{"json", "\"gone\"\n    }\n  ]\n}", "\"gone\"\n    }\n  ]\n}{}", "behind the end"},
		{"json", `"severity": "major",`, `"severity": "worse",`, `severity "worse"`},
		{"json", id, "CH:FOX26110001:64D", "want CH:SERIAL:NUMBER"},
		{"json", device + `",` + "\n  \"alert\"", `X@C@FOX2",` + "\n  \"alert\"", "want MODEL@C@FOX26110001"},
		{"json", `"type": "alert"`, `"type": "alarm"`, `type "alarm"`},
		{"json", `"type": "alert"`, `"type": "test"`, "not one element test"},
		{"json", `"eventTime": "2026-12-01T`, `"eventTime": "T`, "time of the event"},
		{"json", `"first": "2026-12-01T`, `"first": "T`, "time of the first alert"},
		{"json", `"repeated": 2`, `"repeated": -2`, `repeated "-2"`},
		{"json", `"messageDescription": "`, `"description": "`, "no description"},
		{"json", "cGFuaWM6", "cGFu,WM6", "attachment \"20261201-proxy.txt\""},
	} {
		text := strings.Replace(texts[row.format], row.old, row.new, 1)
		if text == texts[row.format] {
			t.Errorf("%q is not in the message", row.old)
			continue
		}
		read := readXML
		if row.format == "json" {
			read = readJSON
		}
		if _, err := read([]byte(text)); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("with %q, %s is read with %v; want %q", row.new, row.format, err, row.want)
		}
	}
	for _, text := range []string{"", "{}", "[]", `"text"`, "1"} {
		if _, err := readJSON([]byte(text)); err == nil {
			t.Errorf("readJSON(%q) = nil; want an error", text)
		}
	}
	if _, err := readXML(nil); err == nil {
		t.Error("readXML of nothing = nil; want an error")
	}
}

// TestSchema holds XML against the schema.
func TestSchema(t *testing.T) {
	if _, err := os.Stat(schema); err != nil {
		t.Fatal(err)
	}
	s := Server{options: Options{Schema: schema}}
	for name, text := range goldens(t, ".xml") {
		if _, err := s.read("xml", text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wrong := strings.Replace(string(text), "<ch:Device>", "<ch:Other>x</ch:Other><ch:Device>", 1)
		if _, err := s.read("xml", []byte(wrong)); err == nil || !strings.Contains(err.Error(), "Other") {
			t.Errorf("%s with an element of nobody is read with %v; want xmllint to name it", name, err)
		}
	}
}

// FuzzReadXML reads any octets.
func FuzzReadXML(f *testing.F) {
	for _, text := range goldens(f, ".xml") {
		f.Add(text)
	}
	fuzz(f, readXML)
}

// FuzzReadJSON reads any octets.
func FuzzReadJSON(f *testing.F) {
	for _, text := range goldens(f, ".json") {
		f.Add(text)
	}
	fuzz(f, readJSON)
}

func fuzz(f *testing.F, read func([]byte) (Message, error)) {
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := read(text)
		if err == nil && (m.Serial() == "" || !strings.HasSuffix(m.Device, m.Serial()) || m.Description == "") {
			t.Errorf("read %q as %+v", text, m)
		}
	})
}

// FuzzReadMail reads any octets as an e-mail.
func FuzzReadMail(f *testing.F) {
	f.Add([]byte(letter("alert-smart", "", "the body\n")))
	for _, text := range goldens(f, ".json") {
		f.Add([]byte(letter("x", "application/json", string(text))))
	}
	s := Server{}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, format, err := s.readMail(text)
		if err == nil && (m.Serial() == "" || format == "") {
			t.Errorf("readMail(%q) = %+v, %q", text, m, format)
		}
	})
}
