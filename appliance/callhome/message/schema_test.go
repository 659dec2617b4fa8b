package message

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/model"
)

const schemaFile = "../../../docs/callhome.xsd"

// invalid has xmllint (Debian package libxml2-utils) hold documents against the
// schema, and gives what it says of those that are not valid.
func invalid(t *testing.T, documents map[string]string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	args := []string{"--noout", "--nonet", "--schema", schemaFile}
	for name, text := range documents {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, filepath.Join(dir, name))
	}
	said, err := exec.CommandContext(t.Context(), "xmllint", args...).CombinedOutput()
	if failed := new(exec.ExitError); err != nil && !errors.As(err, &failed) {
		t.Fatalf("xmllint: %v", err)
	}
	bad := map[string]string{}
	for name := range documents {
		path := filepath.Join(dir, name)
		if strings.Contains(string(said), path+" validates\n") {
			continue
		}
		for line := range strings.Lines(string(said)) {
			if strings.HasPrefix(line, path) {
				bad[name] += line
			}
		}
		if bad[name] == "" {
			t.Fatalf("xmllint: %s", said)
		}
	}
	return bad
}

// TestSchema holds a message of every kind against docs/callhome.xsd: a whole
// one, one of which nothing is known, and one full of planted values.
func TestSchema(t *testing.T) {
	documents := map[string]string{}
	sends(t, func(t *testing.T, kind Kind, mode string) {
		_, planted, _ := plantAll(mode)
		bare, err := New(kind, "CH::1", sent, &model.CallHome{Mode: mode}, Facts{}, event(kind))
		if err != nil {
			t.Fatal(err)
		}
		full, err := New(kind, "CH:1:1", sent, settings(mode), planted, event(kind))
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range []*Message{example(t, kind, mode), bare, full} {
			documents[fmt.Sprintf("%s-%s-%d.xml", kind, mode, i)] = string(written(t, m)["xml"])
		}
	})
	for _, group := range append(model.CallHomeGroups(), model.GroupTest) {
		for _, severity := range []model.Severity{model.Critical, model.Major, model.Minor, model.Warning} {
			if group == model.GroupInventory || group == model.GroupTelemetry || group == model.GroupConfiguration {
				continue
			}
			m := example(t, Alert, model.CallHomeSmart)
			m.Event.Group, m.Event.Severity = group, severity
			documents["alert-"+group+"-"+string(severity)+".xml"] = string(written(t, m)["xml"])
		}
	}
	for name, said := range invalid(t, documents) {
		t.Errorf("%s: %s", name, said)
	}
}

var leaf = regexp.MustCompile(`^( *)<(\w+):(\w+)>([^<]*)</\w+:\w+>$`)

// fixed are the elements that have one value, which an empty one has, too (XML
// Schema Part 1 §3.3.1).
var fixed = []string{
	"session:To=" + receiver, "block:Name=" + builder, "block:Version=1", "block:Number=0", "block:IsLast=true",
	"block:IsPrimary=true", "block:WaitForPrimary=false", "ch:Brand=" + brand, "ch:Series=" + series,
}

// TestSchemaIsStrict spoils messages in every line that has a value, one at a
// time: another name, twice, a sibling that nobody knows, an attribute, no value;
// for numbers and times, another value.
func TestSchemaIsStrict(t *testing.T) {
	documents := map[string]string{}
	for _, kind := range all {
		lines := strings.Split(string(written(t, example(t, kind, model.CallHomeSmart))["xml"]), "\n")
		for i, line := range lines {
			match := leaf.FindStringSubmatch(line)
			if match == nil {
				continue
			}
			indent, prefix, name, value := match[1], match[2], match[3], match[4]
			spoil := func(how, line string) {
				changed := slices.Clone(lines)
				changed[i] = line
				documents[fmt.Sprintf("%s-%d-%s-%s.xml", kind, i, name, how)] = strings.Join(changed, "\n")
			}
			written := func(attribute, value string) string {
				return fmt.Sprintf("%s<%s:%s%s>%s</%s:%s>", indent, prefix, name, attribute, value, prefix, name)
			}
			spoil("renamed", strings.ReplaceAll(line, name+">", name+"X>"))
			spoil("twice", line+"\n"+line)
			spoil("another", line+"\n"+strings.ReplaceAll(line, name+">", "Owner>"))
			spoil("attribute", written(` x="1"`, value))
			fixed := slices.Contains(fixed, prefix+":"+name+"="+value)
			if name != "Data" && !fixed {
				spoil("empty", written("", ""))
			}
			if fixed || slices.ContainsFunc(numbers, func(end string) bool { return strings.HasSuffix(name, end) }) || strings.HasPrefix(value, "2026-12") {
				spoil("value", written("", "x"))
			}
		}
	}
	bad := invalid(t, documents)
	for name := range documents {
		if bad[name] == "" {
			t.Errorf("%s is valid", name)
		}
	}
	if len(documents) < 500 {
		t.Errorf("%d messages were spoiled; want more", len(documents))
	}
}

// TestSchemaMarksAnonymous holds the remarks of the schema against the table.
func TestSchemaMarksAnonymous(t *testing.T) {
	text, err := os.ReadFile("../../../docs/callhome/message.xsd")
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]string{} // what is between the tags of a type
	for _, match := range regexp.MustCompile(`(?s)<xs:complexType name="(\w+)">(.*?)</xs:complexType>`).FindAllStringSubmatch(string(text), -1) {
		types[match[1]] = match[2]
	}
	for _, row := range fields {
		path, of := strings.Split(row.name, "/"), ""
		switch {
		case path[0] == "SystemStatus":
			of = "systemStatus"
		case len(path) > 1:
			continue // CustomerData and SystemInfo are not anonymous as a whole
		case slices.Contains(row.kinds, Inventory):
			of = "inventory"
		case slices.Contains(row.kinds, Telemetry):
			of = "telemetry"
		default:
			continue
		}
		line := regexp.MustCompile(`<xs:element name="` + path[len(path)-1] + `".*`).FindString(types[of])
		if line == "" {
			t.Errorf("type %s has no %s", of, row.name)
		}
		if strings.HasSuffix(line, "<!-- not anonymous -->") == row.anonymous {
			t.Errorf("%s: %s; want it marked where it is not anonymous", row.name, line)
		}
	}
}
