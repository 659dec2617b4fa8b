package logging

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"causeway/appliance/model"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 345678901, time.FixedZone("", 3600))

func TestMessages(t *testing.T) {
	event := model.AlarmEvent{Number: 12, Time: noon, Kind: "raise", Alarm: 12, Name: "volume-space", Object: "harddisk",
		Severity: model.Major, Text: "93 % used"}
	cleared := event
	cleared.Number, cleared.Kind, cleared.Text = 13, "clear", "70 % used"
	noObject := event
	noObject.Object, noObject.Severity = "", model.Critical
	for _, test := range []struct {
		name string
		m    message
		want string
	}{
		{"line", ofLine("gw1", line{seq: 3, time: noon, facility: 16, severity: 4, process: "proxy", text: `msg="a b" c=d`}),
			`<132>1 2026-01-02T11:00:00.345678Z gw1 proxy - - [log@32473 seq="3"] msg="a b" c=d`},
		{"no host", ofLine("", line{time: noon, severity: 0, process: "kernel", text: "x"}),
			`<0>1 2026-01-02T11:00:00.345678Z - kernel - - [log@32473 seq="0"] x`},
		{"no text", ofLine("gw1", line{time: noon, process: "-"}),
			`<0>1 2026-01-02T11:00:00.345678Z gw1 - - - [log@32473 seq="0"]`},
		{"UTF-8", ofLine("gw1", line{time: noon, process: "proxy", text: "é"}),
			"<0>1 2026-01-02T11:00:00.345678Z gw1 proxy - - [log@32473 seq=\"0\"] \ufeffé"},
		{"alarm", ofEvent("gw1", event),
			`<146>1 2026-01-02T11:00:00.345678Z gw1 control - ALARM [alarm resource="harddisk" probableCause="other" perceivedSeverity="major"]` +
				`[alarm@32473 event="12" kind="raise" alarm="12" name="volume-space" object="harddisk"] raise volume-space harddisk: 93 % used`},
		{"clear", ofEvent("gw1", cleared),
			`<149>1 2026-01-02T11:00:00.345678Z gw1 control - ALARM [alarm resource="harddisk" probableCause="other" perceivedSeverity="cleared"]` +
				`[alarm@32473 event="13" kind="clear" alarm="12" name="volume-space" object="harddisk"] clear volume-space harddisk: 70 % used`},
		{"alarm of the box", ofEvent("gw1", noObject),
			`<145>1 2026-01-02T11:00:00.345678Z gw1 control - ALARM [alarm resource="gw1" probableCause="other" perceivedSeverity="critical"]` +
				`[alarm@32473 event="12" kind="raise" alarm="12" name="volume-space" object=""] raise volume-space: 93 % used`},
		{"lost events", ofLostEvents("gw1", noon, 9),
			`<44>1 2026-01-02T11:00:00.345678Z gw1 logging - ALARM - events of alarms missing here: 9`},
	} {
		got := string(test.m.append(nil))
		if got != test.want {
			t.Errorf("%s = %s; want %s", test.name, got, test.want)
		}
		if err := strict(got); err != nil {
			t.Errorf("%s = %s: %v", test.name, got, err)
		}
	}
}

// TestLongText: what is sent never has more than the text's bound, and no half
// of a character.
func TestLongText(t *testing.T) {
	for _, text := range []string{strings.Repeat("x", 5000), strings.Repeat("é", 5000), "x" + strings.Repeat("é", 5000)} {
		got := string(ofLine("gw1", line{time: noon, process: "proxy", text: text}).append(nil))
		if err := strict(got); err != nil || len(got) > maxText+200 {
			t.Errorf("a text of %d octets gives %d octets, %v; want at most %d and no error", len(text), len(got), err, maxText+200)
		}
	}
}

// rfc5424 is the grammar of RFC 5424 §6, as narrow as it is.
var rfc5424 = regexp.MustCompile(`^<(0|[1-9][0-9]{0,2})>1 ` +
	`(-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)) ` +
	`([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) ` +
	`(-|(?:\[[!#-<>-\\^-~]{1,32}(?: [!#-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*\])+)(?: ((?s:.*)))?$`)

// strict says what is wrong with a message. Mutations in TestStrict show that
// it sees faults.
func strict(text string) error {
	fields := rfc5424.FindStringSubmatch(text)
	if fields == nil {
		return fmt.Errorf("%q is not of RFC 5424's form", text)
	}
	if priority, err := strconv.Atoi(fields[1]); err != nil || priority > 191 {
		return fmt.Errorf("priority %s is above 191", fields[1])
	}
	if _, err := time.Parse(time.RFC3339Nano, fields[2]); err != nil && fields[2] != "-" {
		return err
	}
	body := strings.TrimPrefix(fields[8], "\ufeff")
	if !utf8.ValidString(body) || strings.ContainsFunc(body, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("text %q has control characters or is no UTF-8", body)
	}
	if body == fields[8] && strings.ContainsFunc(body, func(r rune) bool { return r > 0x7f }) {
		return fmt.Errorf("text %q is UTF-8 without a mark that says so (§6.4)", body)
	}
	return nil
}

func TestStrict(t *testing.T) {
	const good = `<132>1 2026-01-02T11:00:00.345678Z gw1 proxy - - [a@32473 b="c\]"][d] e`
	if err := strict(good); err != nil {
		t.Fatalf("strict(%s) = %v; want nil", good, err)
	}
	for _, change := range [][2]string{
		{"<132>", "<192>"}, {"<132>", "<0132>"}, {">1 ", ">2 "}, {"2026-01-02T", "2026-01-02 "}, {"2026-01", "2026-13"},
		{".345678Z", ".3456789Z"}, {"00.345678Z", "00.345678"}, {"gw1 ", ""}, {"gw1", "gw\u00e9"}, {`\]`, `]`}, {`"c`, `"c"`},
		{"][d]", "][d"}, {" e", "e"}, {" e", " \x1be"}, {" e", " é"}, {" e", " \xff"}, {"proxy", strings.Repeat("p", 49)},
	} {
		if text := strings.Replace(good, change[0], change[1], 1); text == good || strict(text) == nil {
			t.Errorf("strict(%s) = nil; want an error", text)
		}
	}
}

// FuzzMessage: whatever a text, a name or an object holds, the message has the
// form, and is one line.
func FuzzMessage(f *testing.F) {
	f.Add("text", "object", 4, int64(1e18))
	f.Add("a\nb\x00\xff\u2028é", `q"uo\te]`, -1, int64(0))
	f.Fuzz(func(t *testing.T, text, object string, severity int, nanoseconds int64) {
		when := time.Unix(0, nanoseconds)
		e := model.AlarmEvent{Time: when, Kind: "raise", Name: "x", Object: object, Text: text, Severity: model.Minor}
		for _, m := range []message{
			ofEvent("gw1", e),
			ofLine("gw1", readLine(model.LogEntry{Time: when, Priority: severity & 191, Text: text})),
		} {
			if err := strict(string(m.append(nil))); err != nil {
				t.Error(err)
			}
		}
	})
}
