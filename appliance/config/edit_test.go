package config

import (
	"reflect"
	"slices"
	"testing"

	"causeway/appliance/model"
)

// TestEdit types lines in places that an empty configuration does not have: they
// are made first.
func TestEdit(t *testing.T) {
	g := nested(t)
	inBilling := []string{"billing a"}
	inXML := []string{"billing a", "xml 1"}
	for _, test := range []struct {
		name, line string
		path, want []string
		applied    []string
	}{
		{"a line of global mode", "activate", nil, nil, []string{"config activate"}},
		{"an opening line", "bill  a", nil, inBilling, []string{"config billing a"}},
		{"one further in", "x 1", inBilling, inXML, []string{"config billing a", "config-billing xml 1"}},
		{"the innermost mode first", "activate", inXML, inXML, []string{"config billing a", "config-billing xml 1", "config-billing-xml activate"}},
		{"an enclosing mode", "interval 2", inXML, inBilling, []string{"config billing a", "config-billing interval 2"}},
		{"global mode from the innermost", "shout", inXML, nil, []string{"config shout"}},
		{"exit", "exit", inXML, inBilling, nil},
		{"exit in global mode", "exit", nil, nil, nil},
		{"end", "end", inXML, nil, nil},
		{"a blank line", "  ", inXML, inXML, nil},
		{"a comment", "! note", inXML, inXML, nil},
		{"a line kept aside", "!? shout", inXML, inXML, nil},
		{"a pasted prompt", "Router/Admin(config-billing)# interval 2", inBilling, inBilling, []string{"config billing a", "config-billing interval 2"}},
		{"a prompt alone", "host#", inBilling, inBilling, nil},
		{"configure terminal", "Router#conf t", inBilling, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c model.Config
			got, fault := g.Edit(&c, test.path, test.line)
			if fault != nil || !slices.Equal(got, test.want) || !slices.Equal(c.TimeServers, test.applied) {
				t.Errorf("Edit(%q, %q) = %q, %v and %q; want %q, no error and %q",
					test.path, test.line, got, fault, c.TimeServers, test.want, test.applied)
			}
		})
	}
}

func TestEditErrors(t *testing.T) {
	g := nested(t)
	for _, test := range []struct {
		path []string
		line string
		want Error
	}{
		{[]string{"billing a"}, " interval 12", Error{Column: 10, Text: "interval 12", Rule: "12 is not between 1 and 5"}},
		{[]string{"billing a"}, "host(config)# frob", Error{Column: 1, Text: "frob", Rule: "frob is not a command here"}},
		{[]string{"billing a", "shout"}, "activate", Error{Column: 1, Text: "shout", Rule: "shout is not a command here"}},
		{[]string{"activate"}, "activate", Error{Column: 1, Text: "activate", Rule: "this line opens no mode"}},
	} {
		var c model.Config
		path, fault := g.Edit(&c, test.path, test.line)
		if fault == nil || *fault != test.want || !slices.Equal(path, test.path) || !reflect.DeepEqual(c, model.Config{}) {
			t.Errorf("Edit(%q, %q) = %q, %+v; want the same path and %+v", test.path, test.line, path, fault, test.want)
		}
	}
}

// TestEditWherePlaceIsGone: another configuration was loaded meanwhile.
func TestEditWherePlaceIsGone(t *testing.T) {
	g := addresses(t)
	for _, test := range []struct {
		line, want string
		path       []string
		wantErr    bool
	}{
		{"server a", "box B\n server a\n exit\n!\nzone UTC\n", []string{"box B"}, false},
		{"server self", "zone UTC\n", []string{"box B"}, true},
		{"exit", "zone UTC\n", nil, false},
		{"zone UTC", "zone UTC\n", nil, false},
	} {
		c := &model.Config{}
		path, fault := g.Edit(c, []string{"box B"}, test.line)
		if (fault != nil) != test.wantErr || !slices.Equal(path, test.path) || g.Render(c) != test.want {
			t.Errorf("Edit(box B, %q) of an empty configuration = %q, %v and %q; want %q and %q",
				test.line, path, fault, g.Render(c), test.path, test.want)
		}
	}
}

func TestModeOf(t *testing.T) {
	g := nested(t)
	if mode, err := g.ModeOf([]string{"billing a", "xml 1"}); mode != "config-billing-xml" || err != nil {
		t.Errorf("ModeOf = %v, %v; want config-billing-xml", mode, err)
	}
	if mode, err := g.ModeOf(nil); mode != Global || err != nil {
		t.Errorf("ModeOf(nil) = %v, %v; want %v", mode, err, Global)
	}
	if mode, err := g.ModeOf([]string{"xml 1"}); err == nil {
		t.Errorf("ModeOf(xml 1) = %v; want an error", mode)
	}
}

func TestForms(t *testing.T) {
	var got []string
	for _, form := range addresses(t).Forms("config-box") {
		got = append(got, form.Syntax+": "+form.Help)
	}
	want := []string{
		"exit: Leave this mode", "end: Leave the configuration modes",
		"server SERVER [METRIC]: Add a server", "no server SERVER: Add a server",
	}
	if !slices.Equal(got, want) {
		t.Errorf("Forms(config-box) = %q; want %q", got, want)
	}
}

func TestCutPrompt(t *testing.T) {
	for line, want := range map[string]string{
		"Router(config-sbc)# sbe":           " sbe",
		"Router/Admin(config-sbc)#activate": "activate",
		"host>":                             "",
		"  host# end":                       " end",
		"sbe # not a prompt":                "sbe # not a prompt",
		" key a#b":                          " key a#b",
		"# comment of a shell":              "# comment of a shell",
	} {
		if got := CutPrompt(line); got != want {
			t.Errorf("CutPrompt(%q) = %q; want %q", line, got, want)
		}
	}
}
